/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov 0x24000, %eax
    mov PAGE_TABLE + 0x24 * 8, %rbx
    mov %eax, 0x24000
    mov PAGE_TABLE + 0x24 * 8, %rcx
    mov PAGE_TABLE + 0x25 * 8, %rdx
    mov 0x3000, %rsi
    mov 0x1000, %rdi
    mov %eax, 0x200008
    mov 0x3008, %rbp
    END
