/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x20fff, %rsi
    mov $2, %ecx
    mov $0x300, %edx
    rep outsw
    END
