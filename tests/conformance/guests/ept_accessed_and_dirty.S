/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov 0x24000, %eax
    mov %eax, 0x25000
    END
