/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov 0x21008, %rbx
store:
    mov %rax, 0x21008
    END
