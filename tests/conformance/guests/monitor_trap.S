/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    mov $2, %ecx
    mov $0x24000, %edi
rep:
    rep stosb
undefined:
    ud2
after:
    int $0x30
end:
    END
vector_6:
    addq $2, (%rsp)
return_6:
    iretq
vector_48:
    iretq
