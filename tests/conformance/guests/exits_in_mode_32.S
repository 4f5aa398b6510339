/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
#include "exits_in_mode.inc"
