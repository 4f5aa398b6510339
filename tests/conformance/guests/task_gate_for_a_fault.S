/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    nop
fault:
    ud2
vector_13:
    pop %esi
    mov (%esp), %edi
    END
