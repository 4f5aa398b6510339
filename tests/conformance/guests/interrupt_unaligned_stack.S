/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xfff3, %esp
    jmp .
vector_64:
    mov 24(%rsp), %rdx
    mov %rsp, %rsi
    END
