/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x24000, %edi
    mov $0x1000, %ecx
    mov $0x5a, %al
rep:
    rep stosb
    END
