/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    sti
    inc %ebx
window:
    inc %ebx
    END
vector_32:
    mov (%rsp), %rdi
    END
