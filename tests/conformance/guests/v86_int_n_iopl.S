/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    int $0x31
    ud2
.code32
vector_49_dpl3:
    ud2
vector_13:
    pop %esi
    mov (%esp), %edi
    END
