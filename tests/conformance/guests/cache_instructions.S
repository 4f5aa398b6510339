/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    wbinvd
    inc %ebx
    invd
    inc %ebx
    pause
    END
