/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
load:
    mov 0x21008, %rax
    END
