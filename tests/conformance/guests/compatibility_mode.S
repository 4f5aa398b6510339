/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    push $CODE32
    push $in_compatibility_mode
    lretq
.code32
in_compatibility_mode:
    mov $0xffffffff, %eax
    .byte 0x40 /* INC EAX here, a REX prefix in 64-bit mode */
    mov %eax, %esi
    mov $0xfffff000, %ebx
    movl $0x31415926, 0x22000(%ebx) /* wraps to 21000H */
    ljmp $CODE64, $back
.code64
back:
    mov $-1, %rcx
    END
