// SPDX-License-Identifier: MIT
// What Capstone says of an encoding, in the decoder's own terms, so that the two can be compared for
// equality.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "isa/x86/decode.h"

namespace vtless::tests {

struct CapstoneReading {
    std::string text;                                // empty: Capstone does not decode the bytes
    std::optional<x86::MemoryInstruction> expected;  // empty: none of the decoder's forms
};

class CapstoneReader {
  public:
    explicit CapstoneReader(x86::CodeMode mode);
    ~CapstoneReader();
    CapstoneReader(const CapstoneReader&) = delete;
    CapstoneReader& operator=(const CapstoneReader&) = delete;

    CapstoneReading read(std::span<const uint8_t> bytes);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vtless::tests
