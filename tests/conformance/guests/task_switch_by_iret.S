/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    pushl $0x4002 /* NT */
    popf
iret:
    iret
vector_10:
    pop %esi
    mov (%esp), %edi
    END
