/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x20ff0, %esi
    mov $0x24ff8, %edi
    mov $32, %ecx
rep:
    rep movsb
    END
