/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $5, %ebx
int:
    int $0x30
after:
    ud2
