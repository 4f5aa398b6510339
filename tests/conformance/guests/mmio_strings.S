/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x10000000, %edi
    mov $0x11223344, %eax
    mov $2, %ecx
    rep stosl
    mov $0x10000010, %esi
    mov $0x20fff, %edi
    mov $2, %ecx
    rep movsw
    mov $0x20fff, %esi
    mov $0x10000020, %edi
    movsl
    mov $0x10000030, %esi
    lodsb
    END
