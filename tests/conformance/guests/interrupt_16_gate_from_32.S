/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x12345678, %edx
    jmp .
vector_64_16bit:
    mov %esp, %esi
    movzwl (%esp), %edi
    movzwl 2(%esp), %ebx
    END
