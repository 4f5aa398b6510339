/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    movq $0, PAGE_TABLE + 0x21 * 8
    invlpg 0x21000
    mov $0x20ff0, %esi
    mov $0x24000, %edi
    mov $32, %ecx
rep:
    rep movsb
    END
vector_14:
    mov %rcx, %rbx
    mov %rsi, %r8
    mov %rdi, %r9
    mov 8(%rsp), %r10
    movq $0x21003, PAGE_TABLE + 0x21 * 8
    add $8, %rsp
    iretq
