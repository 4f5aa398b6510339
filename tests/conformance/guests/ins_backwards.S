/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x20005, %rdi
    mov $3, %ecx
    mov $0x300, %edx
    std
    rep insb
    END
