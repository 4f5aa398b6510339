/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $0x200, %eax
    mov %rax, %cr4
    mov $0x1122334455667788, %rax
    movq %rax, %xmm7
    fld1
    xor %eax, %eax
    cpuid
    out %al, $0x10
    movq %xmm7, %rbx
    fistpl 0x20000
    mov 0x20000, %ecx
    END
