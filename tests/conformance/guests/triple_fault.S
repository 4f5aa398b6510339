/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $7, %ebx
fault:
    ud2
