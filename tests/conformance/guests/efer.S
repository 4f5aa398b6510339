/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xc0000080, %ecx
    rdmsr
    mov %eax, %ebx
    and $~0x800, %eax /* NXE */
    wrmsr
    rdmsr
    mov %eax, %ebp
    or $2, %eax /* reserved */
bad:
    wrmsr
    ud2
vector_13:
    pop %rsi
    mov (%rsp), %rdi
    END
