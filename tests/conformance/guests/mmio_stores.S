/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    mov $0x1122334455667788, %rax
    mov %al, (%rdi)
    mov %ah, 0x01(%rdi)
    mov %ax, 0x04(%rdi)
    mov %eax, 0x08(%rdi)
    mov %rax, 0x10(%rdi)
    movb $0x5a, 0x20(%rdi)
    movw $0x1234, 0x24(%rdi)
    movl $0x89abcdef, 0x28(%rdi)
    movq $-2, 0x30(%rdi)
    mov $0xfedcba9876543210, %r9
    mov %r9, 0x38(%rdi)
    END
