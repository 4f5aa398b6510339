/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $0x111, %ecx
    sysenter
after:
    mov %cs, %r13d
    mov %ss, %r14d
    mov %rsp, %rbp
    int $0x30
.text
kernel_start:
    mov $0x174, %ecx /* IA32_SYSENTER_CS */
    mov $CODE64, %eax
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
    push $IF_FLAG | 2
    push $USER_CODE64
    push $start
    iretq
entry:
    mov %rsp, %rdi
    mov %cs, %r8d
    mov %ss, %r9d
    pushfq
    pop %rbx
    and $IF_FLAG, %ebx
    mov $after, %edx
    mov $USER_STACK - 64, %ecx
    sysexitq
vector_48_dpl3:
    END
