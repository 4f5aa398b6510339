/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    sti
    cli
    mov $1, %ebx
    sti
    mov $2, %ebx
window:
    mov $3, %ebx
    END
vector_32:
    mov (%rsp), %rdi
    END
