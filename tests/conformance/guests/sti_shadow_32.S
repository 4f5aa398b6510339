/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    sti
    inc %ebx
window:
    inc %ebx
    END
vector_32:
    mov (%esp), %edi
    END
