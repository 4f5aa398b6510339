/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0, PAGE_TABLE + 0x23 * 4
    invlpg 0x23000
    mov $0x24010, %esp
pusha:
    pusha
    ud2
vector_14:
    mov %esp, %ebx
    pop %esi
    mov (%esp), %edi
    mov %cr2, %edx
    shr $12, %edx
    END
