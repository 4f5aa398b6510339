/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    pushfq
    orl $TF_FLAG, (%rsp)
    popfq
first:
    nop
second:
    mov $2, %ecx
    mov $0x20000, %edi
rep:
    rep stosb
    pushfq
    pop %rdx
    andl $~TF_FLAG, %edx
    push %rdx
    popfq
last:
    nop
    END
vector_1:
    mov (%rsp), %rax
    mov %rax, 0x21000(,%rbx,8)
    mov %dr6, %rsi
    inc %ebx
    iretq
