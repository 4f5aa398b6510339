/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x20ffe, %edi
    mov $2, %ecx
    mov $0x300, %edx
    rep insl
    insb
    insw
    END
