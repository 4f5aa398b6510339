/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $DATA, %eax
load:
    mov %eax, %fs
    END
