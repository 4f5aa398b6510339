// SPDX-License-Identifier: MIT
// Every opcode of every map, with operands at the ends of their ranges: whatever an instruction does, it does
// to the guest. A crash fails the test.
#include <gtest/gtest.h>

#include <vector>

#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using Code = std::vector<uint8_t>;

constexpr uint64_t kCode = GuestMachine::kCode;
constexpr uint64_t kData = 0x300000;

constexpr uint64_t kMax = ~uint64_t{0};
constexpr uint64_t kMin = uint64_t{1} << 63;

struct Values {
    uint64_t rax, rdx, rcx, memory;
};
constexpr Values kValues[] = {{0, 0x80000000, kMax, kMax},
                              {0, 0x8000, 0xffff, 0xffff},
                              {0, kMin, kMax, kMax},
                              {0x8000, 0x8000, 0xff, 0xff},
                              {kMin, kMin, 0x1f, kMin},
                              {0x80000000, kMax, 0xffffffff, 0x80000000},
                              {kMax, 0, 0x80000000, 0x7fff80007fff},
                              {1, 2, 3, 0x123456789abcdef0}};

Code joined(std::initializer_list<Code> parts) {
    Code code;
    for (const Code& part : parts) code.insert(code.end(), part.begin(), part.end());
    return code;
}

// ModRM: all values of its reg field, of registers and of [rsi] (or what is there in 16-bit code).
void add_operands(std::vector<Code>& all, const Code& opcode) {
    for (unsigned reg = 0; reg < 8; ++reg)
        for (const unsigned rm : {0xc1, 0x06})
            for (const uint8_t immediate : {uint8_t{0}, uint8_t{0xff}, uint8_t{0x4c}})
                all.push_back(joined({opcode, {static_cast<uint8_t>(rm | reg << 3)}, Code(4, immediate)}));
}

std::vector<Code> all_instructions(CodeSize size) {
    std::vector<Code> prefixes{{}, {0x66}, {0xf2}, {0xf3}, {0xf0}, {0x67}};
    if (size == CodeSize::Bits64)
        prefixes.insert(prefixes.end(), {{0x48}, {0x66, 0x48}, {0xf3, 0x48}, {0x4f}});
    const Code maps[] = {{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    std::vector<Code> all;
    for (unsigned op = 0; op < 256; ++op) {
        const Code opcode{static_cast<uint8_t>(op)};
        for (const Code& prefix : prefixes)
            for (const Code& map : maps) add_operands(all, joined({prefix, map, opcode}));
        for (unsigned map = 1; map < 4; ++map)
            for (unsigned w_and_prefix : {0x78, 0x79, 0x7a, 0x7b, 0xf8, 0xf9, 0xfa, 0xfb})
                add_operands(
                    all, joined({{0xc4, static_cast<uint8_t>(0xe0 | map), static_cast<uint8_t>(w_and_prefix)},
                                 opcode}));
        for (unsigned x87 = 0xd8; x87 < 0xe0; ++x87)
            all.push_back({static_cast<uint8_t>(x87), static_cast<uint8_t>(op)});
    }
    return all;
}

void start(GuestMachine& m, CodeSize size, const Values& values) {
    if (size == CodeSize::Bits16) {
        m.real_mode(0, kCode, 0);
        m.engine().edit_state().set_cr4(0x600);
    } else {
        m.long_mode();
        const x86::Segment code32{0x18, 0, ~0u, {0xc09b}};
        if (size == CodeSize::Bits32) m.engine().edit_state().set_segment(x86::SegmentRegister::CS, code32);
    }
    m.sync_paging();
    Engine& engine = m.engine();
    for (const Gpr index : {Gpr::RBX, Gpr::RBP, Gpr::R8, Gpr::R9, Gpr::R15})
        engine.set_gpr(index, values.rcx);
    engine.set_gpr(Gpr::RAX, values.rax);
    engine.set_gpr(Gpr::RDX, values.rdx);
    engine.set_gpr(Gpr::RCX, values.rcx);
    engine.set_gpr(Gpr::RSI, kData);
    engine.set_gpr(Gpr::RDI, kData + 0x100);
    m.put<uint64_t>(kData, values.memory);
    m.put<uint64_t>(kData + 8, values.rdx);
}

void sweep(CodeSize size) {
    const auto machine = std::make_unique<GuestMachine>();
    for (const Code& code : all_instructions(size)) {
        for (size_t i = 0; i < 16; ++i) machine->put<uint8_t>(kCode + i, i < code.size() ? code[i] : 0xf4);
        for (const Values& values : kValues) {
            start(*machine, size, values);
            const uint64_t before = machine->engine().instructions();
            machine->engine().run(Engine::Extent::OneInstruction);
            ASSERT_LE(machine->engine().instructions() - before, 1u) << testing::PrintToString(code);
        }
    }
}

TEST(OpcodeSweep, In64BitCode) { sweep(CodeSize::Bits64); }
TEST(OpcodeSweep, In32BitCode) { sweep(CodeSize::Bits32); }
TEST(OpcodeSweep, In16BitCode) { sweep(CodeSize::Bits16); }

}  // namespace
}  // namespace vtless::sim
