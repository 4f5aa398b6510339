/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $3, %ebx
    END
