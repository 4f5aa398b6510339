/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    hlt
halted:
    END
