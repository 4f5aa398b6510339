// SPDX-License-Identifier: MIT
#include "tests/conformance/support/backend.h"

#include <stdexcept>

namespace vtless::conformance {

void Backend::interrupt_host_after(uint64_t, uint8_t) { throw std::logic_error("no simulated time"); }

}  // namespace vtless::conformance
