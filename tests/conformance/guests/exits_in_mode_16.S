/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code16
#include "exits_in_mode.inc"
