/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    push $DATA
    push $0xfff0
    push $0x10002 /* RF */
    push $CODE64
    push $resumed
    iretq
resumed:
    nop
    invlpg 0x21000
after:
    int $0x30
    END
vector_48:
    mov 16(%rsp), %rsi
    iretq
