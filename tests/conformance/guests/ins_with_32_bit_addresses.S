/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xffffffff00020000, %rdi
    mov $0xffffffff00000001, %rcx
    mov $0x300, %edx
    addr32 rep insl
    END
