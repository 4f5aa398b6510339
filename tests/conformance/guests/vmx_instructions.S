/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.macro try instruction:vararg
    lea 1f(%rip), %r15
    \instruction
1:
.endm
start:
    try vmxoff
    try vmlaunch
    try vmresume
    try vmxon 0x20000
    try vmclear 0x20000
    try vmptrld 0x20000
    try vmptrst 0x20000
    try vmread %rax, %rcx
    try vmwrite %rcx, %rax
    try invept 0x20000, %rax
    try invvpid 0x20000, %rax
    END
vector_6:
    inc %ebx
    mov %r15, (%rsp)
    iretq
