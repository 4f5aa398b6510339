// SPDX-License-Identifier: MIT
// Interception comes from QEMU's own AMD-V: precise, through UC_HOOK_INTR, with the guest's state left in
// place.
#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000;
using Bytes = std::vector<uint8_t>;

struct Case {
    const char* name;
    Bytes code;
    uint32_t exit;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

class Interception : public testing::TestWithParam<Case> {};

TEST_P(Interception, StopsOnTheInstructionAndLeavesTheStateInPlace) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc3});  // inc rbx
    m.code(kCode + 3, std::span<const uint8_t>(GetParam().code));
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RCX, 0xc0000082);
    EXPECT_EQ(m.resume(), UC_ERR_OK);
    EXPECT_EQ(m.interrupt().value_or(0), kInterception + GetParam().exit);
    EXPECT_EQ(m.rip(), kCode + 3);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1u);
    EXPECT_EQ(m.reg(UC_X86_REG_RCX), 0xc0000082u);
    EXPECT_EQ(m.reg(UC_X86_REG_RSP), kGuestStack);
}

constexpr uint32_t exit_code(SvmExit exit) { return static_cast<uint32_t>(exit); }
constexpr uint32_t exception(uint32_t vector) { return exit_code(SvmExit::EXCEPTION) + vector; }

INSTANTIATE_TEST_SUITE_P(
    Instructions, Interception,
    testing::Values(Case{"CPUID", {0x0f, 0xa2}, exit_code(SvmExit::CPUID)},
                    Case{"HLT", {0xf4}, exit_code(SvmExit::HLT)},
                    Case{"RDTSC", {0x0f, 0x31}, exit_code(SvmExit::RDTSC)},
                    Case{"RDMSR", {0x0f, 0x32}, exit_code(SvmExit::MSR)},
                    Case{"WRMSR", {0x0f, 0x30}, exit_code(SvmExit::MSR)},
                    Case{"PAUSE", {0xf3, 0x90}, exit_code(SvmExit::PAUSE)},
                    Case{"MOV_from_CR0", {0x0f, 0x20, 0xc0}, exit_code(SvmExit::CR0_READ)},
                    Case{"MOV_to_CR0", {0x0f, 0x22, 0xc0}, exit_code(SvmExit::CR0_WRITE)},
                    Case{"MOV_to_CR3", {0x0f, 0x22, 0xd8}, exit_code(SvmExit::CR3_WRITE)},
                    Case{"MOV_to_CR4", {0x0f, 0x22, 0xe0}, exit_code(SvmExit::CR4_WRITE)},
                    Case{"MOV_from_DR7", {0x0f, 0x21, 0xf8}, exit_code(SvmExit::DR7_READ)},
                    Case{"MOV_to_DR7", {0x0f, 0x23, 0xf8}, exit_code(SvmExit::DR7_WRITE)},
                    Case{"SGDT", {0x0f, 0x01, 0x04, 0x24}, exit_code(SvmExit::GDTR_READ)},
                    Case{"LGDT", {0x0f, 0x01, 0x14, 0x24}, exit_code(SvmExit::GDTR_WRITE)},
                    Case{"LIDT", {0x0f, 0x01, 0x1c, 0x24}, exit_code(SvmExit::IDTR_WRITE)},
                    Case{"LTR", {0x0f, 0x00, 0xd8}, exit_code(SvmExit::TR_WRITE)},
                    Case{"LLDT", {0x0f, 0x00, 0xd0}, exit_code(SvmExit::LDTR_WRITE)},
                    Case{"INVLPG", {0x0f, 0x01, 0x3c, 0x24}, exit_code(SvmExit::INVLPG)},
                    Case{"WBINVD", {0x0f, 0x09}, exit_code(SvmExit::WBINVD)},
                    Case{"RDPMC", {0x0f, 0x33}, exit_code(SvmExit::RDPMC)},
                    Case{"VMRUN", {0x0f, 0x01, 0xd8}, exit_code(SvmExit::VMRUN)}),
    name_of);

INSTANTIATE_TEST_SUITE_P(Exceptions, Interception,
                         testing::Values(Case{"Divide", {0xf7, 0xf5}, exception(0)},
                                         Case{"UD2", {0x0f, 0x0b}, exception(6)},
                                         Case{"GeneralProtection", {0x8e, 0xd9}, exception(13)},
                                         // What the processor model lacks is a catchable #UD.
                                         Case{"VMCALL", {0x0f, 0x01, 0xc1}, exception(6)},
                                         Case{"RDPID", {0xf3, 0x0f, 0xc7, 0xf8}, exception(6)},
                                         Case{"INVPCID", {0x66, 0x0f, 0x38, 0x82, 0x06}, exception(6)},
                                         Case{"AVX", {0xc4, 0xe2, 0x79, 0x18, 0x00}, exception(6)}),
                         name_of);

// Names that QEMU gives are not always the instruction's: the engine has to decode.
INSTANTIATE_TEST_SUITE_P(
    Mislabelled, Interception,
    testing::Values(Case{"INVD_is_WBINVD", {0x0f, 0x08}, exit_code(SvmExit::WBINVD)},
                    Case{"INT3_is_SWINT", {0xcc}, exit_code(SvmExit::SWINT)},
                    Case{"INT_n_is_SWINT", {0xcd, 0x80}, exit_code(SvmExit::SWINT)},
                    Case{"RDTSCP_is_RDTSC", {0x0f, 0x01, 0xf9}, exit_code(SvmExit::RDTSC)},
                    Case{"ICEBP_is_UD", {0xf1}, exception(6)},
                    Case{"CLTS_is_CR0_write", {0x0f, 0x06}, exit_code(SvmExit::CR0_WRITE)},
                    Case{"LMSW_is_CR0_write", {0x0f, 0x01, 0xf0}, exit_code(SvmExit::CR0_WRITE)}),
    name_of);

// MONITOR and MWAIT check ECX before they look at the intercept.
TEST(InterceptionOrder, MonitorAndMwaitFaultBeforeTheyExit) {
    for (auto [opcode, exit] :
         {std::pair<uint8_t, SvmExit>{0xc8, SvmExit::MONITOR}, {0xc9, SvmExit::MWAIT}}) {
        BareMachine m;
        m.code(kCode, {0x0f, 0x01, opcode});
        m.load(GuestState::long_mode(kCode));
        m.resume();
        EXPECT_TRUE(m.stopped_at(exit));
        m.set_reg(UC_X86_REG_RCX, 8);
        m.resume();
        EXPECT_TRUE(m.stopped_at_exception(13));
    }
}

TEST(InterceptionRoundTrip, ResumingOnTheInstructionStopsAgain) {
    BareMachine m;
    m.code(kCode, {0x0f, 0xa2, 0xf4});
    m.load(GuestState::long_mode(kCode));
    for (int i = 0; i < 100; ++i) {
        m.resume(kCode);
        ASSERT_TRUE(m.stopped_at(SvmExit::CPUID));
    }
    m.resume(kCode + 2);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
}

TEST(InterceptionRoundTrip, AStopIsNotAnEntry) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc3, 0x0f, 0xa2, 0xeb, 0xf9});  // inc rbx; cpuid; jmp
    m.load(GuestState::long_mode(kCode));
    m.resume();
    const size_t fills = m.fills().size();
    for (int i = 0; i < 1000; ++i) m.resume(kCode + 5);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1001u);
    EXPECT_EQ(m.fills().size(), fills) << "stops do not flush the TLB";
}

// The masks are read when the instruction runs, so a patched image needs no retranslation.
TEST(InterceptMasks, TakeEffectInBlocksAlreadyTranslated) {
    const ImageLayout& l = ImageLayout::get();
    const struct {
        const char* name;
        Bytes code;
        SvmExit exit;
    } cases[] = {{"PUSHF", {0x9c}, SvmExit::PUSHF},
                 {"POPF", {0x6a, 0x02, 0x9d}, SvmExit::POPF},
                 {"RDTSC", {0x0f, 0x31}, SvmExit::RDTSC},
                 {"CPUID", {0x0f, 0xa2}, SvmExit::CPUID},
                 {"INVLPG", {0x0f, 0x01, 0x3c, 0x24}, SvmExit::INVLPG},
                 {"SGDT", {0x0f, 0x01, 0x04, 0x24}, SvmExit::GDTR_READ}};
    for (const auto& c : cases) {
        BareMachine m;
        m.code(kCode, std::span<const uint8_t>(c.code));
        m.put<uint8_t>(kCode + c.code.size(), 0xf4);
        m.load(GuestState::long_mode(kCode), Intercepts::usual().without(c.exit));
        m.resume();
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT)) << c.name;
        size_t blocks = 0;
        m.on_new_block([&](uc_tb block) { blocks += block.pc == kCode; });
        for (bool intercepted : {true, false, true}) {
            Image i(m);
            i.set(l.intercept, i.get<uint64_t>(l.intercept) ^ Intercepts::bit(c.exit));
            i.load();
            m.resume(kCode);
            EXPECT_TRUE(m.stopped_at(intercepted ? c.exit : SvmExit::HLT)) << c.name;
        }
        EXPECT_EQ(blocks, 0u) << c.name;
    }
}

TEST(InterceptMasks, ControlRegistersAndExceptionsFollowTheImage) {
    const ImageLayout& l = ImageLayout::get();
    BareMachine m;
    m.code(kCode, {0x0f, 0x20, 0xc0, 0xf4});  // mov rax, cr0; hlt
    Intercepts none = Intercepts::usual();
    none.cr_read = 0;
    m.load(GuestState::long_mode(kCode), none);
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    Image i(m);
    i.set<uint16_t>(l.intercept_cr_read, 1);
    i.load();
    m.resume(kCode);
    EXPECT_TRUE(m.stopped_at(SvmExit::CR0_READ));
}

// Why nothing may stay un-intercepted: such an event arrives as a bare vector and INT has moved RIP.
TEST(InterceptMasks, UninterceptedEventsArriveAsBareVectors) {
    BareMachine m;
    m.code(kCode, {0xcd, 0x80});
    m.load(GuestState::long_mode(kCode), Intercepts::usual().without(SvmExit::SWINT));
    m.resume();
    EXPECT_EQ(m.interrupt(), 0x80u);
    EXPECT_EQ(m.rip(), kCode + 2);
}

// The guest goes from real to protected mode by itself in an engine opened with UC_MODE_64.
TEST(GuestModes, RealModeGuestEntersProtectedModeByItself) {
    BareMachine m;
    m.code(0x7c00, {0xfa, 0x0f, 0x01, 0x16, 0x40, 0x7c, 0x0f, 0x20, 0xc0, 0x66, 0x83,
                    0xc8, 0x01, 0x0f, 0x22, 0xc0, 0xea, 0x20, 0x7c, 0x08, 0x00});
    m.code(0x7c20, {0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x60, 0x00, 0x00, 0x68, 0x78,
                    0x56, 0x34, 0x12, 0xf4});
    m.put<uint64_t>(0x7c58, 0x00cf9b000000ffff);
    m.put<uint64_t>(0x7c60, 0x00cf93000000ffff);
    m.put<uint16_t>(0x7c40, 0x17);
    m.put<uint32_t>(0x7c42, 0x7c50);
    Intercepts few{0, 0, 0, 0, 0xffffffff, Intercepts::bit(SvmExit::HLT)};
    m.enter(GuestState::real_mode(0, 0x7c00), few);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.get<uint32_t>(0x5ffc), 0x12345678u);
}

// The engine does not check what a MOV to CR writes: CR0 and CR4 are always intercepted, and checked by us.
TEST(GuestModes, ControlRegisterReservedBitsAreNotChecked) {
    BareMachine m;
    m.code(kCode, {0x0f, 0x22, 0xe0, 0x0f, 0x20, 0xe3, 0xf4});  // mov cr4, rax; mov rbx, cr4; hlt
    Intercepts no_cr = Intercepts::usual();
    no_cr.cr_read = no_cr.cr_write = 0;
    m.load(GuestState::long_mode(kCode), no_cr);
    m.set_reg(UC_X86_REG_RAX, 0x6a0 | 1u << 24);
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT)) << "a #GP on hardware";
}

}  // namespace
}  // namespace vtless::engine_test
