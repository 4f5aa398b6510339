/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    sti
    hlt
halted:
    mov $2, %ebx
    END
vector_32:
    mov (%rsp), %rdi
    mov $1, %esi
    iretq
