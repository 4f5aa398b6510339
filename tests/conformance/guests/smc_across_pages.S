/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $template, %esi
    mov $0x20ffe, %edi /* the immediate lies on both pages */
    mov $6, %ecx
    rep movsb
    mov $0x20ffe, %r8d
    call *%r8
    mov %eax, %ebx
    movb $0x77, 0x21001 /* of the second page only */
    call *%r8
    movb $0x66, 0x20fff /* of the first only */
    mov %eax, %edx
    call *%r8
    END
template:
    mov $0x11223344, %eax
    ret
