/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
in:
    in $0x21, %al
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
