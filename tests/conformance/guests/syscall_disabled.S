/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0xc0000080, %ecx
    rdmsr
    btr $0, %eax /* SCE */
    wrmsr
syscall:
    syscall
    END
vector_6:
    mov (%rsp), %rdi
    END
