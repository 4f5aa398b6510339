/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0x24001, PAGE_TABLE + 0x24 * 8
    mov %cr0, %rax
    btr $16, %rax
    mov %rax, %cr0
    movl $6, 0x24000 /* a supervisor may */
    bts $16, %rax
    mov %rax, %cr0
store:
    movl $7, 0x24000
    ud2
vector_14:
    pop %rsi
    mov (%rsp), %rdi
    mov 0x24000, %ebx
    END
