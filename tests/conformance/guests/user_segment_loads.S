/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    mov $USER_DATA, %eax
    mov %eax, %fs /* the GDT is on a supervisor page */
    mov $USER_CODE64, %ecx
    lar %ecx, %ebx
    and $0xf0ff00, %ebx
    lsl %ecx, %esi
    mov $CODE64, %ecx
    mov $-1, %rdi
    lar %ecx, %edi
    setz %dl
    mov %fs, %eax
    END
