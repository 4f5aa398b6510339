/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    ljmp $OTHER_TSS, $0
