// SPDX-License-Identifier: MIT
// What a ROM says, through the debug port E9H that Bochs and `vtless machine` have; and how it ends.
#pragma once

#include <cstdint>

namespace rom {

void put(char character);
void put(const char* text);
void put_hex(uint64_t value);  // without leading zeros
[[noreturn]] void shut_down();

}  // namespace rom
