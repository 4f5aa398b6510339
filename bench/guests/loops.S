// SPDX-License-Identifier: MIT
// Guest code, 64-bit, position-independent; copied into guest memory. RCX counts down; HLT ends each.
#include "bench/guests/guest.inc"

GUEST(blocks_of_3)
1:  add %rbx, %rax
    dec %rcx
    jnz 1b
    hlt
END_GUEST(blocks_of_3)

GUEST(blocks_of_10)
1:  add %rbx, %rax
    xor %rax, %rdx
    lea 1(%rdx,%rbx), %r8
    sub %r8, %r9
    add %rax, %r10
    or $1, %rbx
    add %r10, %r11
    mov %r11, %r12
    dec %rcx
    jnz 1b
    hlt
END_GUEST(blocks_of_10)

GUEST(blocks_of_66)
1:
    .rept 8
    add %rbx, %rax
    xor %rax, %rdx
    lea 1(%rdx,%rbx), %r8
    sub %r8, %r9
    add %rax, %r10
    or $1, %rbx
    add %r10, %r11
    mov %r11, %r12
    .endr
    dec %rcx
    jnz 1b
    hlt
END_GUEST(blocks_of_66)

// RSI: 64 KiB of data.
GUEST(loads_and_stores)
    xor %edi, %edi
1:  mov (%rsi,%rdi), %rax
    mov %rax, 8(%rsi,%rdi)
    mov 0x100(%rsi,%rdi), %rdx
    mov %rdx, 0x108(%rsi,%rdi)
    add $16, %edi
    movzwl %di, %edi
    dec %rcx
    jnz 1b
    hlt
END_GUEST(loads_and_stores)

GUEST(calls_and_returns)
1:  call 2f
    dec %rcx
    jnz 1b
    hlt
2:  inc %rax
    ret
END_GUEST(calls_and_returns)

.section .note.GNU-stack, "", %progbits
