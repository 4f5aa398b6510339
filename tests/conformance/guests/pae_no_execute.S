/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x80000000, PAGE_TABLE + 0x22 * 8 + 4
    movb $0xc3, 0x22000
    mov $0x22000, %eax
    call *%eax
    ud2
vector_14:
    pop %esi
    mov (%esp), %edi
    mov %cr2, %edx
    END
