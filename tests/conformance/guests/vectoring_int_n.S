/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
int:
    int $0x30
after:
    END
vector_48:
    inc %ebx
    mov (%rsp), %rdi
    iretq
