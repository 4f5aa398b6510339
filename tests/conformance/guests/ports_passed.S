/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    out %al, $0x10
    inc %ebx
    out %al, $0x11
    END
