/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    jmp .
.code32
vector_64:
    mov (%esp), %edi
    mov 4(%esp), %ebx
    mov 8(%esp), %ecx
    mov 12(%esp), %edx
    mov 32(%esp), %ebp /* GS */
    mov %esp, %esi
    mov %ds, %eax
    END
