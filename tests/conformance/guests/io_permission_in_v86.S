/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x77, %al
    out %al, $0xe0
in:
    in $0x21, %al
    ud2
.code32
vector_13:
    pop %esi
    mov (%esp), %edi
    END
