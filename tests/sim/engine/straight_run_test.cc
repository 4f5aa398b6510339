// SPDX-License-Identifier: MIT
// What instructions take together, wherever the engine is stopped between them.
#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

constexpr uint64_t kCode = GuestMachine::kCode;

EngineConfig without_walks(uint64_t flush_seed = 0) {
    EngineConfig config;
    config.flush_seed = flush_seed;
    config.transitions.walk_reference = 0;
    return config;
}

uint64_t cycles_of(std::initializer_list<uint8_t> code) {
    GuestMachine m(without_walks());
    m.long_mode();
    m.code(kCode, code);
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    return m.engine().cycles();
}

TEST(StraightRun, WhatDependsOnNothingOverlaps) {
    // inc of r8 to r15; hlt. Haswell issues four a cycle.
    EXPECT_EQ(cycles_of({0x49, 0xff, 0xc0, 0x49, 0xff, 0xc1, 0x49, 0xff, 0xc2, 0x49, 0xff, 0xc3, 0x49,
                         0xff, 0xc4, 0x49, 0xff, 0xc5, 0x49, 0xff, 0xc6, 0x49, 0xff, 0xc7, 0xf4}),
              2u);
    // Eight times inc rax
    EXPECT_EQ(cycles_of({0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48,
                         0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4}),
              8u);
}

// Each of the three runs takes the cycle that its register needs to come round.
TEST(StraightRun, AJumpEndsIt) {
    // inc r8; jmp +0; inc r9; jmp +0; inc r10; jmp +0; hlt, and with two-byte NOPs in the place of the jumps
    EXPECT_EQ(cycles_of({0x49, 0xff, 0xc0, 0xeb, 0x00, 0x49, 0xff, 0xc1, 0xeb, 0x00, 0x49, 0xff, 0xc2, 0xeb,
                         0x00, 0xf4}),
              3u);
    EXPECT_EQ(cycles_of({0x49, 0xff, 0xc0, 0x66, 0x90, 0x49, 0xff, 0xc1, 0x66, 0x90, 0x49, 0xff, 0xc2, 0x66,
                         0x90, 0xf4}),
              1u);
}

// A loop with multiplications that wait for each other, additions that do not, flags that are pushed, a
// string, and stores into its own page: every deadline, and Unicorn's TLB flushed.
TEST(StraightRun, TakesTheSameWhereverItIsStopped) {
    const auto run = [](uint64_t quantum, uint64_t flush_seed) {
        GuestMachine m(without_walks(flush_seed));
        m.long_mode();
        m.code(kCode, {
                          0x48, 0x0f, 0xaf, 0xc3,  // imul rax, rbx
                          0x49, 0xff, 0xc0,        // inc r8
                          0x9c,                    // pushf
                          0x48, 0x0f, 0xaf, 0xc3,  // imul rax, rbx
                          0x89, 0x06,              // mov [rsi], eax
                          0x9d,                    // popf
                          0x49, 0xff, 0xc1,        // inc r9
                          0xf3, 0xaa,              // rep stosb
                          0x49, 0xff, 0xc2,        // inc r10
                          0xff, 0xca,              // dec edx
                          0x75, 0xe5,              // jnz to the start
                          0xf4,
                      });
        m.engine().set_gpr(Gpr::RCX, 3);
        m.engine().set_gpr(Gpr::RDX, 9);
        m.engine().set_gpr(Gpr::RSI, kCode + 0x800);
        m.engine().set_gpr(Gpr::RDI, 0x300000);
        do {
            m.engine().set_deadline(quantum == 0 ? Engine::kNever : m.engine().cycles() + quantum);
            m.run();
        } while (m.engine().stop().kind == Stop::Kind::Deadline);
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        return m.engine().cycles();
    };
    const uint64_t calm = run(0, 0);
    EXPECT_GT(calm, 9 * 6u);
    for (uint64_t quantum = 0; quantum < 24; ++quantum)
        for (const uint64_t seed : {0u, 1u, 2u})
            EXPECT_EQ(run(quantum, seed), calm) << quantum << " " << seed;
}

}  // namespace
}  // namespace vtless::sim
