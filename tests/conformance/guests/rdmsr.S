/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $-1, %rax
    mov $-1, %rdx
    mov $0x8b, %ecx
rdmsr:
    rdmsr
after:
    END
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
