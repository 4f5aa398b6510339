/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x800000000000, %rcx
    mov $0x2, %r11d
    nop
sysret:
    sysretq
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    mov 8(%rsp), %rdx
    END
