/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    orl $0x80, (%rdi)
    mov $0x11, %eax
    xchg %eax, 4(%rdi)
    mov $1, %ecx
    lock xaddw %cx, 8(%rdi)
    addb $0xff, 0x0c(%rdi)
    pushfq
    pop %rbx
    and $0x8d5, %ebx
    cmpl $5, 0x10(%rdi)
    pushfq
    pop %rdx
    and $0x8d5, %edx
    mov $7, %esi
    and 0x14(%rdi), %rsi
    END
