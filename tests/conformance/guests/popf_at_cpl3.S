/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
.section .user, "ax"
start:
    push $0x3247 /* IOPL 3, IF, ZF, PF, CF */
    popfq
    pushfq
    pop %rbx
    push $0x47
    popfq
    pushfq
    pop %rcx
    END
