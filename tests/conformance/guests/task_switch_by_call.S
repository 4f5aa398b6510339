/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    nop
call:
    lcall $OTHER_TSS, $0
    ud2
vector_10:
    pop %esi
    mov (%esp), %edi
    END
