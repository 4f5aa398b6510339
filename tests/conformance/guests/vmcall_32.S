/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x1111, %eax
    mov $0x2222, %edi
    mov $0x3333, %esi
    mov $0x4444, %edx
    mov $0x5555, %ecx
    vmcall
after:
    END
