/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $0x246, %eax
    push %rax
    popfq
    stc
    syscall
after:
    mov %rsp, %rbp
    mov %cs, %r13d
    mov %ss, %r14d
    pushfq
    pop %r15
    int $0x30
.text
entry:
    mov %rcx, %rdi
    mov %r11, %rsi
    mov %cs, %r8d
    mov %ss, %r9d
    mov %rsp, %rdx
    mov $0xfff0, %esp
    pushfq
    pop %rbx
    mov %rdx, %rsp
    sysretq
vector_48_dpl3:
    END
kernel_start:
    mov $0xc0000081, %ecx /* IA32_STAR */
    xor %eax, %eax
    mov $0x00180008, %edx
    wrmsr
    inc %ecx
    mov $entry, %eax
    xor %edx, %edx
    wrmsr
    mov $0xc0000084, %ecx /* IA32_FMASK */
    mov $0x1, %eax
    wrmsr
    push $USER_DATA
    push $USER_STACK
    push $2
    push $USER_CODE64
    push $start
    iretq
