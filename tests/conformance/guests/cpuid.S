/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $1, %eax
    mov $-1, %rbx
    mov $0xffffffff00000000, %rcx
    mov $-1, %rdx
    cpuid
after:
    mov %rdx, %rsi
    and $1, %esi /* FPU */
    shr $32, %rax
    shr $32, %rbx
    shr $32, %rcx
    shr $32, %rdx
    END
