/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.macro try
    lea 1f(%rip), %r15
.endm
start:
    mov %cr0, %rbx
    mov %rbx, %rax
    btr $0, %rax /* PG without PE */
    try
    mov %rax, %cr0
1:  mov %rbx, %rax
    bts $29, %rax /* NW without CD */
    btr $30, %rax
    try
    mov %rax, %cr0
1:  mov %rbx, %rax
    btr $31, %rax /* paging off in 64-bit mode */
    try
    mov %rax, %cr0
1:  mov %rbx, %rax
    bts $32, %rax /* upper half */
    try
    mov %rax, %cr0
1:  mov %cr0, %rax
    sub %rbx, %rax
    END
vector_13:
    pop %rcx
    add %rcx, %rsi
    inc %edi
    mov %r15, (%rsp)
    iretq
