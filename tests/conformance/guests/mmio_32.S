/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x10000000, %ebx
    mov $4, %esi
    mov $0x55aa, %eax
    mov %eax, (%ebx)
    mov %ax, (%ebx,%esi,2)
    mov %ah, 0x10(%ebx)
    movzwl 0x20(%ebx), %ecx
    mov 0x10000030, %al
    incl 0x40(%ebx)
    END
