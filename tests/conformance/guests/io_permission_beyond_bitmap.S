/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $0x1234, %dx
out:
    out %al, %dx
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
