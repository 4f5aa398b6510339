// SPDX-License-Identifier: MIT
// What the engine must not lean on, what the processor model lacks, and what stays the same under
// disturbance.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kData = 0x300000;

TEST(Limits, CountedRunsRetranslate) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4});
    size_t blocks = 0;
    m.on_new_block([&](uc_tb) { ++blocks; });
    m.load(GuestState::long_mode(kCode));
    m.resume(kCode);
    m.resume(kCode);
    EXPECT_EQ(blocks, 1u);
    uc_emu_start(m.uc(), kCode, 0, 0, 2);
    m.resume(kCode);
    EXPECT_GT(blocks, 1u) << "every block of the guest was thrown away";
}

// EPT permissions cannot be uc_mem_protect's: a page in the TLB is not checked again.
TEST(Limits, MemProtectIsNotSeenThroughTheTlb) {
    BareMachine m;
    m.code(kCode, {0x48, 0x89, 0x07, 0x48, 0x8b, 0x1f, 0xf4});  // mov [rdi], rax; mov rbx, [rdi]; hlt
    m.set_translation(BareMachine::write_xor_execute);
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kData);
    m.resume(kCode);
    const size_t fills = m.fills_of(kData);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    m.set_reg(UC_X86_REG_RAX, 7);
    m.resume(kCode);
    EXPECT_EQ(m.get<uint64_t>(kData), 7u);
    EXPECT_EQ(m.fills_of(kData), fills) << "a store in the TLB asks nobody";
}

TEST(Limits, TheProcessorModelLacksWhatAProfileMustNotPromise) {
    const auto cpuid = [](uint32_t leaf, uint32_t subleaf) {
        BareMachine m;
        m.code(kCode, {0x0f, 0xa2, 0xf4});
        m.load(GuestState::long_mode(kCode), Intercepts::usual().without(SvmExit::CPUID));
        m.set_reg(UC_X86_REG_RAX, leaf);
        m.set_reg(UC_X86_REG_RCX, subleaf);
        m.resume();
        return std::array{m.reg(UC_X86_REG_RAX), m.reg(UC_X86_REG_RBX), m.reg(UC_X86_REG_RCX),
                          m.reg(UC_X86_REG_RDX)};
    };
    const auto features = cpuid(1, 0), extended = cpuid(7, 0), xsave = cpuid(0xd, 1);
    EXPECT_TRUE(features[2] & 1u << 26) << "XSAVE";
    EXPECT_FALSE(features[2] & 1u << 28) << "AVX";
    EXPECT_FALSE(features[2] & 1u << 17) << "PCID";
    EXPECT_FALSE(extended[1] & 1u << 10) << "INVPCID";
    EXPECT_FALSE(extended[1] & 1u << 18) << "RDSEED, which runs all the same";
    EXPECT_FALSE(xsave[0] & 1u << 3) << "XSAVES";
}

// Another thread's request: the guest stops at an instruction boundary and goes on as if nothing had been.
TEST(Limits, AnotherThreadMayStopTheGuest) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc3, 0xeb, 0xf8});  // inc rax; inc rbx; jmp
    m.load(GuestState::long_mode(kCode));
    for (int i = 0; i < 20; ++i) {
        std::atomic<bool> running = true;
        std::thread other([&] {
            while (running) {
                std::this_thread::sleep_for(std::chrono::microseconds(200));
                m.stop();
            }
        });
        EXPECT_EQ(m.resume(), UC_ERR_OK);
        running = false;
        other.join();
        const uint64_t rip = m.rip(), ahead = m.reg(UC_X86_REG_RAX) - m.reg(UC_X86_REG_RBX);
        EXPECT_TRUE((rip == kCode || rip == kCode + 6) ? ahead == 0 : rip == kCode + 3 && ahead == 1)
            << std::hex << rip;
    }
    EXPECT_GT(m.reg(UC_X86_REG_RAX), 0u);
}

struct Outcome {
    uint64_t instructions = 0, rax = 0, rbx = 0;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Counts as the engine must: whole blocks at their start, less the tail that a mid-block stop left out.
Outcome run_disturbed(uint32_t seed) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0x48, 0x01, 0x07, 0x48, 0x03, 0x1f, 0x0f,
                   0xa2, 0x48, 0x3d, 0xd0, 0x07, 0,    0,    0x75, 0xed, 0xf4});
    // inc rax; add [rdi], rax; add rbx, [rdi]; cpuid; cmp rax, 2000; jne kCode; hlt
    std::map<uint64_t, int> length;
    std::mt19937 random(seed);
    Outcome outcome;
    m.on_new_block([&](uc_tb block) { length[block.pc] = block.icount; });
    m.on_block([&](Block b) {
        outcome.instructions += static_cast<uint64_t>(length[b.address]);
        if (seed != 0 && random() % 16 == 0) m.flush_tlb();
    });
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kData);
    constexpr uint64_t kTail = 2;  // cmp and jne, counted with their block
    for (m.resume(); m.stopped_at(SvmExit::CPUID); m.resume(kCode + 11)) {
        outcome.instructions -= kTail;
        if (seed != 0 && random() % 16 == 0) m.flush_tlb();
    }
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    outcome.rax = m.reg(UC_X86_REG_RAX);
    outcome.rbx = m.reg(UC_X86_REG_RBX);
    return outcome;
}

TEST(Determinism, RandomTlbFlushesChangeNothing) {
    const Outcome undisturbed = run_disturbed(0);
    EXPECT_EQ(undisturbed.instructions, 2000u * 6 + 1);
    for (uint32_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(run_disturbed(seed), undisturbed);
}

}  // namespace
}  // namespace vtless::engine_test
