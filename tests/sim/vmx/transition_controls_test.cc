// SPDX-License-Identifier: MIT
// Each control of VM entry and VM exit that loads, saves or acknowledges something: with it, and without.
// SDM Vol. 3C "VM-Exit Controls" (25.7.1), "VM-Entry Controls" (25.8.1).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EntryControls;
using x86::ExitControls;
using x86::Gpr;
using x86::Msr;
using x86::PinControls;

class TransitionControls : public GuestFixture {
  protected:
    static constexpr uint64_t kOtherPat = 0x0007040600070401;

    TransitionControls() {
        Hpa bitmap;
        EXPECT_TRUE(memory.allocate_frame(bitmap));
        write(F::MSR_BITMAP, bitmap.value());  // no MSR exits
        set_primary(x86::PrimaryControls::USE_MSR_BITMAPS);
    }
    void set(F controls, uint32_t bit, bool on) {
        const uint64_t others = read(controls) & ~uint64_t{bit};
        write(controls, others | (on ? bit : 0));
        write(F::GUEST_RIP, kCode);
    }
    void guest_writes(Msr msr, uint64_t value) {
        code({0x0f, 0x30, 0x0f, 0xa2});  // wrmsr; cpuid
        gprs.set(Gpr::RCX, static_cast<uint32_t>(msr));
        gprs.set(Gpr::RAX, value & 0xffffffff);
        gprs.set(Gpr::RDX, value >> 32);
        ASSERT_EQ(run(), Reason::CPUID);
    }
    uint64_t guest_reads(Msr msr) {
        code({0x0f, 0x32, 0x0f, 0xa2});  // rdmsr; cpuid
        gprs.set(Gpr::RCX, static_cast<uint32_t>(msr));
        EXPECT_EQ(run(), Reason::CPUID);
        return gprs.get(Gpr::RDX) << 32 | gprs.get(Gpr::RAX);
    }
};

TEST_F(TransitionControls, SaveDebugControls) {
    for (const bool on : {false, true}) {
        set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_DEBUG_CONTROLS, on);
        guest_writes(Msr::IA32_DEBUGCTL, x86::debugctl::BTF);
        EXPECT_EQ(read(F::GUEST_IA32_DEBUGCTL), on ? x86::debugctl::BTF : 0);
        code({0x0f, 0x23, 0xf8, 0x0f, 0xa2});  // mov dr7, rax; cpuid
        gprs.set(Gpr::RAX, 0x455);
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::CPUID);
        EXPECT_EQ(read(F::GUEST_DR7), on ? 0x455u : x86::dr7::kReset);
    }
}

TEST_F(TransitionControls, LoadDebugControls) {
    write(F::GUEST_DR7, 0x455);
    write(F::GUEST_IA32_DEBUGCTL, x86::debugctl::BTF);
    set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_DEBUG_CONTROLS, false);
    for (const bool on : {false, true}) {
        set(F::VM_ENTRY_CONTROLS, EntryControls::LOAD_DEBUG_CONTROLS, on);
        EXPECT_EQ(guest_reads(Msr::IA32_DEBUGCTL), on ? x86::debugctl::BTF : 0);
        code({0x0f, 0x21, 0xf8, 0x0f, 0xa2});  // mov rax, dr7; cpuid
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::CPUID);
        EXPECT_EQ(gprs.get(Gpr::RAX), on ? 0x455u : x86::dr7::kReset);
    }
}

TEST_F(TransitionControls, SavePat) {
    for (const bool on : {false, true}) {
        set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_IA32_PAT, on);
        guest_writes(Msr::IA32_PAT, kOtherPat);
        EXPECT_EQ(read(F::GUEST_IA32_PAT), on ? kOtherPat : x86::kPatReset);
    }
}

TEST_F(TransitionControls, LoadPatAtEntry) {
    write(F::GUEST_IA32_PAT, kOtherPat);
    for (const bool on : {false, true}) {
        set(F::VM_ENTRY_CONTROLS, EntryControls::LOAD_IA32_PAT, on);
        set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_IA32_PAT, on);
        EXPECT_EQ(guest_reads(Msr::IA32_PAT), on ? kOtherPat : x86::kPatReset);
    }
}

TEST_F(TransitionControls, LoadPatAtExit) {
    constexpr uint64_t kHostPat = 0x0006060606060606;
    write(F::HOST_IA32_PAT, kHostPat);
    for (const bool on : {false, true}) {
        set(F::VM_EXIT_CONTROLS, ExitControls::LOAD_IA32_PAT, on);
        guest_writes(Msr::IA32_PAT, kOtherPat);
        uint64_t pat = 0;
        ASSERT_TRUE(hw->rdmsr(Msr::IA32_PAT, pat).ok());
        EXPECT_EQ(pat, on ? kHostPat : kOtherPat);
    }
}

TEST_F(TransitionControls, SaveEfer) {
    const uint64_t loaded = read(F::GUEST_IA32_EFER);
    ASSERT_NE(loaded & x86::efer::SCE, 0u);
    for (const bool on : {false, true}) {
        set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_IA32_EFER, on);
        guest_writes(Msr::IA32_EFER, loaded & ~x86::efer::SCE);
        EXPECT_EQ(read(F::GUEST_IA32_EFER), on ? loaded & ~x86::efer::SCE : loaded);
    }
}

TEST_F(TransitionControls, LoadEferAtEntry) {
    write(F::GUEST_IA32_EFER, read(F::GUEST_IA32_EFER) & ~x86::efer::SCE);
    for (const bool on : {true, false}) {
        set(F::VM_ENTRY_CONTROLS, EntryControls::LOAD_IA32_EFER, on);
        EXPECT_EQ(guest_reads(Msr::IA32_EFER) & x86::efer::SCE, on ? 0 : x86::efer::SCE) << "else the host's";
    }
}

TEST_F(TransitionControls, LoadEferAtExit) {
    const uint64_t host = read(F::HOST_IA32_EFER);
    for (const bool on : {true, false}) {
        set(F::VM_EXIT_CONTROLS, ExitControls::LOAD_IA32_EFER, on);
        guest_writes(Msr::IA32_EFER, host & ~x86::efer::SCE);
        EXPECT_EQ(hw->host_state().efer, on ? host : host & ~x86::efer::SCE);
    }
}

TEST_F(TransitionControls, AcknowledgeInterruptOnExit) {
    code({0x0f, 0xa2});
    set(F::VM_EXIT_CONTROLS, ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT, true);
    hw->raise_interrupt(0x51);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), x86::EventInfo::external_interrupt(0x51).raw);
    EXPECT_EQ(hw->take_interrupt(), std::nullopt);
    set(F::VM_EXIT_CONTROLS, ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT, false);
    hw->raise_interrupt(0x52);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_FALSE(x86::EventInfo{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))}.valid());
    EXPECT_EQ(hw->take_interrupt(), 0x52) << "it still waits";
}

TEST_F(TransitionControls, SavePreemptionTimerValue) {
    constexpr uint64_t kTicks = 1'000'000;
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
    // mov ecx, 10000; l: dec ecx; jnz l; cpuid
    code({0xb9, 0x10, 0x27, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0x0f, 0xa2});
    write(F::VMX_PREEMPTION_TIMER_VALUE, kTicks);
    set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE, false);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::VMX_PREEMPTION_TIMER_VALUE), kTicks);
    set(F::VM_EXIT_CONTROLS, ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE, true);
    const uint64_t before = hw->rdtsc();
    ASSERT_EQ(run(), Reason::CPUID);
    const uint64_t most = (hw->rdtsc() - before) >> capability::kPreemptionTimerShift;
    EXPECT_GE(kTicks - read(F::VMX_PREEMPTION_TIMER_VALUE), 10000u >> capability::kPreemptionTimerShift);
    EXPECT_LE(kTicks - read(F::VMX_PREEMPTION_TIMER_VALUE), most + 1);
}

}  // namespace
}  // namespace vtless::sim
