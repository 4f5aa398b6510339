/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    nop
main:
    END
vector_2:
    shl $8, %rbx
    mov $2, %bl
    iretq
vector_40:
    shl $8, %rbx
    mov $40, %bl
    iretq
vector_50:
    shl $8, %rbx
    mov $50, %bl
    iretq
vector_6:
    shl $8, %rbx
    mov $6, %bl
    iretq
