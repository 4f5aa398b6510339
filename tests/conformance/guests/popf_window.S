/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    pushfq
    orl $IF_FLAG, (%rsp)
    popfq
window:
    inc %ebx
    END
vector_32:
    mov (%rsp), %rdi
    END
