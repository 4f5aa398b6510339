/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x0000000f, 0x5000 + 0x78
    movl $0x00409300, 0x5000 + 0x7c /* 16 bytes, byte granular */
    mov $0x78, %eax
    mov %eax, %fs
    mov %fs:0xc, %ebx
load:
    mov %fs:0xd, %ebx
    ud2
vector_13:
    pop %esi
    mov (%esp), %edi
    END
