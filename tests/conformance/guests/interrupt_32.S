/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    jmp .
vector_64:
    mov (%esp), %edi
    mov 4(%esp), %ebx
    mov 8(%esp), %ecx
    mov %esp, %esi
    pushf
    pop %eax
    and $IF_FLAG, %eax
    END
