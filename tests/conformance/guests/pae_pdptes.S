/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    movl $0x3001, 0x1008 /* PDPTE 1 like PDPTE 0 */
load:
    mov 0x40020000, %eax /* not loaded yet: #PF */
    mov %eax, %ebx
    movl $0x3003, 0x1010 /* PDPTE 2 with a reserved bit */
    mov %cr3, %eax
bad:
    mov %eax, %cr3
    ud2
vector_14:
    inc %ecx
    mov %cr2, %esi
    mov %cr3, %eax
    mov %eax, %cr3
    add $4, %esp
    iret
vector_13:
    pop %edx
    mov (%esp), %edi
    END
