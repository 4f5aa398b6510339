/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    hlt
halted:
    mov $2, %ebx
    END
vector_2:
    mov (%rsp), %rdi
    mov $1, %esi
    iretq
