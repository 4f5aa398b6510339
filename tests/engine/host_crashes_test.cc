// SPDX-License-Identifier: MIT
// Guest instructions that crash the process or that Unicorn mistakes, and what guards against them stands on.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/engine/support/bare_machine.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000;

void run(std::initializer_list<uint8_t> code, uint64_t rax, uint64_t rdx, uint64_t rcx) {
    BareMachine m;
    m.code(kCode, code);
    m.code(kCode + code.size(), {0xf4});
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RAX, rax);
    m.set_reg(UC_X86_REG_RDX, rdx);
    m.set_reg(UC_X86_REG_RCX, rcx);
    m.resume(kCode);
}

TEST(HostCrashes, IdivOfTheSmallestDividendByMinusOne) {
    EXPECT_EXIT(run({0xf7, 0xf9}, 0, 0x80000000, 0xffffffff), testing::KilledBySignal(SIGFPE), "");
    run({0xf7, 0xf9}, 0, 0x80000001, 0xffffffff);
    run({0x66, 0xf7, 0xf9}, 0, 0x8000, 0xffff);
    run({0x48, 0xf7, 0xf9}, 0, uint64_t{1} << 63, ~uint64_t{0});
}

TEST(HostCrashes, PcmpestrmOfTheSmallestLength) {
    EXPECT_DEATH(run({0x66, 0x0f, 0x3a, 0x60, 0xc1, 0x00}, 0x80000000, 1, 0), "");
    EXPECT_DEATH(run({0xc4, 0xe3, 0x79, 0x60, 0xc1, 0x00}, 0x80000000, 1, 0), "") << "and there is no AVX";
    run({0x66, 0x0f, 0x3a, 0x60, 0xc1, 0x00}, 0x80000001, 1, 0);
}

// The translator gives up, so that no hook can help: it must not come to see them.
TEST(HostCrashes, LockedBitTestsOfRegisters) {
    for (const int opcode : {0xa3, 0xab, 0xb3, 0xbb}) {
        EXPECT_EXIT(run({0xf0, 0x0f, static_cast<uint8_t>(opcode), 0xc1}, 0, 0, 0),
                    testing::KilledBySignal(SIGABRT), "tcg fatal error");
    }
    for (const int modrm : {0xe1, 0xe9, 0xf1, 0xf9}) {
        EXPECT_EXIT(run({0xf0, 0x0f, 0xba, static_cast<uint8_t>(modrm), 0}, 0, 0, 0),
                    testing::KilledBySignal(SIGABRT), "tcg fatal error");
    }
}

// As it should be: the decoder of hooked instructions does the same.
TEST(HostCrashes, ARexPrefixBeforeAnotherCountsForNothing) {
    for (const int prefix : {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65}) {
        BareMachine m;
        m.code(kCode, {0x4f, static_cast<uint8_t>(prefix), 0xff, 0xc0, 0xf4});  // inc eax, or ax
        m.load(GuestState::long_mode(kCode));
        m.set_reg(UC_X86_REG_RAX, 0xffffffff);
        m.resume(kCode);
        EXPECT_EQ(m.reg(UC_X86_REG_RAX), prefix == 0x66 ? 0xffff0000u : 0u) << std::hex << prefix;
    }
}

// What keeps them from the translator: it looks each instruction's address up in a tree, whose order can be
// replaced, and stops before those that it finds.
TEST(HostCrashes, TheTreeOfExitsIsAskedBeforeEachInstruction) {
    struct Refused {
        static int compare(const void* wanted, const void*, void* self) {
            uint64_t linear;
            std::memcpy(&linear, wanted, sizeof linear);
            auto& refused = *static_cast<Refused*>(self);
            refused.asked.insert(linear);
            return linear == kCode + 2 ? 0 : 1;
        }
        std::set<uint64_t> asked;
    } refused;
    BareMachine m;
    m.code(kCode, {0x90, 0x90, 0xf0, 0x0f, 0xab, 0xc1, 0xf4});  // nop; nop; lock bts ecx, eax; hlt
    uint64_t exit = 0;
    ASSERT_EQ(uc_ctl_set_exits(m.uc(), &exit, 1), UC_ERR_OK);
    std::byte* tree;
    std::memcpy(&tree, reinterpret_cast<std::byte*>(m.uc()) + 1944, sizeof tree);
    const auto compare = &Refused::compare;
    void* const self = &refused;
    std::memcpy(tree + 8, &compare, sizeof compare);
    std::memcpy(tree + 32, &self, sizeof self);
    m.load(GuestState::long_mode(kCode));
    refused.asked.clear();
    for (const uint64_t start : {kCode, kCode + 2, kCode}) {
        m.resume(start);
        EXPECT_EQ(m.reg(UC_X86_REG_RIP), kCode + 2);
    }
    EXPECT_EQ(refused.asked, (std::set<uint64_t>{kCode, kCode + 1, kCode + 2}));
}

// What one code hook, whose range moves, stands on.
TEST(CodeHook, ItsRangeCountsWhenABlockIsTranslated) {
    BareMachine m;
    m.code(kCode, {0x90, 0x90, 0x90, 0xf4});
    m.code(kCode + 0x100, {0x90, 0x90, 0x90, 0xf4});
    struct Calls {
        static void count(uc_engine*, uint64_t, uint32_t, void* self) { ++*static_cast<unsigned*>(self); }
    };
    unsigned calls = 0;
    constexpr uint64_t kRange[] = {0x5a11'0000'0000'1000, 0x5a11'0000'0000'2000};
    uc_hook hook;
    ASSERT_EQ(uc_hook_add(m.uc(), &hook, UC_HOOK_CODE, reinterpret_cast<void*>(&Calls::count), &calls,
                          kRange[0], kRange[1]),
              UC_ERR_OK);
    auto* range = reinterpret_cast<uint8_t*>(hook) + 24;
    ASSERT_EQ(std::memcmp(range, kRange, sizeof kRange), 0);
    const auto move = [range](uint64_t first, uint64_t last) {
        std::memcpy(range, &first, sizeof first);
        std::memcpy(range + 8, &last, sizeof last);
    };
    m.load(GuestState::long_mode(kCode));
    move(kCode + 1, kCode + 2);
    m.resume(kCode);
    EXPECT_EQ(calls, 2u);
    move(kCode + 0x100, kCode + 0x100);
    m.resume(kCode);
    EXPECT_EQ(calls, 4u) << "the translated block still calls it";
    m.resume(kCode + 0x100);
    EXPECT_EQ(calls, 5u);
}

}  // namespace
}  // namespace vtless::engine_test
