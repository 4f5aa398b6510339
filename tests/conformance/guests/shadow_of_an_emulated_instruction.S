/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    sti
    cpuid
after:
    nop
    END
