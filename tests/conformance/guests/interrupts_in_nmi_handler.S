/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    nop
    mov $1, %ebx
    END
vector_2:
    mov $1, %ecx
    sti
    inc %ecx
in_handler:
    inc %ecx
    iretq
vector_32:
    mov (%rsp), %rdi
    iretq
