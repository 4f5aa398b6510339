/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xc0000082, %ecx /* IA32_LSTAR */
    mov $0x12345678, %eax
    mov $0xffff8000, %edx
    wrmsr
    xor %eax, %eax
    xor %edx, %edx
    rdmsr
    mov %eax, %ebx
    mov %edx, %ebp
    mov $0x80000000, %edx /* not canonical */
bad:
    wrmsr
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
