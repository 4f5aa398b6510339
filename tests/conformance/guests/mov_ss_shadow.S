/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %ss, %eax
    sti
    mov %eax, %ss
    inc %ebx
window:
    inc %ebx
    END
vector_32:
    mov (%rsp), %rdi
    END
