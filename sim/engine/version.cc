// SPDX-License-Identifier: MIT
#include "sim/engine/version.h"

#include "sim/engine/unicorn.h"

namespace vtless::sim {

std::string unicorn_version() { return Unicorn::version(); }

}  // namespace vtless::sim
