// SPDX-License-Identifier: MIT
#include "bench/support/c_guest.h"

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"

static guest cpuid_guest;

void c_guest_open(void) {
    static const unsigned char kCpuidLoop[] = {0x0f, 0xa2, 0xeb, 0xfc};
    open_guest(&cpuid_guest);
    put_code(&cpuid_guest, GUEST_CODE, kCpuidLoop, sizeof kCpuidLoop);
    CHECK_EQ(run(&cpuid_guest), EXIT_CPUID);
}

void c_guest_round(void) { CHECK_EQ(skip(&cpuid_guest), EXIT_CPUID); }

void c_guest_close(void) { close_guest(&cpuid_guest); }
