// SPDX-License-Identifier: MIT
// The linear address of a refused access. Unicorn keeps it in its engine structure and has no call to read
// it.
#pragma once

#include <cstdint>
#include <set>

#include "tests/engine/support/bare_machine.h"

namespace vtless::engine_test {

// Offsets in the engine structure that held the right address in each of several probes.
const std::set<size_t>& invalid_address_candidates();
uint64_t invalid_address(const BareMachine& machine);

}  // namespace vtless::engine_test
