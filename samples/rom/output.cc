// SPDX-License-Identifier: MIT
#include "samples/rom/output.h"

namespace rom {

void put(char character) { asm volatile("outb %0, $0xe9" : : "a"(character)); }

void put(const char* text) {
    for (; *text != 0; ++text) put(*text);
}

void put_hex(uint64_t value) {
    unsigned shift = 60;
    while (shift != 0 && (value >> shift) == 0) shift -= 4;
    for (;; shift -= 4) {
        put("0123456789abcdef"[value >> shift & 15]);
        if (shift == 0) return;
    }
}

// The power-off port that Bochs has, and what ends vtless machine.
void shut_down() {
    for (const char* at = "Shutdown"; *at != 0; ++at) {
        asm volatile("outb %0, %1" : : "a"(*at), "d"(uint16_t{0x8900}));
    }
    for (;;) asm volatile("hlt");
}

}  // namespace rom
