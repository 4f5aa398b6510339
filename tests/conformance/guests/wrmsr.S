/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x11223344, %eax
    mov $0x55667788, %edx
    mov $0x8b, %ecx
wrmsr:
    wrmsr
after:
    END
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
