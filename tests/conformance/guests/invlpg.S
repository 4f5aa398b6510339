/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    invlpg 0x21234
    out %al, $0x10
invlpg:
    invlpg 0x21234
    END
