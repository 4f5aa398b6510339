/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    rdtsc
    mov %edx, %ebx
    shl $32, %rbx
    or %rax, %rbx
    rdtscp
    shl $32, %rdx
    or %rdx, %rax
    sub %rbx, %rax /* later than the first */
    mov %rbx, %rsi
    shr $32, %rsi
    END
