/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xfff3, %esp
    jmp .
vector_64_ist1_trap:
    mov 24(%rsp), %rdx
    mov %rsp, %rsi
    pushfq
    pop %rax
    and $IF_FLAG, %eax
    END
