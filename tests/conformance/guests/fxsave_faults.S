/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $0x200, %eax
    mov %rax, %cr4
    movq $0, PAGE_TABLE + 0x21 * 8
    invlpg 0x21000
    mov $0x11223344, %ebx
    movd %ebx, %xmm0
fxsave:
    fxsave 0x20f00
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    shr $12, %rdx
    END
