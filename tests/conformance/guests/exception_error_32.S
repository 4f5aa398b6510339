/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    nop
    END
vector_13:
    mov (%esp), %esi
    mov 4(%esp), %edi
    mov %esp, %edx
    END
