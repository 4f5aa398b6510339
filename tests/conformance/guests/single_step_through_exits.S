/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    pushfq
    orl $TF_FLAG, (%rsp)
    popfq
    cpuid
after_cpuid:
    out %al, $0x10
after_out:
    int $0x30
after_int:
    nop
    END
vector_1:
    mov (%rsp), %rax
    mov %rax, 0x21000(,%rbp,8)
    inc %ebp
    iretq
vector_48:
    pushfq
    pop %rsi
    and $TF_FLAG, %esi
    iretq
