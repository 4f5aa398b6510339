/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
start:
lgdt_both:
    lgdt -2(%bx,%si)
lidt_wide:
    lidtl 0x1234
sidt_stack:
    sidt (%bp,%di)
sgdt_es:
    sgdt %es:0x7f(%bx)
sgdt_32:
    sgdt 8(%eax,%edx,2)
    END
