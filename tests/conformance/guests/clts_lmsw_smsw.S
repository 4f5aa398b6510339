/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    smsw %rax
    mov %rax, %rbx
clts:
    clts
    smsw %eax
    mov %eax, %ecx
    mov $0xb, %eax /* PE, MP, TS */
lmsw:
    lmsw %ax
    smsw %edx
    END
