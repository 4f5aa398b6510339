/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    push $0 /* GS */
    push $0
    push $0x3000 /* DS */
    push $0x1200 /* ES */
    push $0x1200 /* SS */
    push $0x0ff0 /* ESP */
    push $0x23002 /* VM, IOPL 3 */
    push $0
    push $in_v86
    iret
.code16
.section .user, "ax"
in_v86:
    movw $0xcafe, 0x10
    push %ds
    pop %ax
    int $0x31
    ud2
.text
.code32
vector_49_dpl3:
    mov %eax, %ebx
    mov 8(%esp), %ecx
    mov 12(%esp), %edx
    mov 24(%esp), %esi /* DS */
    mov %esp, %edi
    END
