// SPDX-License-Identifier: MIT
// A hypervisor in C on libvtless, and its guest that executes CPUID for ever.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

void c_guest_open(void);
// From one CPUID exit past the instruction to the next.
void c_guest_round(void);
void c_guest_close(void);

#ifdef __cplusplus
}
#endif
