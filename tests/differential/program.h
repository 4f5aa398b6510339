// SPDX-License-Identifier: MIT
// A program: what a seed and a mode stand for.
#pragma once

#include <span>

#include "tests/differential/code.h"
#include "tests/differential/forms.h"

namespace vtless::differential {

inline constexpr unsigned kMostInstructions = 12;
inline constexpr uint64_t kAllInstructions = (uint64_t{1} << kMostInstructions) - 1;

// XMM0 to XMM7 from layout::kData, random instructions, XMM0 to XMM7 to layout::kVectors, OUT. Of the
// instructions only those with a bit in `kept`: each is the same whether or not the others are there.
class Program {
  public:
    Program(Mode mode, uint64_t seed, uint64_t kept = kAllInstructions);
    // These instructions, not random ones.
    Program(Mode mode, std::span<const uint8_t> instructions);

    const Code& code() const { return code_; }
    unsigned instructions() const { return instructions_; }
    // Of the random instructions in the code, its bytes.
    size_t begin() const { return begin_; }
    size_t end() const { return end_; }
    // Address of what follows the final OUT.
    uint64_t last_address() const;

  private:
    void begin(Mode mode);
    void end(Mode mode);
    void move_vectors(Mode mode, uint8_t opcode, uint64_t address);

    Code code_;
    unsigned instructions_ = 0;
    size_t begin_ = 0, end_ = 0;
};

}  // namespace vtless::differential
