/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0, PAGE_TABLE + 0x21 * 8
    invlpg 0x21000
    mov $0x20ffe, %edi
    mov $4, %ecx
    mov $0x300, %edx
rep:
    rep insb
    END
vector_14:
    pop %rsi
    mov (%rsp), %rbx
    mov %rcx, %r8
    mov %rdi, %r9
    mov %cr2, %rax
    movq $0x21003, PAGE_TABLE + 0x21 * 8
    iretq
