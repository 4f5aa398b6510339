/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    mov %cr4, %rax
    or $0x200, %rax
    mov %rax, %cr4
movups:
    movups %xmm0, (%rdi)
    END
