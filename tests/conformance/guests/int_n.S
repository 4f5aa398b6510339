/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $-1, %rsi
    int $0x30
after:
    mov $1, %ecx
    int3
after_bp:
    END
vector_48:
    mov (%rsp), %rdi
    mov 8(%rsp), %rbx
    mov 24(%rsp), %rbp
    iretq
vector_3:
    mov (%rsp), %rdx
    iretq
