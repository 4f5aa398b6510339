/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x24000, %r8d
    call *%r8
    mov %eax, %esi
    movb $2, 0x26001
    xor %eax, %eax
    cpuid /* serializes */
    call *%r8
    END
