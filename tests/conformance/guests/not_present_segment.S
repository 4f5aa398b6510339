/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x0000ffff, 0x5000 + 0x78
    movl $0x00cf1300, 0x5000 + 0x7c /* not present */
    mov $0x78, %eax
load:
    mov %eax, %fs
    ud2
vector_11:
    pop %esi
    mov (%esp), %edi
    END
