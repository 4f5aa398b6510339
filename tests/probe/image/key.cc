// SPDX-License-Identifier: MIT
#include "tests/probe/image/probe.h"

namespace probe {

void key(const char* group, uint64_t a, uint64_t b) {
    put(group);
    put(' ');
    put_hex(a);
    put(' ');
    put_hex(b);
    put('|');
}

void key(const char* group, uint64_t a, uint64_t b, uint64_t c) {
    put(group);
    put(' ');
    put_hex(a);
    put(' ');
    put_hex(b);
    put(' ');
    put_hex(c);
    put('|');
}

}  // namespace probe
