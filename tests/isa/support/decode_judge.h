// SPDX-License-Identifier: MIT
// Compares the decoder with Capstone over generated encodings.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "isa/x86/decode.h"

namespace vtless::tests {

struct JudgeResult {
    uint64_t encodings = 0;
    uint64_t decoded = 0;                      // by the decoder, and compared field by field
    std::map<std::string, uint64_t> excluded;  // reason, count
    std::vector<std::string> differences;      // the first few
};

// The same seed gives the same encodings on every machine.
JudgeResult judge_decoder(x86::CodeMode mode, uint64_t encodings, uint64_t seed);

}  // namespace vtless::tests
