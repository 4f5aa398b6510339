/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    push %ss
    pop %ss
    mov 0x21000, %ecx
window:
    inc %ebx
    END
vector_32:
    mov (%esp), %edi
    END
