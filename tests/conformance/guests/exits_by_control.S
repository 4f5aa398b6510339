/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
start:
    nop
rdtsc:
    rdtsc
rdtscp:
    rdtscp
rdpmc:
    rdpmc
pause:
    pause
wbinvd:
    wbinvd
mov_to_dr:
    mov %rax, %dr0
mov_from_dr:
    mov %dr7, %rax
mov_from_cr3:
    mov %cr3, %rax
mov_to_cr8:
    mov %rax, %cr8
mov_from_cr8:
    mov %cr8, %rax
sgdt:
    sgdt 0x20000
lidt:
    lidt 0x20000
sldt:
    sldt %eax
ltr:
    ltr %ax
    END
