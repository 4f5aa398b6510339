// SPDX-License-Identifier: MIT
#include "sim/time/straight_line.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/sim/time/code.h"

namespace vtless::sim::test {
namespace {

const Instruction kAddRaxRbx = code({0x48, 0x01, 0xd8});
const Instruction kImulRaxRbx = code({0x48, 0x0f, 0xaf, 0xc3});
const Instruction kLoadRaxFromRax = code({0x48, 0x8b, 0x00});
const Instruction kXorEaxEax = code({0x31, 0xc0});
const Instruction kCpuid = code({0x0f, 0xa2});
const Instruction kVaddps = code({0xc5, 0xf0, 0x58, 0xc2});

TEST(StraightLine, AChainTakesPublishedLatencies) {
    EXPECT_EQ(cycles({kAddRaxRbx}), 1);
    EXPECT_EQ(cycles({kImulRaxRbx}), 3);
    EXPECT_EQ(cycles({kImulRaxRbx, kAddRaxRbx}), 4);
    EXPECT_EQ(cycles({kLoadRaxFromRax}), 5);                 // load to use, any addressing form
    EXPECT_EQ(cycles({code({0x48, 0x03, 0x03})}), 1);        // ADD RAX, [RBX]: RAX waits for the ADD alone
    EXPECT_EQ(cycles({code({0x48, 0x03, 0x00})}), 6);        // ADD RAX, [RAX]: and here for the load
    EXPECT_EQ(cycles({code({0xf2, 0x0f, 0x58, 0xc1})}), 3);  // ADDSD XMM0, XMM1
    EXPECT_EQ(cycles({code({0xf2, 0x0f, 0x59, 0xc1})}), 5);  // MULSD XMM0, XMM1
    EXPECT_EQ(cycles({code({0xf2, 0x0f, 0x58, 0xc1})}, 64, "skylake"), 4);
    EXPECT_EQ(cycles({code({0xf2, 0x0f, 0x59, 0xc1})}, 64, "skylake"), 4);
}

TEST(StraightLine, WhatIsIndependentTakesPorts) {
    // ADD to four registers: one on each of ports 0, 1, 5 and 6; three ports on Sandy Bridge.
    const std::vector<Instruction> adds = {code({0x01, 0xd8}), code({0x01, 0xd9}), code({0x01, 0xda}),
                                           code({0x01, 0xde}), code({0x01, 0xdf}), code({0x01, 0xdd})};
    EXPECT_EQ(cycles(adds), 1.5);
    EXPECT_EQ(cycles(adds, 64, "sandybridge"), 2);
    // IMUL has one port, whatever registers it names.
    const std::vector<Instruction> multiplications = {code({0x0f, 0xaf, 0xc3}), code({0x0f, 0xaf, 0xcb}),
                                                      code({0x0f, 0xaf, 0xd3}), code({0x0f, 0xaf, 0xf3})};
    EXPECT_EQ(cycles(multiplications), 4);
    // Two loads in a cycle, one store.
    EXPECT_EQ(cycles({code({0x8b, 0x06}), code({0x8b, 0x4e, 0x04})}), 1);
    EXPECT_EQ(cycles({code({0x89, 0x06}), code({0x89, 0x4e, 0x04})}), 2);
}

TEST(StraightLine, RegistersOfOneNumberInDifferentFilesAreDifferent) {
    EXPECT_EQ(cycles({code({0x66, 0x0f, 0x6e, 0x36})}), 0.5);                          // MOVD XMM6, [RSI]
    EXPECT_EQ(cycles({code({0x0f, 0x6e, 0x36})}), 0.5);                                // MOVD MM6, [RSI]
    EXPECT_LT(cycles({code({0xf3, 0x0f, 0x6f, 0xf7}), code({0x0f, 0x6f, 0xfe})}), 1);  // XMM6 XMM7, MM7 MM6
    EXPECT_EQ(cycles({code({0xf3, 0x0f, 0x58, 0xf1}), code({0xf3, 0x0f, 0x58, 0xce})}),
              6);                                            // ADDSS XMM6 and XMM1
    EXPECT_LT(cycles({code({0x66, 0x0f, 0x7e, 0xc6})}), 2);  // MOVD ESI, XMM0
}

TEST(StraightLine, AZeroingIdiomWaitsForNothing) {
    EXPECT_LT(cycles({kXorEaxEax}), 1);
    EXPECT_EQ(cycles({code({0x31, 0xd8})}), 1);
}

TEST(StraightLine, AWriteOfPartOfARegisterKeepsTheRest) {
    EXPECT_LT(cycles({code({0x89, 0xd8})}), 1);        // MOV EAX, EBX
    EXPECT_EQ(cycles({code({0x66, 0x89, 0xd8})}), 1);  // MOV AX, BX
    EXPECT_EQ(cycles({code({0x88, 0xdc})}), 1);        // MOV AH, BL
}

// POP twice: as LLVM has it, one after the other's load; or with a stack engine, two in a cycle.
TEST(StraightLine, TheStackPointerWaitsOrNot) {
    for (const auto& [stack, ticks] :
         {std::pair(StackPointer::AsModelled, 12u), {StackPointer::Renamed, 1u}}) {
        StraightLine line(table("haswell"), kFallbackCycles, stack);
        line.append(code({0x58}), 64);
        line.append(code({0x5b}), 64);
        EXPECT_EQ(line.ticks(), ticks * kTicksPerCycle);
    }
}

TEST(StraightLine, AValueThatGoesRoundTwoRegistersIsFollowed) {
    // IMUL EAX, EBX, 3; IMUL EBX, EAX, 3.
    EXPECT_EQ(cycles({code({0x6b, 0xc3, 3}), code({0x6b, 0xd8, 3})}), 6);
    // IMUL EAX, EBX, 3; MOV EDX, EBX; MOV EBX, ECX; MOV ECX, EDX: EBX and ECX change places in three moves,
    // and nothing waits for EAX.
    EXPECT_EQ(cycles({code({0x6b, 0xc3, 3}), code({0x89, 0xda}), code({0x89, 0xcb}), code({0x89, 0xd1})}),
              1.5);
}

TEST(StraightLine, ModesOfOtherWidthsHaveTheSameForms) {
    EXPECT_EQ(cycles({code({0x0f, 0xaf, 0xc3})}, 32), 3);
    EXPECT_EQ(cycles({code({0x66, 0x0f, 0xaf, 0xc3})}, 16), 3);
    EXPECT_EQ(cycles({code({0x67, 0x66, 0x8b, 0x00})}, 16), 5);  // MOV EAX, [EAX]
    EXPECT_EQ(cycles({code({0x66, 0x8b, 0x37})}, 16), 0.5);      // MOV ESI, [BX]
    EXPECT_EQ(cycles({code({0x40})}, 32), 1);                    // INC EAX
}

TEST(StraightLine, WhatTheTablesDoNotHaveIsCountedAndNeverOne) {
    StraightLine line(table("haswell"), kFallbackCycles);
    EXPECT_EQ(line.append(kVaddps, 64), kFallbackCycles * kTicksPerCycle);
    EXPECT_EQ(line.source(), CostSource::Unknown);
    EXPECT_EQ(line.append(code({0x0f, 0x01, 0xc1}), 64), kFallbackCycles * kTicksPerCycle);  // VMCALL
    EXPECT_EQ(line.source(), CostSource::Unmodelled);
    EXPECT_EQ(line.append({}, 64), kFallbackCycles * kTicksPerCycle);
    EXPECT_EQ(line.source(), CostSource::Unknown);
    line.append(kAddRaxRbx, 64);
    EXPECT_EQ(line.source(), CostSource::Table);
}

TEST(StraightLine, InstructionsCutShortReadNothingBehindTheirEnd) {
    const Instruction whole = code({0x66, 0xf3, 0x48, 0x0f, 0x38, 0xf1, 0x44, 0x98, 0x10});
    for (size_t size = 0; size < whole.size() - 1; ++size) {
        const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
        for (const unsigned bits : {16u, 32u, 64u}) cycles({part}, bits);
    }
}

// The engine stops anywhere, and pays for what ran.
TEST(StraightLine, CostsOfAPrefixDoNotDependOnWhatFollows) {
    std::mt19937 random(1);
    for (const std::string_view model : CostTable::names()) {
        for (int round = 0; round < 300; ++round) {
            const unsigned bits = 16u << random() % 3;
            std::vector<Instruction> run(1 + random() % 40);
            for (Instruction& each : run) {
                each.resize(1 + random() % 15);
                for (std::byte& byte : each) byte = static_cast<std::byte>(random());
            }
            StraightLine whole(table(model), kFallbackCycles);
            uint32_t paid = 0;
            for (size_t k = 0; k < run.size(); ++k) {
                const uint32_t before = whole.ticks();
                paid += whole.append(run[k], bits);
                ASSERT_GE(whole.ticks(), before);
                ASSERT_EQ(whole.ticks(), paid);
                StraightLine prefix(table(model), kFallbackCycles);
                for (size_t i = 0; i <= k; ++i) prefix.append(run[i], bits);
                ASSERT_EQ(prefix.ticks(), paid);
            }
            whole.restart();
            for (const Instruction& each : run) whole.append(each, bits);
            ASSERT_EQ(whole.ticks(), paid);
        }
    }
}

TEST(CostTable, ModelsAreFoundByName) {
    ASSERT_EQ(CostTable::names().size(), 5u);
    for (const std::string_view name : CostTable::names()) {
        ASSERT_NE(CostTable::find(name), nullptr) << name;
        EXPECT_EQ(CostTable::find(name)->name(), name);
        EXPECT_EQ(cycles({kAddRaxRbx}, 64, name), 1) << name;
        EXPECT_EQ(cycles({kImulRaxRbx}, 64, name), 3) << name;
    }
    EXPECT_EQ(CostTable::find("i486"), nullptr);
}

}  // namespace
}  // namespace vtless::sim::test
