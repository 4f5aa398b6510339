/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    cli
    ud2
.code32
vector_13:
    pop %esi
    mov (%esp), %edi
    END
