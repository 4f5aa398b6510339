// SPDX-License-Identifier: MIT
#include "sim/engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "isa/x86/exception.h"
#include "isa/x86/rflags.h"
#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

constexpr uint64_t kCode = GuestMachine::kCode;

TEST(Engine, StopsBeforeAnInterceptedInstruction) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0x48, 0xff, 0xc0, 0x0f, 0xa2, 0x48, 0xff, 0xc0, 0xf4});  // inc rax; cpuid; inc rax; hlt
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::CPUID));
    EXPECT_EQ(m.engine().rip(), kCode + 3);
    EXPECT_EQ(m.engine().stop().instruction.length, 2);
    EXPECT_EQ(m.gpr(Gpr::RAX), 1u);
    EXPECT_EQ(m.engine().instructions(), 1u);
    m.skip();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.gpr(Gpr::RAX), 2u);
    EXPECT_EQ(m.engine().instructions(), 2u);
}

TEST(Engine, RunsRealModeCodeWithASegmentBaseThatIsNotTheSelectors) {
    GuestMachine m;
    m.real_mode(0xf000, 0x3f0000, 0xfff0);
    m.code(0x3ffff0, {0xb8, 0x34, 0x12, 0xf4});
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.gpr(Gpr::RAX), 0x1234u);
    EXPECT_EQ(m.engine().rip(), 0xfff3u);
}

TEST(Engine, StopsBeforePortInputAndOutputOnceTheirBlockIsKnown) {
    GuestMachine m;
    m.long_mode();
    // mov edx, 0x3f8; inc rbx; out dx, al; inc rbx; in eax, 0x80; jmp back to the first inc
    m.code(kCode,
           {0xba, 0xf8, 0x03, 0x00, 0x00, 0x48, 0xff, 0xc3, 0xee, 0x48, 0xff, 0xc3, 0xe5, 0x80, 0xeb, 0xf5});
    m.run();
    ASSERT_TRUE(m.stopped_before(Instruction::OUT));
    EXPECT_EQ(m.engine().stop().instruction.operand_size, 1);
    EXPECT_EQ(m.gpr(Gpr::RBX), 1u);
    m.skip();
    ASSERT_TRUE(m.stopped_before(Instruction::IN));
    EXPECT_EQ(m.engine().stop().instruction.operand_size, 4);
    EXPECT_EQ(m.engine().stop().instruction.number, 0x80);
    EXPECT_EQ(m.gpr(Gpr::RBX), 2u);
    m.skip();
    EXPECT_TRUE(m.stopped_before(Instruction::OUT));
    EXPECT_EQ(m.gpr(Gpr::RBX), 3u);
    EXPECT_EQ(m.engine().instructions(), 5u);
}

TEST(Engine, StopsBeforeASystemCallThatWouldTrap) {
    for (const uint64_t rflags : {uint64_t{2}, uint64_t{2} | x86::rflags::TF}) {
        GuestMachine m;
        m.long_mode(kCode, 3, rflags);
        m.code(kCode, {0x0f, 0x05, 0xf4});  // syscall; hlt
        if (rflags == 2) {
            m.engine().run(Engine::Extent::OneInstruction);
        } else {
            m.run();
        }
        EXPECT_TRUE(m.stopped_before(Instruction::SYSCALL)) << rflags;
        EXPECT_EQ(m.engine().rip(), kCode) << rflags;
        EXPECT_EQ(m.engine().rflags(), rflags);
        EXPECT_EQ(m.engine().instructions(), 0u);
    }
}

// Unicorn's own accepts a null selector.
TEST(Engine, StopsBeforeLtrWhateverItIsAskedFor) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0x0f, 0x00, 0xd8, 0xf4});  // ltr ax; hlt
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::LTR));
}

TEST(Engine, ReportsTheExactAddressAndErrorCodeOfAPageFault) {
    GuestMachine m;
    m.long_mode();
    m.put<uint64_t>(0x12000 + 8 * 8, 0);                              // 16 MiB is not present
    m.code(kCode, {0x48, 0x89, 0x04, 0x25, 0x34, 0x12, 0x00, 0x01});  // mov [0x1001234], rax
    EXPECT_EQ(m.run().kind, Stop::Kind::PageFault);
    EXPECT_EQ(m.engine().stop().fault.gva, Gva(0x1001234));
    EXPECT_EQ(m.engine().stop().fault.error_code, 2u);
    EXPECT_EQ(m.engine().rip(), kCode);
    EXPECT_EQ(m.engine().instructions(), 0u);
}

TEST(Engine, ReportsExceptionsWithTheirErrorCode) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0x90, 0x66, 0xb8, 0x38, 0x12, 0x8e, 0xd8});  // nop; mov ax, 0x1238; mov ds, eax
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::GP));
    EXPECT_EQ(m.engine().stop().error_code, 0x1238u);
    EXPECT_EQ(m.engine().rip(), kCode + 5);
    EXPECT_EQ(m.engine().instructions(), 2u);
}

TEST(Engine, NonCanonicalAddressesAreProtectionFaults) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode,
           {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x18});  // mov rax, 1 << 63; mov rbx, [rax]
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::GP));
    m.code(kCode, {0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x50});  // mov rsp, 1 << 63; push rax
    m.engine().set_rip(kCode);
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::SS));
}

TEST(Engine, CountsIterationsOfARepeatedInstructionOnceEach) {
    for (const uint64_t count : {0u, 1u, 2u, 5u}) {
        GuestMachine m;
        m.long_mode();
        m.code(kCode, {0x90, 0xf3, 0xaa, 0x90, 0xf4});  // nop; rep stosb; nop; hlt
        m.engine().set_gpr(Gpr::RCX, count);
        m.engine().set_gpr(Gpr::RDI, 0x300000);
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_EQ(m.engine().instructions(), 2 + std::max<uint64_t>(count, 1)) << count;
    }
}

// inc rax; inc rbx; push rax; popfq-free straight line; dec rcx; jnz; hlt, with every deadline in turn.
TEST(Engine, StopsAtEveryDeadlineExactly) {
    for (uint64_t deadline = 1; deadline < 40; ++deadline) {
        GuestMachine m;
        m.long_mode();
        // nop; nop; inc rax; nop; dec ecx; jnz -9; rep stosb (rcx = 0); hlt
        m.code(kCode, {0x90, 0x90, 0x48, 0xff, 0xc0, 0x90, 0xff, 0xc9, 0x75, 0xf6, 0xf3, 0xaa, 0xf4});
        m.engine().set_gpr(Gpr::RCX, 6);
        m.engine().set_deadline(deadline);
        m.run();
        const uint64_t total = 6 * 6 + 1;
        if (deadline > total) {
            EXPECT_TRUE(m.stopped_before(Instruction::HLT)) << deadline;
            EXPECT_EQ(m.engine().cycles(), total);
        } else {
            EXPECT_EQ(m.engine().stop().kind, Stop::Kind::Deadline) << deadline;
            EXPECT_EQ(m.engine().cycles(), deadline);
            EXPECT_EQ(m.engine().instructions(), deadline);
            EXPECT_EQ(m.engine().rflags() & x86::rflags::TF, 0u);
            m.engine().set_deadline(Engine::kNever);
            m.run();
            EXPECT_TRUE(m.stopped_before(Instruction::HLT)) << deadline;
            EXPECT_EQ(m.engine().cycles(), total) << deadline;
        }
    }
}

// xor eax, eax; mov ecx, 5; mov edi, 0x300000; rep stosb; mov ecx, 4; rep lodsb; mov ecx, 9; repe scasb;
// mov ecx, 3; rep stosd; dec ebp; jnz; hlt
void load_repeats(GuestMachine& m) {
    m.long_mode();
    m.code(kCode, {0x31, 0xc0, 0xb9, 5, 0, 0,    0,    0xbf, 0,    0,    0x30, 0,   0xf3, 0xaa,
                   0xb9, 4,    0,    0, 0, 0xf3, 0xac, 0xb9, 9,    0,    0,    0,   0xf3, 0xae,
                   0xb9, 3,    0,    0, 0, 0xf3, 0xab, 0xff, 0xcd, 0x75, 0xd9, 0xf4});
    for (uint64_t i = 0; i < 64; ++i) m.put<uint8_t>(0x300000 + i, i < 8 ? 0 : 1);
    m.engine().set_gpr(Gpr::RSI, 0x310000);
    m.engine().set_gpr(Gpr::RBP, 3);
}

TEST(Engine, RepeatedInstructionsCostTheSameWhereverTheyAreStopped) {
    GuestMachine whole;
    load_repeats(whole);
    whole.run();
    ASSERT_TRUE(whole.stopped_before(Instruction::HLT));
    const uint64_t cycles = whole.engine().cycles();
    const uint64_t instructions = whole.engine().instructions();
    for (uint64_t deadline = 1; deadline < cycles; ++deadline) {
        GuestMachine m(GuestMachine::counting(deadline % 3));
        load_repeats(m);
        m.engine().set_deadline(deadline);
        m.run();
        ASSERT_EQ(m.engine().stop().kind, Stop::Kind::Deadline);
        EXPECT_EQ(m.engine().cycles(), deadline);
        m.engine().set_deadline(Engine::kNever);
        m.run();
        EXPECT_EQ(m.engine().cycles(), cycles) << deadline;
        EXPECT_EQ(m.engine().instructions(), instructions) << deadline;
        EXPECT_EQ(m.gpr(Gpr::RDI), whole.gpr(Gpr::RDI)) << deadline;
    }
}

TEST(Engine, AFaultInARepeatedInstructionIsNotCounted) {
    GuestMachine m;
    m.long_mode();
    m.put<uint64_t>(0x12000 + 8 * 8, 0);  // 16 MiB is not present
    m.code(kCode, {0xf3, 0xaa, 0xf4});
    m.engine().set_gpr(Gpr::RCX, 6);
    m.engine().set_gpr(Gpr::RDI, 0xfffffe);
    EXPECT_EQ(m.run().kind, Stop::Kind::PageFault);
    EXPECT_EQ(m.gpr(Gpr::RCX), 4u);
    EXPECT_EQ(m.engine().instructions(), 2u);
    m.put<uint64_t>(0x12000 + 8 * 8, 0x87);
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.engine().instructions(), 6u);
}

TEST(Engine, StepsOneIterationOfARepeatedInstructionAtATime) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0xf3, 0xaa, 0xf4});
    m.engine().set_gpr(Gpr::RCX, 3);
    m.engine().set_gpr(Gpr::RDI, 0x300000);
    for (uint64_t left : {2u, 1u, 0u}) {
        EXPECT_EQ(m.engine().run(Engine::Extent::OneInstruction).kind, Stop::Kind::SingleStep);
        EXPECT_EQ(m.gpr(Gpr::RCX), left);
    }
    EXPECT_EQ(m.engine().rip(), kCode + 2);
    m.engine().run(Engine::Extent::OneInstruction);
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.engine().instructions(), 3u);
}

TEST(Engine, SelfModifyingCodeThroughTheSameMappingRunsFresh) {
    GuestMachine m;
    m.long_mode();
    // loop: mov [target + 1], ecx; call target; add rbx, rax; dec ecx; jnz loop; hlt.  target: mov eax,
    // imm32; ret
    m.code(kCode, {0x89, 0x0c, 0x25, 0x41, 0x00, 0x10, 0x00, 0xe8, 0x34, 0x00,
                   0x00, 0x00, 0x48, 0x01, 0xc3, 0xff, 0xc9, 0x75, 0xed, 0xf4});
    m.code(kCode + 0x40, {0xb8, 0, 0, 0, 0, 0xc3});
    m.engine().set_gpr(Gpr::RCX, 1000);
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.gpr(Gpr::RBX), 1000u * 1001 / 2);
}

TEST(Engine, SelfModifyingCodeThroughAnAliasRunsFresh) {
    GuestMachine m;
    m.long_mode();
    m.put<uint64_t>(0x12000 + 8 * 16,
                    0x87 | uint64_t{1} << 63);  // 32 MiB maps to 0, writable, not executable
    m.code(kCode, {0x89, 0x0c, 0x25, 0x41, 0x00, 0x10, 0x02, 0xe8, 0x34, 0x00,
                   0x00, 0x00, 0x48, 0x01, 0xc3, 0xff, 0xc9, 0x75, 0xed, 0xf4});
    m.code(kCode + 0x40, {0xb8, 0, 0, 0, 0, 0xc3});
    m.engine().set_gpr(Gpr::RCX, 1000);
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.gpr(Gpr::RBX), 1000u * 1001 / 2);
}

// Its page had writers, so that all translations go when it gets code; the block is translated again for its
// hook all the same, at the place where it lies.
TEST(Engine, StopsBeforePortOutputInAPageThatWasJustWritten) {
    GuestMachine m;
    m.long_mode(kCode + 0x2001000);
    m.put<uint64_t>(0x12000 + 8 * 16, 0x87);  // 32 MiB maps to 0
    // mov byte [rip - 0x800], 0x90; jmp to kCode + 0x2000800, where there is: nop (written now); inc rbx; out
    m.code(kCode + 0x1000, {0xc6, 0x05, 0xf9, 0xf7, 0xff, 0xff, 0x90, 0xe9, 0xf4, 0xf7, 0xff, 0xff});
    m.code(kCode + 0x800, {0xf4, 0x48, 0xff, 0xc3, 0xe6, 0x80, 0xf4});
    m.run();
    ASSERT_TRUE(m.stopped_before(Instruction::OUT));
    EXPECT_EQ(m.engine().rip(), kCode + 0x2000804);
    EXPECT_EQ(m.gpr(Gpr::RBX), 1u);
    m.skip();
    EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.engine().rip(), kCode + 0x2000806);
}

// A store to a later instruction of its own block: what is cut off has not run, and is counted once.
TEST(Engine, AStoreToItsOwnBlockCountsEachInstructionOnce) {
    for (const uint64_t seed : {0u, 1u, 2u, 3u}) {
        GuestMachine m(GuestMachine::counting(seed));
        m.long_mode();
        // nop; mov byte [rip + 2], 5; nop; mov al, 1 (becomes 5); nop; hlt
        m.code(kCode, {0x90, 0xc6, 0x05, 0x02, 0, 0, 0, 0x05, 0x90, 0xb0, 0x01, 0x90, 0xf4});
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_EQ(m.gpr(Gpr::RAX), 5u);
        EXPECT_EQ(m.engine().instructions(), 5u);
        EXPECT_EQ(m.engine().cycles(), 5u);
    }
}

TEST(Engine, HostWritesToCodeAreSeen) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0xb8, 1, 0, 0, 0, 0xf4});
    m.run();
    EXPECT_EQ(m.gpr(Gpr::RAX), 1u);
    m.code(kCode, {0xb8, 2, 0, 0, 0, 0xf4});
    m.engine().set_rip(kCode);
    m.run();
    EXPECT_EQ(m.gpr(Gpr::RAX), 2u);
}

// Where a block was left last is remembered with it: not beyond its bytes.
TEST(Engine, ABlockThatIsRewrittenInPlaceIsLeftAndCountedAsIfItWereNew) {
    constexpr uint8_t kNop = 0x90;
    // Of one size. Each is left at MOV AL, [RDI], which faults, or at CPUID, if it has one.
    const std::vector<std::vector<uint8_t>> codes = {
        {0x8a, 0x07, kNop, kNop, kNop, kNop, 0xf4}, {kNop, 0x8a, 0x07, kNop, kNop, kNop, 0xf4},
        {kNop, 0x0f, 0xa2, kNop, kNop, kNop, 0xf4}, {0x48, 0xff, 0xc0, kNop, 0x8a, 0x07, 0xf4},
        {0x48, 0xff, 0xc0, 0x0f, 0xa2, kNop, 0xf4}, {0x48, 0xff, 0xc0, 0x8a, 0x87, 1, 2, 3, 0, 0xf4},
        {kNop, 0xf0, 0x48, 0x0f, 0xb1, 0x07, 0xf4}, {kNop, kNop, kNop, kNop, 0x0f, 0xa2, 0xf4},
        {0x48, 0xf7, 0xe0, kNop, 0x8a, 0x07, 0xf4},  // MUL costs more
    };
    const auto leave = [](GuestMachine& m, const std::vector<uint8_t>& code) {
        m.long_mode();
        m.engine().set_gpr(Gpr::RDI, 0x1'0000'0000);
        if (!std::equal(code.begin(), code.end(), m.memory().base() + kCode)) {
            std::copy(code.begin(), code.end(), m.memory().base() + kCode);
            m.memory().note_write(Hpa(kCode), code.size());
        }
        const uint64_t cycles = m.engine().cycles(), instructions = m.engine().instructions();
        const Stop::Kind kind = m.run().kind;
        EXPECT_NE(m.engine().instruction().id, Instruction::HLT);
        return std::tuple(kind, m.engine().rip(), m.engine().instruction().id,
                          m.engine().instruction().length, m.engine().cycles() - cycles,
                          m.engine().instructions() - instructions);
    };
    GuestMachine same;
    for (int round = 0; round < 3; ++round) {
        for (const auto& code : codes) {
            GuestMachine fresh;
            const auto expected = leave(fresh, code);
            for (int again = 0; again < 3; ++again) EXPECT_EQ(leave(same, code), expected);
        }
    }
}

TEST(Engine, TimeStampsInABlockThatIsLeftAreExactEachTime) {
    GuestMachine m;
    m.engine().set_optional_stops({0});
    m.code(kCode, {0x90, 0x0f, 0x31, 0x89, 0xc3, 0x90, 0x0f, 0x31, 0x0f, 0xa2});
    for (int round = 0; round < 4; ++round) {
        m.long_mode();
        const uint64_t start = m.engine().cycles();
        m.run();
        ASSERT_TRUE(m.stopped_before(Instruction::CPUID));
        EXPECT_EQ(m.gpr(Gpr::RBX), static_cast<uint32_t>(start) + 1);
        const uint64_t now = m.gpr(Gpr::RDX) << 32 | m.gpr(Gpr::RAX);
        EXPECT_LT(m.gpr(Gpr::RBX), now);
        EXPECT_LT(now, m.engine().cycles());
        EXPECT_EQ(m.engine().cycles() - now, now - start - 3) << "RDTSC against NOP, RDTSC, MOV, NOP";
    }
}

TEST(Engine, StopsWhenInterruptsBecomePossibleAndNotInTheShadowOfSti) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0x90, 0xfb, 0x90, 0x90, 0xf4});  // nop; sti; nop; nop; hlt
    m.engine().stop_when_interruptible(true);
    m.run();
    EXPECT_EQ(m.engine().stop().kind, Stop::Kind::BlockBoundary);
    EXPECT_EQ(m.engine().rip(), kCode + 3);
    EXPECT_EQ(m.engine().instructions(), 3u);
}

TEST(Engine, TellsTheShadowOfStiFromThatOfMovSs) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0xfb, 0xf4, 0x8e, 0xd0, 0xf4, 0x90, 0xf4});  // sti; hlt; mov ss, eax; hlt; nop; hlt
    m.engine().set_gpr(Gpr::RAX, 0x10);
    m.run();
    ASSERT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.engine().shadow(), Shadow::Sti);
    m.engine().set_shadow(Shadow::None);
    m.skip();
    EXPECT_EQ(m.engine().rip(), kCode + 4);
    EXPECT_EQ(m.engine().shadow(), Shadow::MovSs);
    m.engine().set_shadow(Shadow::None);
    m.skip();
    EXPECT_EQ(m.engine().rip(), kCode + 6);
    EXPECT_EQ(m.engine().shadow(), Shadow::None);
}

TEST(Engine, AFetchThatRunsIntoAMissingPageFaultsAtItsOwnInstruction) {
    GuestMachine m;
    m.long_mode();
    m.put<uint64_t>(0x12000, 0x21007);  // 4 KiB pages below 2 MiB
    for (uint64_t i = 0; i < 512; ++i) m.put<uint64_t>(0x21000 + 8 * i, i << 12 | 7);
    m.put<uint64_t>(0x21000 + 8 * 0x101, 0);
    m.sync_paging();
    // inc ebx at ff0 and following, then a ten-byte MOV that starts at ffd
    for (uint64_t at = kCode + 0xff0; at < kCode + 0xffd; ++at) m.put<uint8_t>(at, 0x90);
    m.code(kCode + 0xff0, {0xff, 0xc3});
    m.code(kCode + 0xffd, {0x48, 0xb8, 0x01});
    m.engine().set_rip(kCode + 0xff0);
    EXPECT_EQ(m.run().kind, Stop::Kind::PageFault);
    EXPECT_EQ(m.engine().rip(), kCode + 0xffd);
    EXPECT_EQ(m.engine().stop().fault.gva, Gva(kCode + 0x1000));
    EXPECT_EQ(m.engine().stop().fault.error_code, 16u);
    EXPECT_EQ(m.gpr(Gpr::RBX), 1u);
    EXPECT_EQ(m.engine().instructions(), 12u);
    EXPECT_EQ(m.engine().rflags() & x86::rflags::TF, 0u);
}

TEST(Engine, AnotherThreadMayAskForAnExitBeforeOrDuringARun) {
    GuestMachine m;
    m.long_mode();
    m.code(kCode, {0xeb, 0xfe});
    m.engine().request_exit();
    EXPECT_EQ(m.run().kind, Stop::Kind::Requested);
}

TEST(Engine, SystemCallsStopBeforeTheInstruction) {
    GuestMachine m;
    m.long_mode(kCode, 3);
    m.code(kCode, {0xff, 0xc0, 0x0f, 0x05});
    m.run();
    EXPECT_TRUE(m.stopped_before(Instruction::SYSCALL));
    EXPECT_EQ(m.engine().rip(), kCode + 2);
    EXPECT_EQ(m.engine().instructions(), 1u);
}

TEST(Engine, CyclesAndInstructionsDoNotDependOnTlbFlushes) {
    const auto measure = [](uint64_t seed) {
        GuestMachine m(GuestMachine::counting(seed));
        m.long_mode();
        m.code(kCode, {0x89, 0x0c, 0x25, 0x41, 0x00, 0x10, 0x00, 0xe8, 0x34, 0x00, 0x00, 0x00, 0x0f,
                       0xa2, 0xb9, 0x05, 0,    0,    0,    0xf3, 0xaa, 0xff, 0xcd, 0x75, 0xe7, 0xf4});
        m.code(kCode + 0x40, {0xb8, 0, 0, 0, 0, 0xc3});
        m.engine().set_gpr(Gpr::RBP, 300);
        m.engine().set_gpr(Gpr::RDI, 0x300000);
        m.run();
        while (m.stopped_before(Instruction::CPUID)) m.skip();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        return std::pair(m.engine().cycles(), m.engine().instructions());
    };
    const auto plain = measure(0);
    for (uint64_t seed : {1u, 2u, 3u, 4u}) EXPECT_EQ(measure(seed), plain);
}

}  // namespace
}  // namespace vtless::sim
