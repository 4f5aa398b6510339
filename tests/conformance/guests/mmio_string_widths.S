/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x8877665544332211, %rax
    mov $0x10000000, %edi
    mov $2, %ecx
    rep stosb
    mov $2, %ecx
    rep stosw
    stosl
    mov $0x10000010, %edi
    mov $2, %ecx
    rep stosq
    mov $0x20000, %esi
    mov $0x10000020, %edi
    movsb
    mov $0x20000, %esi
    mov $0x10000028, %edi
    movsq
    mov $0x10000030, %esi
    mov $0x21000, %edi
    movsw
    mov $0x10000038, %esi
    mov $0x21008, %edi
    movsq
    mov $0x10000048, %esi
    std
    mov $2, %ecx
    rep lodsq
    mov %rax, %rbx
    mov %rsi, %rdx
    cld
    mov $0x10000050, %edi
    mov $4, %ecx
    mov $0x5a, %al
    repne scasb
    END
