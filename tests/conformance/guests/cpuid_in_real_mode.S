/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
    xor %eax, %eax
    cpuid
after:
    mov $0x80000000, %eax
    cpuid
    shr $31, %eax
    END
