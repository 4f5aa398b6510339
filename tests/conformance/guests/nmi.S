/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    nop
main:
    inc %ebx
    END
vector_2:
    inc %ecx
    mov (%rsp), %rdi
    out %al, $0x10
    iretq
