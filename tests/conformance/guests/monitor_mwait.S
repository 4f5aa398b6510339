/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    lea 0x20000, %rax
    xor %ecx, %ecx
    xor %edx, %edx
    lea 1f(%rip), %r15
    monitor
1:  lea 1f(%rip), %r15
    mwait
1:  END
vector_6:
    inc %ebx
    mov %r15, (%rsp)
    iretq
