/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
.section .user, "ax"
start:
    sysenter
after:
    mov %cs, %edx
    mov %ss, %esi
    mov %esp, %ebp
    int $0x30
.text
kernel_start:
    mov $0x174, %ecx
    mov $FAST_CODE32, %eax
    xor %edx, %edx
    wrmsr
    inc %ecx
    mov $0xffe0, %eax
    wrmsr
    inc %ecx
    mov $entry, %eax
    wrmsr
    push $USER_DATA
    push $USER_STACK
    push $2
    push $USER_CODE32
    push $start
    iret
entry:
    mov %esp, %edi
    mov %cs, %ebx
    mov %ss, %eax
    mov $after, %edx
    mov $USER_STACK - 64, %ecx
    sysexit
vector_48_dpl3:
    END
