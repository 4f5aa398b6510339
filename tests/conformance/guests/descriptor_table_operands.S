/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x20000, %ebx
    mov $4, %ecx
sgdt_absolute:
    sgdt 0x20000
sidt_base:
    sidt (%rbx)
lgdt_scaled:
    lgdt -0x10(%rbx,%rcx,4)
lidt_relative:
    lidt table(%rip)
sgdt_fs:
    sgdt %fs:0x12345678(%r13)
sidt_narrow:
    sidt 0x10(%ebx)
sldt_register:
    sldt %r10d
str_stack:
    str (%rsp)
lldt_register:
    lldt %ax
ltr_memory:
    ltr 2(,%r9,8)
    END
table:
