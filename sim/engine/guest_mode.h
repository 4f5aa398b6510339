// SPDX-License-Identifier: MIT
// Puts Unicorn's processor into SVM guest mode, where it stays, and checks that its state image is laid out
// as image_layout.h says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "isa/expected.h"
#include "sim/engine/engine.h"
#include "sim/engine/engine_pages.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {

// What the processor stops at besides the optional stops; SVM intercept codes and masks, AMD APM vol. 2 B.
struct InterceptMasks {
    uint64_t instructions;
    uint16_t cr_read;
    uint16_t cr_write;
};
InterceptMasks intercept_masks(OptionalStops optional);

// `pages` are mapped at kEnginePages, and the fill hook maps them at the same linear address. `stop_code` is
// where the intercept hook leaves its number. Afterwards the image is a clean real-mode processor's.
Expected<void, std::string> enter_guest_mode(Unicorn& unicorn, EnginePages& pages, const uint32_t& stop_code);

}  // namespace vtless::sim
