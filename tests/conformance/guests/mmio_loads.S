/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    mov $-1, %rax
    mov %rax, %rbx
    mov %rax, %rcx
    mov %rax, %rdx
    mov %rax, %rsi
    mov %rax, %r8
    mov %rax, %r9
    mov %rax, %r10
    mov (%rdi), %al
    mov 0x04(%rdi), %bx
    mov 0x08(%rdi), %ecx
    mov 0x10(%rdi), %rdx
    movzbl 0x20(%rdi), %esi
    movsbq 0x21(%rdi), %r8
    movswl 0x22(%rdi), %r9d
    movslq 0x24(%rdi), %r10
    mov $-1, %rbp
    mov %rbp, %rax
    mov 0x28(%rdi), %ah
    END
