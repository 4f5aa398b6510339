/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0, PAGE_TABLE + 0x14 * 8 /* the page of IST 1 */
    invlpg 0x14000
    mov $0x8000000000000000, %rbx
load:
    mov (%rbx), %rax
    ud2
vector_13_ist1:
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    shr $12, %rdx
    END
