// SPDX-License-Identifier: MIT
// One random instruction, with what it needs before and after it.
#pragma once

#include "tests/differential/code.h"
#include "tests/differential/forms.h"
#include "tests/differential/random.h"

namespace vtless::differential {

// Appends to `code`, which begins at layout::kCode: registers that hold addresses are set first, and flags
// that the instruction leaves undefined are cleared behind it. The offset of a branch's displacement, of 8
// bits and still 0, or 0 if it is none.
size_t append_random_instruction(Code& code, Mode mode, Random& random);

}  // namespace vtless::differential
