/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %ss, %eax
    mov %eax, %ss
    mov 0x21000, %rcx
window:
    inc %ebx
    END
vector_2:
vector_32:
    mov (%rsp), %rdi
    END
