/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov 0x20000010, %al
    ud2
store:
    mov %eax, 0x20000010
    ud2
