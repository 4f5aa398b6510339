/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $device, %eax
    mov $1, %ebx
    mov $0x40, %ecx
    mov (%rax), %r8b
    mov 0x10(%rax), %r8b
    mov (%rax,%rcx), %r8b
    mov (%rax,%rcx,4), %r8b
    mov 0x0fffffc0(%rcx,%rcx,2), %r8b
    mov device+0x50(,%rcx,8), %r8b
    mov device+0x60(%rip), %r8b
    mov device+0x70, %r8b
    mov %fs:0x80(%rax), %r8b
    movabs 0x10000090, %al
    mov $0xffffffff10000000, %rdx
    mov 0xa0(%edx), %r8b
    mov $device, %r13d
    mov -8(%r13,%rbx,8), %r8b
    END
