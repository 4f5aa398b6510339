/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    out %al, $0x10
    out %al, $0x11
    sti
    hlt
halted:
    mov $2, %ebx
    END
vector_32:
    mov (%rsp), %rdi
    mov $1, %esi
    iretq
