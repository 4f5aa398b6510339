/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x20ffe, %esi
    mov $2, %ecx
    mov $0x300, %edx
    rep outsl
    fs outsb
    outsw
    END
