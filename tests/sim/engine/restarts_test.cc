// SPDX-License-Identifier: MIT
// Stores to the block that they are in: the translator drops it and starts the instruction again. It has run
// once all the same, and counts once, wherever the run was stopped before.
#include <gtest/gtest.h>

#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

constexpr uint64_t kCode = GuestMachine::kCode;

// Cycles and instructions until HLT, when the run is also stopped every `quantum` cycles.
std::pair<uint64_t, uint64_t> run_to_halt(GuestMachine& m, uint64_t quantum) {
    const uint64_t end = m.engine().cycles() + 1000;
    do {
        m.engine().set_deadline(quantum == 0 ? end : m.engine().cycles() + quantum);
        m.run();
    } while (m.engine().stop().kind == Stop::Kind::Deadline && m.engine().cycles() < end);
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    return {m.engine().cycles(), m.engine().instructions()};
}

TEST(Restarts, AStoreIntoItsBlockFromTheBlocksFirstInstruction) {
    for (const uint64_t quantum : {0, 1, 2}) {
        GuestMachine m;
        m.long_mode();
        // mov byte [rip + 2], 5; nop; mov al, 1 (becomes 5); hlt
        m.code(kCode, {0xc6, 0x05, 0x02, 0, 0, 0, 0x05, 0x90, 0xb0, 0x01, 0xf4});
        EXPECT_EQ(run_to_halt(m, quantum), std::pair(uint64_t{3}, uint64_t{3})) << quantum;
        EXPECT_EQ(m.gpr(Gpr::RAX) & 0xff, 5u);
    }
}

TEST(Restarts, AnInstructionThatWritesItsOwnBytes) {
    for (const uint64_t quantum : {0, 1, 2}) {
        GuestMachine m;
        m.long_mode();
        m.code(kCode, {0x90, 0xc6, 0x05, 0xff, 0xff, 0xff, 0xff, 0x05, 0x90, 0xf4});  // mov byte [rip - 1], 5
        EXPECT_EQ(run_to_halt(m, quantum), std::pair(uint64_t{3}, uint64_t{3})) << quantum;
    }
}

// The first iteration, at the end of a longer block, and later ones that reach the instruction itself.
TEST(Restarts, ARepeatedStoreThatSweepsOverItsOwnBlock) {
    for (const uint64_t first : {kCode + 11, kCode + 16, kCode + 18, kCode + 19}) {
        std::pair<uint64_t, uint64_t> expected;
        for (const uint64_t quantum : {0, 1, 2, 3, 5}) {
            GuestMachine m;
            m.long_mode();
            // mov al, 0x90; mov ecx, 8; lea rdi, [first]; clc (5); rep stosb; nop; ...; hlt
            const auto distance = static_cast<uint8_t>(first - (kCode + 14));
            m.code(kCode, {0xb0, 0x90, 0xb9, 8, 0, 0, 0, 0x48, 0x8d, 0x3d, distance,
                           static_cast<uint8_t>(distance & 0x80 ? 0xff : 0), 0, 0});
            if (distance & 0x80) m.code(kCode + 12, {0xff, 0xff});
            m.code(kCode + 14, {0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf3, 0xaa, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
                                0x90, 0x90, 0x90, 0x90, 0xf4});
            const auto counted = run_to_halt(m, quantum);
            if (quantum == 0) expected = counted;
            EXPECT_EQ(counted, expected) << std::hex << first << " every " << quantum;
        }
    }
}

// Downwards, over what of the block has run: only the first iteration stores into it.
TEST(Restarts, ARepeatedStoreThatStartsInItsOwnBlockAndGoesDown) {
    for (const uint64_t quantum : {0, 1, 2, 3, 5}) {
        GuestMachine m;
        m.long_mode();
        // mov al, 0xff; mov ecx, 4; lea rdi, [kCode]; std; rep stosb; nop; hlt
        m.code(kCode, {0xb0, 0xff, 0xb9, 4, 0, 0, 0, 0x48, 0x8d, 0x3d, 0xf2, 0xff, 0xff, 0xff, 0xfd, 0xf3,
                       0xaa, 0x90, 0xf4});
        EXPECT_EQ(run_to_halt(m, quantum).second, 9u) << quantum;
        EXPECT_EQ(m.get<uint32_t>(kCode - 3), 0xffffffffu);
    }
}

// A hint that Capstone does not know: SDM Vol. 2D "Opcode Map" (A), reserved NOPs.
TEST(Restarts, InstructionsThatOnlyTheTranslatorKnowsAreCountedToo) {
    for (const uint64_t quantum : {0, 1, 2, 3}) {
        GuestMachine m;
        m.long_mode();
        m.code(kCode, {0x90, 0x0f, 0x1c, 0xc0, 0x90, 0x90, 0xf7, 0xf1, 0xf4});  // ...; div ecx
        m.engine().set_deadline(quantum == 0 ? Engine::kNever : quantum);
        do {
            m.run();
            m.engine().set_deadline(m.engine().cycles() + 1);
        } while (m.engine().stop().kind == Stop::Kind::Deadline);
        EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DE));
        EXPECT_EQ(m.engine().instructions(), 4u) << quantum;
    }
}

TEST(Restarts, SysretStopsBeforeItself) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0x90, 0x48, 0x0f, 0x07});
    m.engine().set_gpr(Gpr::RCX, uint64_t{1} << 47);
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::SYSRET));
    EXPECT_EQ(m.engine().rip(), kCode + 1);
    EXPECT_EQ(m.engine().stop().instruction.operand_size, 8);
}

// SETC has a hook, which has moved to other code when the store drops the block.
TEST(Restarts, AnInstructionWhoseHookHasToComeBack) {
    constexpr uint64_t kOther = kCode + 0x1000;
    for (const uint64_t quantum : {0, 1}) {
        GuestMachine m;
        m.long_mode();
        for (const uint64_t at : {kCode, kOther})  // add eax, ebx; setc [r15]; mov al, 5; hlt
            m.code(at, {0x01, 0xd8, 0x41, 0x0f, 0x92, 0x07, 0xb0, 0x05, 0xf4});
        for (const uint64_t at : {kCode, kOther}) {
            m.engine().set_rip(at);
            m.engine().set_gpr(Gpr::R15, 0x300000);
            run_to_halt(m, 0);
        }
        const uint64_t before = m.engine().instructions();
        m.engine().set_rip(kCode);
        m.engine().set_gpr(Gpr::RAX, 0xffffffff);
        m.engine().set_gpr(Gpr::RBX, 3);
        m.engine().set_gpr(Gpr::R15, kCode + 7);
        run_to_halt(m, quantum);
        EXPECT_EQ(m.engine().instructions() - before, 3u) << quantum;
        EXPECT_EQ(m.gpr(Gpr::RAX) & 0xff, 1u);
    }
}

}  // namespace
}  // namespace vtless::sim
