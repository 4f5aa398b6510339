/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    mov $0x0f0f0f0f, %eax
    addl $0x10, 0x00(%rdi)
    stc
    adcw $1, 0x04(%rdi)
    stc
    sbbb $1, 0x08(%rdi)
    subq $1, 0x10(%rdi)
    andl $0xff00, 0x18(%rdi)
    xorl %eax, 0x1c(%rdi)
    notw 0x20(%rdi)
    negl 0x24(%rdi)
    incb 0x28(%rdi)
    decq 0x30(%rdi)
    btsl $3, 0x38(%rdi)
    btrw $4, 0x3c(%rdi)
    btcq $5, 0x40(%rdi)
    setc %bl /* the bit was set */
    mov $0x55, %ecx
    mov $0x44, %eax
    lock cmpxchgl %ecx, 0x48(%rdi) /* equal */
    setz %bh
    mov $0x99, %dl
    xchgb %dl, 0x50(%rdi)
    mov $1, %esi
    xaddq %rsi, 0x58(%rdi)
    testl $0x80, 0x60(%rdi)
    setnz %r8b
    btl $7, 0x64(%rdi)
    setc %r9b
    mov $3, %r10d
    addl 0x68(%rdi), %r10d
    mov $0x1000, %r11d
    subw 0x6c(%rdi), %r11w
    cmpb 0x6e(%rdi), %r11b
    sete %r12b
    END
