/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr4, %rax
    or $0x80, %eax
    mov %rax, %cr4
    movl $1, 0x24000
    movl $2, 0x25000
    movq $0x24103, PAGE_TABLE + 0x24 * 8 /* global */
    invlpg 0x24000
    mov 0x24000, %ecx
    movq $0x25103, PAGE_TABLE + 0x24 * 8
    mov %cr4, %rax
    btr $7, %rax
    mov %rax, %cr4 /* changes PGE: flushes global pages too */
    mov 0x24000, %ebx
    END
