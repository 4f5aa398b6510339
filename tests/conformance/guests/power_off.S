/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x604, %dx
    mov $0x2000, %ax
    out %ax, %dx
    END
