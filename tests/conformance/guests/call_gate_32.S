/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
.section .user, "ax"
start:
    push $0x11
    push $0x22
    lcall $0x7b, $0
after:
    END
.text
entry:
    mov (%esp), %ebx
    mov 4(%esp), %ecx
    mov 8(%esp), %edx /* copied parameters */
    mov 12(%esp), %esi
    mov 16(%esp), %edi /* outer ESP */
    mov %cs, %eax
    lret $8
