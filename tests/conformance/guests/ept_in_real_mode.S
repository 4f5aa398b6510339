/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    mov $0x2100, %ax
    mov %ax, %ds
load:
    mov 0x10, %ax
    END
