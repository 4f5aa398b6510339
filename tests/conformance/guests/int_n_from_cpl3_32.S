/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
.section .user, "ax"
start:
    int $0x31
after:
    END
.text
vector_49_dpl3:
    mov (%esp), %edi
    mov 4(%esp), %ebx
    mov 12(%esp), %ebp
    mov 16(%esp), %ecx
    mov %esp, %esi
    iret
