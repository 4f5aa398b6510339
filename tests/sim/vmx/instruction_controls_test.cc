// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3): each by its own control and by no
// other.
#include <gtest/gtest.h>

#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using P = x86::PrimaryControls;
using S = x86::SecondaryControls;
using R = x86::ExitReason;
using x86::Gpr;

struct Instruction {
    const char* name;
    std::initializer_list<uint8_t> bytes;
    R reason;
    uint32_t primary;
    uint32_t secondary = 0;
};

const Instruction kInstructions[] = {
    {"HLT", {0xf4}, R::HLT, P::HLT_EXITING},
    {"INVLPG", {0x0f, 0x01, 0x3f}, R::INVLPG, P::INVLPG_EXITING},
    {"MWAIT", {0x0f, 0x01, 0xc9}, R::MWAIT, P::MWAIT_EXITING},
    {"RDPMC", {0x0f, 0x33}, R::RDPMC, P::RDPMC_EXITING},
    {"RDTSC", {0x0f, 0x31}, R::RDTSC, P::RDTSC_EXITING},
    {"RDTSCP", {0x0f, 0x01, 0xf9}, R::RDTSCP, P::RDTSC_EXITING},
    {"MOV to CR3", {0x0f, 0x22, 0xda}, R::CONTROL_REGISTER_ACCESS, P::CR3_LOAD_EXITING},
    {"MOV from CR3", {0x0f, 0x20, 0xd8}, R::CONTROL_REGISTER_ACCESS, P::CR3_STORE_EXITING},
    {"MOV to CR8", {0x44, 0x0f, 0x22, 0xc1}, R::CONTROL_REGISTER_ACCESS, P::CR8_LOAD_EXITING},
    {"MOV from CR8", {0x44, 0x0f, 0x20, 0xc0}, R::CONTROL_REGISTER_ACCESS, P::CR8_STORE_EXITING},
    {"MOV to DR0", {0x0f, 0x23, 0xc1}, R::MOV_DR, P::MOV_DR_EXITING},
    {"MOV from DR0", {0x0f, 0x21, 0xc0}, R::MOV_DR, P::MOV_DR_EXITING},
    {"IN", {0xe4, 0x60}, R::IO_INSTRUCTION, P::UNCONDITIONAL_IO_EXITING},
    {"OUTSB", {0x6e}, R::IO_INSTRUCTION, P::UNCONDITIONAL_IO_EXITING},
    {"MONITOR", {0x0f, 0x01, 0xc8}, R::MONITOR, P::MONITOR_EXITING},
    {"PAUSE", {0xf3, 0x90}, R::PAUSE, P::PAUSE_EXITING},
    {"SGDT", {0x0f, 0x01, 0x07}, R::GDTR_IDTR_ACCESS, 0, S::DESCRIPTOR_TABLE_EXITING},
    {"SLDT", {0x0f, 0x00, 0x07}, R::LDTR_TR_ACCESS, 0, S::DESCRIPTOR_TABLE_EXITING},
    {"WBINVD", {0x0f, 0x09}, R::WBINVD, 0, S::WBINVD_EXITING},
    {"RDRAND", {0x0f, 0xc7, 0xf0}, R::RDRAND, 0, S::RDRAND_EXITING},
    {"RDSEED", {0x0f, 0xc7, 0xf8}, R::RDSEED, 0, S::RDSEED_EXITING},
};

class InstructionControls : public GuestFixture {
  protected:
    static constexpr uint32_t kPrimary = P::ACTIVATE_SECONDARY_CONTROLS | P::USE_MSR_BITMAPS;

    InstructionControls() {
        Hpa bitmap;
        EXPECT_TRUE(memory.allocate_frame(bitmap));
        write(F::MSR_BITMAP, bitmap.value());
    }
    // The instruction, and a VMCALL for where it goes on.
    Reason execute(const Instruction& one, uint32_t primary, uint32_t secondary) {
        write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kPrimary.adjust({{kPrimary | primary}}).raw);
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, values.secondary | secondary);
        code(one.bytes);
        code({0x0f, 0x01, 0xc1}, kCode + one.bytes.size());
        for (const Gpr gpr : {Gpr::RAX, Gpr::RSI, Gpr::RDI}) gprs.set(gpr, 0x300000);
        gprs.set(Gpr::RCX, 0);
        gprs.set(Gpr::RDX, kPml4);
        write(F::GUEST_ACTIVITY_STATE, 0);
        write(F::GUEST_RIP, kCode);
        return run();
    }
};

TEST_F(InstructionControls, EachExitsByItsOwn) {
    for (const Instruction& one : kInstructions) {
        EXPECT_EQ(execute(one, one.primary, one.secondary), one.reason) << one.name;
        EXPECT_EQ(read(F::GUEST_RIP), kCode) << one.name;
        EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), one.bytes.size()) << one.name;
    }
}

// RDPMC without its exit is #GP: there are no counters.
TEST_F(InstructionControls, NoneExitsByTheOthers) {
    uint32_t primary = 0, secondary = 0;
    for (const Instruction& one : kInstructions) {
        primary |= one.primary;
        secondary |= one.secondary;
    }
    put<uint16_t>(kHandlers + 13ul * 16, 0x010f);  // vmcall
    put<uint8_t>(kHandlers + 13ul * 16 + 2, 0xc1);
    for (const Instruction& one : kInstructions) {
        // Without HLT exiting a guest in HLT, which nothing wakes, stalls.
        const bool waits = one.reason == R::HLT;
        EXPECT_EQ(execute(one, primary & ~one.primary, secondary & ~one.secondary),
                  waits ? R::INIT_SIGNAL : R::VMCALL)
            << one.name;
    }
}

// SDM Vol. 3C 25.6.9: without bitmaps every RDMSR and WRMSR exits.
TEST_F(InstructionControls, MsrsExitWithoutBitmaps) {
    set_primary(0);
    code({0x0f, 0x32, 0x0f, 0x30});  // rdmsr; wrmsr
    gprs.set(Gpr::RCX, 0xc0000081);
    ASSERT_EQ(run(), R::RDMSR);
    EXPECT_EQ(skip(), R::WRMSR);
}

// SDM Vol. 3C 25.6.2: with I/O bitmaps unconditional I/O exiting is ignored.
TEST_F(InstructionControls, IoBitmapsComeBeforeUnconditionalExits) {
    Hpa a, b;
    ASSERT_TRUE(memory.allocate_frame(a) && memory.allocate_frame(b));
    write(F::IO_BITMAP_A, a.value());
    write(F::IO_BITMAP_B, b.value());
    put_host<uint8_t>(b + 0x1000 / 8, 1);  // port 9000H
    set_primary(P::USE_IO_BITMAPS | P::UNCONDITIONAL_IO_EXITING);
    code({0xe4, 0x60, 0xec});  // in al, 0x60; in al, dx
    gprs.set(Gpr::RDX, 0x9000);
    ASSERT_EQ(run(), R::IO_INSTRUCTION);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

// SDM Vol. 3C 25.6.2: without "activate secondary controls" they are all 0, whatever their field holds.
TEST_F(InstructionControls, SecondaryControlsNeedTheirActivation) {
    code({0x0f, 0x09, 0xf4});  // wbinvd; hlt
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, values.secondary | S::WBINVD_EXITING);
    ASSERT_EQ(run(), R::WBINVD);
    // Without EPT guest-physical addresses are host-physical ones.
    write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          capability::kPrimary.adjust({{P::HLT_EXITING}}).raw);
    write(F::GUEST_CR3, ram.value() + kPml4);
    put<uint64_t>(kPml4, (ram.value() + 0x11000) | 7);
    put<uint64_t>(0x11000, (ram.value() + 0x12000) | 7);
    for (uint64_t page = 0; page < 8; ++page)
        put<uint64_t>(0x12000 + page * 8, (ram.value() + (page << 21)) | 0x87);
    EXPECT_EQ(run(), R::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

}  // namespace
}  // namespace vtless::sim
