// SPDX-License-Identifier: MIT
// The guest that runs one program, whatever runs the guest: what is in its memory and registers before, and
// what counts of its memory after.
#pragma once

#include <array>
#include <cstdint>

#include "tests/differential/program.h"
#include "vcpu/vmx/config.h"

namespace vtless::differential {

// Code, stack, data and page tables as `seed` wants them. `memory`: guest-physical 0, layout::kPageTablesEnd
// bytes.
void fill_memory(uint8_t* memory, const Program& program, Mode mode, uint64_t seed);
// Exceptions exit.
vmx::SetupConfig setup_of(Mode mode, uint64_t seed);
// What any port answers.
inline constexpr uint64_t kDeviceAnswer = 0x8899aabbccddeeff;
// Of what a program may write to: code and stack, registers and data, page tables.
using Hashes = std::array<uint64_t, 3>;
Hashes hashes_of(const uint8_t* memory);

}  // namespace vtless::differential
