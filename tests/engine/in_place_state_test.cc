// SPDX-License-Identifier: MIT
// The processor's own state behind Unicorn's engine structure, read and written without a context.
#include <gtest/gtest.h>

#include <cstddef>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kData = 0x300000;
constexpr size_t kEngineCpu = 440;   // in uc_engine: pointer to the processor object
constexpr size_t kCpuGprs = 0x8a50;  // in the processor object: RAX

const ImageLayout& layout() { return ImageLayout::get(); }

// Offsets are an Image's.
class InPlaceState {
  public:
    explicit InPlaceState(const BareMachine& machine) {
        std::byte* cpu;
        std::memcpy(&cpu, reinterpret_cast<const std::byte*>(machine.uc()) + kEngineCpu, sizeof cpu);
        state_ = cpu + kCpuGprs - layout().rax;
    }
    const std::byte* address() const { return state_; }
    template <class T>
    T get(size_t at) const {
        T value;
        std::memcpy(&value, state_ + at, sizeof value);
        return value;
    }
    template <class T>
    void set(size_t at, T value) {
        std::memcpy(state_ + at, &value, sizeof value);
    }
    // The first byte that differs from what a context holds of the same state; the image's size if none.
    size_t first_difference(const Image& image) const {
        size_t at = layout().rax;
        while (at < image.size() && get<uint8_t>(at) == image.get<uint8_t>(at)) ++at;
        return at;
    }

  private:
    std::byte* state_;
};

size_t rbx() { return layout().rax + 24; }

TEST(InPlaceState, IsWhatAContextIsACopyOf) {
    for (const GuestState& s : {GuestState::real_mode(0x1000, 0), GuestState::protected_mode(kCode),
                                GuestState::long_mode(kCode), GuestState::long_mode_user(kCode)}) {
        BareMachine m;
        m.load(s);
        const InPlaceState state(m);
        EXPECT_EQ(state.first_difference(Image(m)), Image(m).size()) << std::hex << "cr0 " << s.cr0;
    }
}

TEST(InPlaceState, IsWholeAfterARun) {
    BareMachine m;
    // mov ebx, 0x1234; std; sub eax, eax; hlt
    m.code(kCode, {0xbb, 0x34, 0x12, 0x00, 0x00, 0xfd, 0x29, 0xc0, 0xf4});
    m.enter(GuestState::long_mode(kCode));
    ASSERT_TRUE(m.stopped_at(SvmExit::HLT));
    const InPlaceState state(m);
    EXPECT_EQ(state.get<uint64_t>(rbx()), 0x1234u);
    EXPECT_EQ(state.get<uint64_t>(layout().rip), kCode + 8);
    EXPECT_EQ(state.get<uint64_t>(layout().rflags), 0x446u) << "DF, ZF, PF and the bit that is always set";
    EXPECT_EQ(state.first_difference(Image(m)), Image(m).size());
}

TEST(InPlaceState, IsWhatTheNextRunStartsFrom) {
    BareMachine m;
    // pushfq; pop rcx; mov [rdi], rbx; mov rdx, fs:[0]; mov rsi, cr2; hlt
    m.code(kCode,
           {0x9c, 0x59, 0x48, 0x89, 0x1f, 0x64, 0x48, 0x8b, 0x14, 0x25, 0, 0, 0, 0, 0x0f, 0x20, 0xd6, 0xf4});
    m.put<uint64_t>(kData + 0x100, 0x5566);
    Intercepts intercepts = Intercepts::usual();
    intercepts.cr_read = 0;
    m.load(GuestState::long_mode(kCode), intercepts);
    InPlaceState state(m);
    state.set<uint64_t>(layout().rax + 56, kData);  // RDI
    state.set<uint64_t>(rbx(), 0x1122'3344'5566'7788);
    state.set<uint64_t>(layout().rflags, 0x8d7);
    state.set<uint64_t>(layout().fs + ImageLayout::kBase, kData + 0x100);
    state.set<uint64_t>(layout().cr2, 0x7777);
    m.resume(kCode);
    ASSERT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.get<uint64_t>(kData), 0x1122'3344'5566'7788u);
    EXPECT_EQ(m.reg(UC_X86_REG_RCX), 0x8d7u);
    EXPECT_EQ(m.reg(UC_X86_REG_RDX), 0x5566u);
    EXPECT_EQ(m.reg(UC_X86_REG_RSI), 0x7777u);
}

// The mode flags are what the translator keys its code by: with them and the fields that they follow from, a
// processor changes its mode between two runs, and its blocks of the other mode are not run.
TEST(InPlaceState, ChangesTheMode) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc0, 0xf4});  // inc rax; in 32-bit code: dec eax; inc eax
    m.load(GuestState::protected_mode(kCode));
    const Image protected_mode(m);
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RAX, 5);
    m.resume(kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 6u);
    InPlaceState state(m);
    for (size_t at = layout().hflags; at < layout().efer + 8; ++at)
        state.set<uint8_t>(at, protected_mode.get<uint8_t>(at));
    m.resume(kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 6u);
    EXPECT_EQ(m.rip(), kCode + 3);
}

// RIP and the arithmetic flags are not kept up to date while code runs; the registers are.
TEST(InPlaceState, HasTheRegistersInsideHooks) {
    BareMachine m;
    m.code(kCode, {0xbb, 0x34, 0x12, 0x00, 0x00, 0xeb, 0x00, 0xf4});  // mov ebx, 0x1234; jmp +0; hlt
    m.load(GuestState::long_mode(kCode));
    InPlaceState state(m);
    uint64_t seen = 0;
    m.on_block([&](Block b) {
        if (b.address != kCode + 7) return;
        seen = state.get<uint64_t>(rbx());
        state.set<uint64_t>(rbx(), 0x5678);
    });
    m.resume(kCode);
    EXPECT_EQ(seen, 0x1234u);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0x5678u);
}

TEST(InPlaceState, StaysWhereItIs) {
    BareMachine m;
    m.code(kCode, {0xf4});
    m.load(GuestState::long_mode(kCode));
    const std::byte* first = InPlaceState(m).address();
    m.resume();
    m.flush_tlb();
    m.flush_blocks();
    Image(m).load();
    m.load(GuestState::protected_mode(kCode));
    EXPECT_EQ(InPlaceState(m).address(), first);
}

}  // namespace
}  // namespace vtless::engine_test
