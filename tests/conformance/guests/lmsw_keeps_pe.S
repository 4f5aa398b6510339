/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    xor %eax, %eax
    lmsw %ax
    mov %cr0, %rax
    and $0xf, %eax
    END
