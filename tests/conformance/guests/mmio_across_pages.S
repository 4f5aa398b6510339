/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
store:
    mov %rax, 0xffc(%rdi)
    END
