/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    pushfq
    orl $0x40000, (%rsp) /* AC */
    popfq
load:
    mov 0x30001, %eax
    ud2
.text
vector_17:
    pop %rsi
    mov (%rsp), %rdi
    END
