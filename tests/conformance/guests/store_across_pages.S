/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x1122334455667788, %rax
    movq $0, PAGE_TABLE + 0x21 * 8
    invlpg 0x21000
store:
    mov %rax, 0x20ffc
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov %cr2, %rdx
    END
