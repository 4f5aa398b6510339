/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %r12d
    mov %r12, %r13
    mov %r12, %r14
    mov $0x40, %r15d
    mov %r12, %rbp
    mov %rsp, %rbx
    mov (%r12), %dl
    mov (%r13), %dl
    mov 8(%r12), %dl
    mov 0x10(%r13,%r15), %dl
    mov (%r14,%r15,2), %dl
    mov (%r15,%r12), %dl
    mov device(,%r15,4), %dl
    mov 0x18(%rbp), %dl
    mov %r12, %rsp
    mov 0x28(%rsp), %dl
    mov (%rsp,%r15,8), %dl
    mov %rbx, %rsp
    mov %gs:0x30(%r12), %dl
    mov device+0x38(%eip), %dl
    mov -0x40(%r12d,%r15d,4), %dl
    movl $1, device+0x50(%rip)
    END
