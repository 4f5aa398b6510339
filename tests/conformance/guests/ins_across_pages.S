/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x20fff, %rdi
    mov $2, %ecx
    mov $0x300, %edx
    rep insw
    END
