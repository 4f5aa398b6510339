/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $0x1122334455667788, %rax
store:
    mov %rax, 0x20ffc
    END
