// SPDX-License-Identifier: MIT
#include "tests/differential/program.h"

#include "tests/differential/instruction.h"
#include "tests/differential/layout.h"
#include "tests/differential/random.h"

namespace vtless::differential {

namespace {

constexpr uint8_t kMovupsLoad = 0x10;
constexpr uint8_t kMovupsStore = 0x11;
constexpr unsigned kFewest = 3;

Random stream(Mode mode, uint64_t seed, uint64_t which) {
    Random first(seed * kModes + static_cast<uint64_t>(mode));
    return Random(first.next() + which);
}

}  // namespace

Program::Program(Mode mode, uint64_t seed, uint64_t kept) {
    Random length = stream(mode, seed, 0);
    instructions_ = kFewest + length.below(kMostInstructions - kFewest + 1);
    begin(mode);
    size_t branch = 0;
    for (unsigned i = 0; i < instructions_; ++i) {
        if ((kept >> i & 1) == 0) continue;
        Random random = stream(mode, seed, 1 + i);
        const size_t next_branch = append_random_instruction(code_, mode, random);
        if (branch != 0) code_.patch(branch, code_.size() - branch - 1, 1);
        branch = next_branch;
    }
    end(mode);
}

Program::Program(Mode mode, std::span<const uint8_t> instructions) {
    begin(mode);
    for (const uint8_t byte : instructions) code_.byte(byte);
    end(mode);
}

void Program::begin(Mode mode) {
    move_vectors(mode, kMovupsLoad, layout::kData);
    begin_ = code_.size();
}

void Program::end(Mode mode) {
    end_ = code_.size();
    move_vectors(mode, kMovupsStore, layout::kVectors);
    code_.put({0xe6, layout::kEndPort});
}

uint64_t Program::last_address() const { return layout::kCode + code_.size(); }

void Program::move_vectors(Mode mode, uint8_t opcode, uint64_t address) {
    for (unsigned i = 0; i < 8; ++i) {
        const auto reg = static_cast<uint8_t>(i << 3);
        code_.put({0x0f, opcode});
        if (mode == Mode::Real16) code_.byte(reg | 6);
        if (mode == Mode::Protected32) code_.byte(reg | 5);
        if (mode == Mode::Long64) code_.put({static_cast<uint8_t>(reg | 4), 0x25});
        code_.number(address + uint64_t{16} * i, mode == Mode::Real16 ? 2 : 4);
    }
}

}  // namespace vtless::differential
