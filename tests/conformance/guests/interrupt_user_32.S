/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
.section .user, "ax"
start:
    jmp .
.text
vector_64:
    mov (%esp), %edi
    mov 4(%esp), %ebx
    mov 8(%esp), %ecx
    mov 12(%esp), %edx
    mov 16(%esp), %ebp
    mov %esp, %esi
    mov %ss, %eax
    END
