/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $1, %ebx
    END
vector_40:
    out %al, $0x10
    out %al, $0x11
    iretq
vector_41:
    mov (%rsp), %rdi
    mov %ebx, %esi
    inc %ecx
    iretq
