/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xffffffff11223344, %rax
    mov $0x1234, %dx
    out %al, $0x10
    out %ax, $0x11
    out %eax, $0x12
    out %al, %dx
    out %ax, %dx
    out %eax, %dx
    END
