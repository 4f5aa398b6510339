/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x8000000024003, %rax
    mov %rax, PAGE_TABLE + 0x24 * 8
load:
    mov 0x24000, %eax
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    END
