// SPDX-License-Identifier: MIT
// What raises #UD wherever it stands, because Unicorn's translator never sees it: LOCK before a bit test of a
// register, which would abort it, before XCHG and XADD of one, which it would run, and VEX before what has no
// such form, which it would run. SDM Vol. 2A "BTS-Bit Test and Set", "VEX Prefix" (2.3.5).
#include <gtest/gtest.h>

#include <vector>

#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using Code = std::vector<uint8_t>;

constexpr uint64_t kCode = GuestMachine::kCode;
constexpr uint64_t kData = 0x300000;

void put_code(GuestMachine& m, uint64_t at, const Code& code) {
    for (size_t i = 0; i < code.size(); ++i) m.put<uint8_t>(at + i, code[i]);
}

Code joined(const Code& first, const Code& second) {
    Code code = first;
    code.insert(code.end(), second.begin(), second.end());
    return code;
}

std::vector<Code> locked_register_forms() {
    std::vector<Code> all;
    for (const uint8_t opcode : Code{0xa3, 0xab, 0xb3, 0xbb}) all.push_back({0xf0, 0x0f, opcode, 0xc1});
    for (const uint8_t modrm : Code{0xe1, 0xe9, 0xf1, 0xf9}) all.push_back({0xf0, 0x0f, 0xba, modrm, 3});
    all.insert(all.end(), {{0xf0, 0x86, 0xdb}, {0xf0, 0x87, 0xce}});              // XCHG
    all.insert(all.end(), {{0xf0, 0x0f, 0xc0, 0xea}, {0xf0, 0x0f, 0xc1, 0xea}});  // XADD
    return all;
}

void expect_undefined(GuestMachine& m, uint64_t rip, uint64_t instructions) {
    m.run();
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::UD));
    EXPECT_EQ(m.engine().rip(), rip);
    EXPECT_EQ(m.engine().instructions(), instructions);
    EXPECT_EQ(m.engine().cycles(), instructions);
}

TEST(RefusedInstructions, AtTheStartOfABlockAndInsideOne) {
    for (const Code& bad : locked_register_forms()) {
        GuestMachine m;
        m.long_mode();
        put_code(m, kCode, joined({0x90, 0x90}, bad));  // nop; nop; the instruction
        expect_undefined(m, kCode + 2, 2);
        expect_undefined(m, kCode + 2, 2);
        m.engine().set_rip(kCode);
        expect_undefined(m, kCode + 2, 4);
    }
}

TEST(RefusedInstructions, BehindAnInstructionOfTheSameBlockThatAddressesMemory) {
    for (const Code& bad : locked_register_forms()) {
        GuestMachine m;
        m.long_mode();
        m.engine().set_gpr(x86::Gpr::RSI, kData);
        put_code(m, kCode, joined({0xf0, 0x0f, 0xab, 0x06}, bad));  // lock bts [rsi], eax
        expect_undefined(m, kCode + 4, 1);
        EXPECT_EQ(m.get<uint32_t>(kData), 1u);
    }
}

TEST(RefusedInstructions, InsideAnInstructionOfTheBlockBefore) {
    GuestMachine m;
    m.long_mode();
    put_code(m, kCode, {0xb8, 0xf0, 0x0f, 0xab, 0xc1, 0xeb, 0xfa});  // mov eax, imm; jmp to its immediate
    for (const unsigned count : {2u, 4u, 6u}) {
        m.engine().set_rip(kCode);
        expect_undefined(m, kCode + 1, count);
    }
}

TEST(RefusedInstructions, BehindOtherPrefixes) {
    for (const Code& prefixes : {Code{0x66}, {0x48}, {0xf3, 0x2e}, {0x67, 0x4f, 0x65}}) {
        for (const Code& bad : locked_register_forms()) {
            GuestMachine m;
            m.long_mode();
            put_code(m, kCode, joined(prefixes, bad));
            expect_undefined(m, kCode, 0);
            Code rex_last = joined({0xf0, 0x41}, {bad.begin() + 1, bad.end()});
            put_code(m, kCode, rex_last);
            expect_undefined(m, kCode, 0);
        }
    }
}

TEST(RefusedInstructions, In16And32BitCode) {
    for (const bool real : {false, true}) {
        for (const Code& bad : locked_register_forms()) {
            GuestMachine m;
            if (real) {
                m.real_mode(0, kCode, 0);
            } else {
                m.long_mode();
                m.engine().edit_state().set_segment(x86::SegmentRegister::CS, {0x18, 0, ~0u, {0xc09b}});
            }
            m.sync_paging();
            put_code(m, kCode, joined({0x90}, bad));
            expect_undefined(m, real ? 1 : kCode + 1, 1);
        }
    }
}

TEST(RefusedInstructions, AcrossPages) {
    for (uint64_t before = 1; before < 4; ++before) {
        GuestMachine m;
        const uint64_t at = kCode + 0x1000 - before;
        m.long_mode(at - 1);
        put_code(m, at - 1, joined({0x90}, {0xf0, 0x0f, 0xab, 0xc1}));
        expect_undefined(m, at, 1);
    }
}

// Whoever writes it: what is there when it runs counts.
TEST(RefusedInstructions, WrittenByTheGuestAndByTheHost) {
    for (const unsigned quantum : {0u, 1u}) {
        GuestMachine m;
        m.long_mode();
        // mov byte [rip + 3], 0xab (of the locked xadd behind it, which becomes BTS); jmp +0; lock xadd ecx,
        // eax
        put_code(m, kCode, {0xc6, 0x05, 0x04, 0, 0, 0, 0xab, 0xeb, 0x00, 0xf0, 0x0f, 0xc1, 0xc1});
        m.engine().set_deadline(quantum == 0 ? Engine::kNever : quantum);
        m.run();
        m.engine().set_deadline(Engine::kNever);
        expect_undefined(m, kCode + 9, 2);
        m.put<uint8_t>(kCode + 9, 0x3e);  // bts ecx, eax behind a prefix that means nothing
        put_code(m, kCode + 13, {0xf4});
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        m.put<uint8_t>(kCode + 9, 0xf0);
        m.engine().set_rip(kCode + 9);
        expect_undefined(m, kCode + 9, 3);
    }
}

TEST(RefusedInstructions, VexBeforeLegacyInstructionsAndAvx) {
    for (const Code& bad : {Code{0xc5, 0xf8, 0xa4, 0xeb, 0xb1},        // of SHLD
                            Code{0xc5, 0xf8, 0xa2},                    // of CPUID
                            Code{0xc5, 0xf8, 0x77},                    // VZEROUPPER
                            Code{0xc4, 0xe1, 0x78, 0xaf, 0xc1},        // of IMUL
                            Code{0xc4, 0xe2, 0x7b, 0xf0, 0x06},        // of CRC32
                            Code{0xc4, 0xe3, 0x79, 0x60, 0xc1, 0x00},  // VPCMPESTRM
                            Code{0x66, 0xc5, 0xf8, 0x77}}) {
        for (const bool real : {false, true}) {
            GuestMachine m;
            if (real) m.real_mode(0, kCode, 0);
            if (!real) m.long_mode();
            put_code(m, kCode, joined({0x90}, bad));
            expect_undefined(m, real ? 1 : kCode + 1, 1);
        }
    }
}

TEST(RefusedInstructions, OthersLikeThemRun) {
    for (const Code& good : {Code{0x0f, 0xab, 0xc1},
                             {0xf0, 0x0f, 0xab, 0x06},
                             {0xf0, 0x0f, 0xba, 0x2e, 3},
                             {0xc4, 0xe2, 0x70, 0xf2, 0xc2},
                             {0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 3}}) {  // ANDN, RORX
        GuestMachine m;
        m.long_mode();
        m.engine().set_gpr(x86::Gpr::RSI, kData);
        put_code(m, kCode, joined(good, {0xf4}));
        m.run();
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
    }
}

TEST(RefusedInstructions, OneStepAtATime) {
    GuestMachine m;
    m.long_mode();
    put_code(m, kCode, {0x90, 0xf0, 0x0f, 0xab, 0xc1});
    EXPECT_EQ(m.engine().run(Engine::Extent::OneInstruction).kind, Stop::Kind::SingleStep);
    m.engine().run(Engine::Extent::OneInstruction);
    EXPECT_TRUE(m.stopped_at_exception(x86::Vector::UD));
    EXPECT_EQ(m.engine().rip(), kCode + 1);
    EXPECT_EQ(m.engine().instructions(), 1u);
    EXPECT_EQ(m.engine().rflags() & 0x100, 0u);
}

}  // namespace
}  // namespace vtless::sim
