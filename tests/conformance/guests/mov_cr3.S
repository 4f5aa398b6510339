/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov %cr3, %rbx
    mov %rbx, %cr3
    mov $1, %esi
    out %al, $0x10
    mov %rbx, %r9
load:
    mov %r9, %cr3
    END
