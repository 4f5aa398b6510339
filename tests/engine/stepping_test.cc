// SPDX-License-Identifier: MIT
// Exact instruction boundaries: block hooks, stops, single steps by TF, REP, and the interrupt shadow.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kData = 0x300000;
using Bytes = std::vector<uint8_t>;

const ImageLayout& layout() { return ImageLayout::get(); }

// Offsets from kCode of the blocks entered; '|' for each stop.
class Entries {
  public:
    explicit Entries(BareMachine& m) {
        m.on_block([this](Block b) { text_ += ' ' + std::to_string(b.address - kCode); });
    }
    void stop() { text_ += " |"; }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

void set_trap_flag(BareMachine& m) { m.set_reg(UC_X86_REG_RFLAGS, m.reg(UC_X86_REG_RFLAGS) | 0x100); }

struct Step {
    uint64_t offset, rcx;
    friend bool operator==(const Step&, const Step&) = default;
};

std::vector<Step> step_to_end(BareMachine& m) {
    std::vector<Step> steps;
    for (m.resume(kCode); m.stopped_at_exception(1); m.resume())
        steps.push_back({m.rip() - kCode, m.reg(UC_X86_REG_RCX)});
    return steps;
}

TEST(BlockHook, StopLandsBeforeTheBlock) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0xeb, 0x00, 0x48, 0xff, 0xc0, 0xf4});  // inc rax; jmp; inc rax; hlt
    m.load(GuestState::long_mode(kCode));
    Image image(m);
    bool armed = true;
    size_t calls = 0;
    m.on_block([&](Block b) {
        if (b.address != kCode + 5) return;
        ++calls;
        if (!armed) return;
        image.save();
        EXPECT_EQ(m.rip(), kCode + 5);
        m.stop();
    });
    m.resume();
    EXPECT_EQ(m.rip(), kCode + 5);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 1u);
    EXPECT_EQ(image.get<uint64_t>(layout().rip), kCode + 5);
    armed = false;
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 2u);
    EXPECT_EQ(calls, 2u) << "called again for the same block on resuming: charge once";
}

TEST(EdgeHook, SeesEachNewBlockOnceBeforeItRuns) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0xeb, 0x00, 0x48, 0xff, 0xc0, 0xf4});
    std::vector<uc_tb> seen;
    Entries entries(m);
    m.on_new_block([&](uc_tb block) {
        seen.push_back(block);
        if (block.pc == kCode + 5) m.stop();
    });
    m.load(GuestState::long_mode(kCode));
    m.resume();
    EXPECT_EQ(m.rip(), kCode + 5);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 1u);
    EXPECT_EQ(entries.text(), " 0") << "stopped before the block hook of the new block";
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    m.resume(kCode);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].icount, 2);
    EXPECT_EQ(seen[0].size, 5);
    EXPECT_EQ(seen[1].icount, 2);
    EXPECT_EQ(seen[1].size, 4);
}

TEST(BlockHook, DoesNotIdentifyABlockByPcAndSize) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0xf4});
    m.code(kData, {0x48, 0xff, 0xc3, 0xf4});
    uint64_t frame = kCode;
    m.set_translation([&](uint64_t page, uc_mem_type) { return Translation{page == kCode ? frame : page}; });
    std::vector<Block> blocks;
    m.on_block([&](Block b) { blocks.push_back(b); });
    m.load(GuestState::long_mode(kCode));
    m.resume();
    frame = kData;
    m.flush_tlb();
    m.resume(kCode);
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_EQ(blocks[0].address, blocks[1].address);
    EXPECT_EQ(blocks[0].size, blocks[1].size);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 1u);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1u) << "other code at the same address";
}

// So "the next block" is not a function of the guest.
TEST(BlockHook, BoundariesDependOnWhereTheLastStopWas) {
    BareMachine m;
    m.code(kCode, {0x90, 0x0f, 0xa2, 0x90, 0x90, 0xf4});  // nop; cpuid; nop; nop; hlt
    Entries entries(m);
    m.load(GuestState::long_mode(kCode));
    m.resume();
    m.resume(kCode + 3);
    m.resume(kCode + 4);
    EXPECT_EQ(entries.text(), " 0 3 4");
}

TEST(CodeHook, SeesExactStateInTheMiddleOfABlock) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4});
    m.load(GuestState::long_mode(kCode));
    Image image(m);
    m.on_code(kCode + 3, [&] { image.save(), m.stop(); });
    m.resume();
    EXPECT_EQ(m.rip(), kCode + 3);
    EXPECT_EQ(image.get<uint64_t>(layout().rip), kCode + 3);
    EXPECT_EQ(image.get<uint64_t>(layout().rax), 1u);
}

// A mid-block stop: the block hook has counted the whole block, the tail is to be refunded.
TEST(BlockHook, CountsABlockWholeThatStopsInTheMiddle) {
    BareMachine m;
    m.code(kCode,
           {0x90, 0x90, 0x90, 0x48, 0x8b, 0x1f, 0x90, 0x90, 0xf4});  // 3 nops; mov rbx, [rdi]; 2 nops; hlt
    int counted = 0;
    std::vector<uc_tb> blocks;
    m.on_new_block([&](uc_tb block) { blocks.push_back(block); });
    m.on_block([&](Block b) {
        for (const uc_tb& block : blocks)
            if (block.pc == b.address) counted += block.icount;
    });
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kData);
    m.refuse(kData);
    m.resume();
    EXPECT_EQ(m.rip(), kCode + 3);
    EXPECT_EQ(counted, 7) << "three were executed";
}

struct RepCase {
    const char* name;
    Bytes rep;
    uint64_t rax;
};

void PrintTo(const RepCase& c, std::ostream* out) { *out << c.name; }

// nop; rep ...; nop; hlt
class Rep : public testing::TestWithParam<RepCase> {
  protected:
    static void load(BareMachine& m, uint64_t count) {
        m.code(kCode, {0x90, GetParam().rep[0], GetParam().rep[1], 0x90, 0xf4});
        m.load(GuestState::long_mode(kCode));
        m.set_reg(UC_X86_REG_RCX, count);
        m.set_reg(UC_X86_REG_RDI, kData);
        m.set_reg(UC_X86_REG_RSI, kData + kPage);
        m.set_reg(UC_X86_REG_RAX, GetParam().rax);
    }
};

// n iterations: n + 1 entries of blocks with the REP, the last one empty, unless it was the first.
TEST_P(Rep, EntersItsBlockForEachIterationAndOnceEmpty) {
    for (const auto& [count, expected] : {std::pair<uint64_t, const char*>{0, " 0 3"},
                                          {1, " 0 1 3"},
                                          {2, " 0 1 1 3"},
                                          {5, " 0 1 1 1 1 1 3"}}) {
        BareMachine m;
        load(m, count);
        Entries entries(m);
        m.resume();
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        EXPECT_EQ(entries.text(), expected) << count;
        EXPECT_EQ(m.reg(UC_X86_REG_RCX), 0u);
    }
}

// Under TF: one stop an iteration, and no empty entry: max(n, 1).
TEST_P(Rep, StepsEachIterationUnderTf) {
    const std::vector<std::pair<uint64_t, std::vector<Step>>> cases = {
        {0, {{1, 0}, {3, 0}, {4, 0}}},
        {1, {{1, 1}, {3, 0}, {4, 0}}},
        {2, {{1, 2}, {1, 1}, {3, 0}, {4, 0}}},
        {5, {{1, 5}, {1, 4}, {1, 3}, {1, 2}, {1, 1}, {3, 0}, {4, 0}}}};
    for (const auto& [count, expected] : cases) {
        BareMachine m;
        load(m, count);
        size_t entered = 0;
        m.on_block([&](Block b) { entered += b.address == kCode + 1; });
        set_trap_flag(m);
        EXPECT_EQ(step_to_end(m), expected) << count;
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        EXPECT_EQ(entered, std::max<uint64_t>(count, 1));
    }
}

// A stop at any entry and resuming leaves the sum as it is: only the entry stopped at is hooked twice.
TEST_P(Rep, StopAndResumeInTheMiddleHooksOneEntryTwice) {
    const char* expected[] = {" 0 | 0 1 1 1 1 3", " 0 1 | 1 1 1 1 3", " 0 1 1 | 1 1 1 3",
                              " 0 1 1 1 | 1 1 3", " 0 1 1 1 1 | 1 3", " 0 1 1 1 1 3 | 3"};
    for (size_t at = 0; at < std::size(expected); ++at) {
        BareMachine m;
        load(m, 4);
        Entries entries(m);
        size_t count = 0;
        m.on_block([&](Block) {
            if (count++ == at) m.stop();
        });
        m.resume();
        if (at >= 1 && at <= 4) {
            EXPECT_EQ(m.rip(), kCode + 1);
            EXPECT_EQ(m.reg(UC_X86_REG_RCX), 4 - at) << "RIP on a REP with RCX = 0 at the empty entry";
        }
        entries.stop();
        m.resume();
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        EXPECT_EQ(entries.text(), expected[at]);
    }
}

INSTANTIATE_TEST_SUITE_P(Strings, Rep,
                         testing::Values(RepCase{"STOSB", {0xf3, 0xaa}, 1}, RepCase{"MOVSB", {0xf3, 0xa4}, 1},
                                         RepCase{"REPE_SCASB", {0xf3, 0xae}, 0}),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(RepAcrossAFault, ReentersForTheRest) {
    BareMachine m;
    m.code(kCode, {0x90, 0xf3, 0xaa, 0x90, 0xf4});
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RCX, 4);
    m.set_reg(UC_X86_REG_RDI, kData - 2);
    m.refuse(kData);
    Entries entries(m);
    m.resume();
    entries.stop();
    EXPECT_EQ(m.reg(UC_X86_REG_RCX), 2u);
    m.set_translation([](uint64_t page, uc_mem_type) { return BareMachine::identity(page); });
    m.resume();
    EXPECT_EQ(entries.text(), " 0 1 1 | 1 1 1 3") << "the third entry did not execute: refund it";
}

struct TfCase {
    const char* name;
    Bytes code;
    std::vector<uint64_t> stops;
    uint32_t end;
};

void PrintTo(const TfCase& c, std::ostream* out) { *out << c.name; }

class TrapFlag : public testing::TestWithParam<TfCase> {};

TEST_P(TrapFlag, StopsAfterEachInstruction) {
    BareMachine m;
    m.code(kCode, std::span<const uint8_t>(GetParam().code));
    m.load(GuestState::long_mode(kCode));
    Image i(m);
    i.set<uint64_t>(layout().rflags, 0x102);  // by image: a deadline sets it so
    i.load();
    std::vector<uint64_t> stops;
    for (const Step& step : step_to_end(m)) stops.push_back(step.offset);
    EXPECT_EQ(stops, GetParam().stops);
    EXPECT_EQ(m.interrupt().value_or(0), kInterception + GetParam().end);
    EXPECT_EQ(Image(m).get<uint64_t>(layout().dr6) & 0x4000, 0x4000u) << "DR6.BS is the engine's to restore";
}

INSTANTIATE_TEST_SUITE_P(
    Code, TrapFlag,
    testing::Values(TfCase{"Plain", {0x90, 0x90, 0xf4}, {1, 2}, 0x78},
                    TfCase{"Jump", {0xeb, 0x01, 0x90, 0x90, 0xf4}, {3, 4}, 0x78},
                    TfCase{"MovSsShadowsItsStop", {0x8e, 0xd0, 0x90, 0x90, 0xf4}, {3, 4}, 0x78},
                    TfCase{"Sti", {0xfb, 0x90, 0x90, 0xf4}, {1, 2, 3}, 0x78},
                    TfCase{"InterceptedInstruction", {0x90, 0x0f, 0xa2}, {1}, 0x72},
                    TfCase{"Fault", {0x90, 0x0f, 0x0b}, {1}, 0x46},
                    TfCase{"PopfThatClearsIt", {0x6a, 0x02, 0x9d, 0x90, 0xf4}, {2, 3}, 0x78}),
    [](const auto& param) { return std::string(param.param.name); });

// Why PUSHF, POPF and IRET are intercepted while the engine steps.
TEST(TrapFlagHiding, PushfShowsTheFlagUnlessIntercepted) {
    BareMachine m;
    m.code(kCode, {0x9c, 0x58, 0xf4});
    m.load(GuestState::long_mode(kCode));
    set_trap_flag(m);
    step_to_end(m);
    EXPECT_TRUE(m.reg(UC_X86_REG_RAX) & 0x100);
    m.load(GuestState::long_mode(kCode), Intercepts::usual().with(SvmExit::PUSHF));
    set_trap_flag(m);
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::PUSHF));
}

// STI, MOV SS and POP SS end their block; the next block is one instruction and runs with the shadow.
TEST(InterruptShadow, IsBit3OfHflagsForOneInstruction) {
    const struct {
        const char* name;
        Bytes code;
        uint64_t rflags;
        std::string expected;
    } cases[] = {
        {"STI", {0xfb, 0x90, 0x90, 0xf4}, 2, " 0 1* 2"},
        {"MOV SS", {0x8e, 0xd0, 0x90, 0x90, 0xf4}, 2, " 0 2* 3"},
        {"STI STI", {0xfb, 0xfb, 0x90, 0xf4}, 2, " 0 1* 2"},
        {"STI with IF set already: hardware has no shadow", {0xfb, 0x90, 0x90, 0xf4}, 0x202, " 0 1* 2"}};
    for (const auto& c : cases) {
        BareMachine m;
        m.code(kCode, std::span<const uint8_t>(c.code));
        GuestState s = GuestState::long_mode(kCode);
        s.rflags = c.rflags;
        m.load(s);
        Image i(m);
        std::string blocks;
        m.on_block([&](Block b) {
            i.save();
            blocks += ' ' + std::to_string(b.address - kCode);
            if (i.get<uint32_t>(layout().hflags) & kHfInhibitIrq) blocks += '*';
        });
        m.resume();
        EXPECT_EQ(blocks, c.expected) << c.name;
    }
}

TEST(InterruptShadow, OutlivesAnExitUntilTheEngineClearsIt) {
    BareMachine m;
    m.code(kCode, {0xfb, 0x0f, 0xa2, 0x90, 0xf4});  // sti; cpuid; nop; hlt
    m.enter(GuestState::long_mode(kCode));
    EXPECT_TRUE(m.stopped_at(SvmExit::CPUID));
    Image i(m);
    EXPECT_TRUE(i.get<uint32_t>(layout().hflags) & kHfInhibitIrq);
    i.set<uint32_t>(layout().hflags, i.get<uint32_t>(layout().hflags) & ~kHfInhibitIrq);
    i.load();
    Entries entries(m);
    m.resume(kCode + 3);
    EXPECT_EQ(entries.text(), " 3") << "uncleared, the NOP alone would have been a block";
}

}  // namespace
}  // namespace vtless::engine_test
