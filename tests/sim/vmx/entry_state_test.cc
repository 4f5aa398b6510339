// SPDX-License-Identifier: MIT
// What VM entry makes of fields that mean less than they hold, and what guests find then.
// SDM Vol. 3C "Loading Guest State" (27.3.2), "VMX-Preemption Timer" (26.5.1).
#include <gtest/gtest.h>

#include "isa/x86/control_regs.h"
#include "isa/x86/msr.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

using EntryState = GuestFixture;

// SDM Vol. 3A "Segment Registers" (3.4.4): in 64-bit mode the base of CS is taken as 0.
TEST_F(EntryState, CodeRunsAtRipIn64BitModeWhateverTheBaseOfCs) {
    code({0x0f, 0xa2});
    code({0xf4}, kCode + 0x1000);
    write(F::GUEST_CS_BASE, 0x1000);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

// 27.3.2.1: ET, NW and CD are never modified by VM entry.
TEST_F(EntryState, EtNwAndCdOfCr0StayAsTheProcessorHasThem) {
    code({0x0f, 0x20, 0xc0, 0x0f, 0xa2});  // mov rax, cr0; cpuid
    const uint64_t cr0 = read(F::GUEST_CR0);
    write(F::CR0_GUEST_HOST_MASK, 0);
    write(F::GUEST_CR0, (cr0 & ~x86::cr0::ET) | x86::cr0::CD);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(gprs.get(Gpr::RAX), cr0 | x86::cr0::ET);
    EXPECT_EQ(read(F::GUEST_CR0), cr0 | x86::cr0::ET);
}

// SDM Vol. 2A "LTR".
TEST_F(EntryState, LtrOfANullSelectorIsAGeneralProtectionFault) {
    code({0x31, 0xc0, 0x0f, 0x00, 0xd8});  // xor eax, eax; ltr ax
    write(F::EXCEPTION_BITMAP, 1u << 13);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

// SDM Vol. 3C 26.3: without its control, whatever RDTSC does.
TEST_F(EntryState, RdtscpIsUndefinedWithoutItsControl) {
    code({0x0f, 0x31, 0x0f, 0x01, 0xf9});  // rdtsc; rdtscp
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          values.secondary & ~uint64_t{x86::SecondaryControls::ENABLE_RDTSCP});
    write(F::EXCEPTION_BITMAP, 1u << 6);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

TEST_F(EntryState, WritingTheTimeStampCounterLeavesThePreemptionTimerAlone) {
    Hpa bitmap;
    ASSERT_TRUE(memory.allocate_frame(bitmap));
    set_primary(x86::PrimaryControls::USE_MSR_BITMAPS);
    write(F::MSR_BITMAP, bitmap.value());
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 1000);
    code({0xb9, 0x10, 0, 0, 0, 0xba, 1, 0, 0, 0, 0x0f, 0x30, 0x0f, 0xa2});  // TSC = 1 << 32 and more; cpuid
    EXPECT_EQ(run(), Reason::CPUID);
}

}  // namespace
}  // namespace vtless::sim
