// SPDX-License-Identifier: MIT
// Bytes as a hypervisor: what it writes into its VMCS, its guest's memory and EPT, and what it executes.
#pragma once

#include <cstdint>
#include <span>

namespace vtless::sim {

// Carries the bytes out on a processor of their own, now and then on a second one too: ends the process if
// the two differ. Whatever the bytes say, this returns soon.
void run_vmx_input(std::span<const uint8_t> bytes);

// What it did once: a hash of each instruction's outcome and of each exit.
uint64_t vmx_input_digest(std::span<const uint8_t> bytes);

}  // namespace vtless::sim
