/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movl $0x22007, 0x3010 /* the next 2 MiB by a table at 22000H */
load:
    mov 0x400008, %eax
    END
