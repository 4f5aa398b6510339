/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    call function
    mov %eax, %ebx
    mov $template, %esi
    mov $function, %edi
    mov $6, %ecx
    rep movsb
    call function
    END
template:
    mov $2, %eax
    ret
function:
    mov $1, %eax
    ret
