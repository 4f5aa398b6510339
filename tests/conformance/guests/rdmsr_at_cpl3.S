/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $0x8b, %ecx
rdmsr:
    rdmsr
    ud2
.text
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
