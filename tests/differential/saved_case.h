// SPDX-License-Identifier: MIT
// A program that two processors ended differently once, kept: its bytes, why it ends as it does, and how. One
// JSON file of tests/conformance/programs each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "isa/expected.h"
#include "tests/differential/outcome.h"
#include "tests/differential/program.h"

namespace vtless::differential {

struct SavedCase {
    Mode mode = Mode::Real16;
    uint64_t seed = 0;  // of registers and memory
    std::vector<uint8_t> code;
    std::string found;  // what was found where, in words
    std::string rule;  // the SDM's, in our words, on which the outcome rests; empty until somebody has looked
    Outcome expected;  // `exits` and `digest` are not kept: backends differ in what they handle

    Program program() const { return {mode, code}; }
};

// The error says what is wrong with the file.
Expected<SavedCase, std::string> load_case(const std::string& path);
Expected<void, std::string> save_case(const SavedCase& saved, const std::string& path);

const char* name(Mode mode);
std::optional<Mode> mode_named(const std::string& name);
// One instruction a line.
std::vector<std::string> disassemble(Mode mode, const Program& program);

}  // namespace vtless::differential
