// SPDX-License-Identifier: MIT
// A program: what a seed and a mode stand for.
#pragma once

#include "tests/differential/code.h"
#include "tests/differential/forms.h"

namespace vtless::differential {

inline constexpr unsigned kMostInstructions = 12;
inline constexpr uint64_t kAllInstructions = (uint64_t{1} << kMostInstructions) - 1;

// XMM0 to XMM7 from layout::kData, random instructions, XMM0 to XMM7 to layout::kVectors, VMCALL. Of the
// instructions only those with a bit in `kept`: each is the same whether or not the others are there.
class Program {
  public:
    Program(Mode mode, uint64_t seed, uint64_t kept = kAllInstructions);

    const Code& code() const { return code_; }
    unsigned instructions() const { return instructions_; }
    // Of the random instructions in the code, its bytes.
    size_t begin() const { return begin_; }
    size_t end() const { return end_; }
    // Address of what follows the final VMCALL.
    uint64_t last_address() const;

  private:
    void move_vectors(Mode mode, uint8_t opcode, uint64_t address);

    Code code_;
    unsigned instructions_ = 0;
    size_t begin_ = 0, end_ = 0;
};

}  // namespace vtless::differential
