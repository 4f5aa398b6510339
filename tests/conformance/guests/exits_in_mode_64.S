/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code64
#include "exits_in_mode.inc"
