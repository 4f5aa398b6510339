/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $0x40000, %rax /* OSXSAVE */
    mov %rax, %cr4
    xor %ecx, %ecx
    xor %edx, %edx
    mov $3, %eax
    xsetbv
    xor %eax, %eax
    xgetbv
    mov %eax, %ebx
    mov $2, %eax /* SSE without x87 */
bad:
    xsetbv
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
