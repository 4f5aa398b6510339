// SPDX-License-Identifier: MIT
// What a VMRESUME may take as known since the exit, and what it may not.
#include <gtest/gtest.h>

#include "isa/x86/exception.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::PrimaryControls;
using x86::SecondaryControls;
using x86::Vector;
using x86::VmInstructionError;
using x86::VmxStatus;

class Resume : public GuestFixture {
  protected:
    // rdtsc; pause; sgdt [rsp]; rdtscp; hlt
    Resume() { code({0x0f, 0x31, 0xf3, 0x90, 0x0f, 0x01, 0x04, 0x24, 0x0f, 0x01, 0xf9, 0xf4}); }

    Reason run_from_start() {
        write(F::GUEST_RIP, kCode);
        return run();
    }
    void set_secondary(uint32_t bits) {
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kSecondary.adjust({{values.secondary | bits}}).raw);
    }
    VmxStatus failure(VmInstructionError error) { return VmxStatus::fail_valid(error); }
    // A second VMCS, current and valid, whose guest starts at kCode as well.
    Hpa add_vmcs() {
        Hpa other;
        EXPECT_TRUE(memory.allocate_frame(other));
        put_host<uint32_t>(other, capability::kRevision);
        EXPECT_TRUE(hw->vmclear(other).ok() && hw->vmptrld(other).ok());
        values.fill([&](F field, uint64_t value) { write(field, value); });
        return other;
    }
};

TEST_F(Resume, HonoursEachControlThatWasWrittenSinceTheExit) {
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(run_from_start(), Reason::HLT);
        set_primary(PrimaryControls::RDTSC_EXITING);
        EXPECT_EQ(run_from_start(), Reason::RDTSC);
        EXPECT_EQ(skip(), Reason::RDTSCP);
        set_primary(PrimaryControls::PAUSE_EXITING);
        EXPECT_EQ(run_from_start(), Reason::PAUSE);
        EXPECT_EQ(skip(), Reason::HLT);
        set_primary(PrimaryControls::MONITOR_TRAP_FLAG);
        EXPECT_EQ(run_from_start(), Reason::MONITOR_TRAP_FLAG);
        EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
        set_primary(0);
        set_secondary(SecondaryControls::DESCRIPTOR_TABLE_EXITING);
        EXPECT_EQ(run_from_start(), Reason::GDTR_IDTR_ACCESS);
        EXPECT_EQ(skip(), Reason::HLT);
        set_secondary(0);
        EXPECT_EQ(run_from_start(), Reason::HLT);
        write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
        set_primary(PrimaryControls::INTERRUPT_WINDOW_EXITING);
        EXPECT_EQ(run_from_start(), Reason::INTERRUPT_WINDOW);
        EXPECT_EQ(read(F::GUEST_RIP), kCode);
        set_primary(PrimaryControls::NMI_WINDOW_EXITING);
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
              capability::kPin.adjust({{values.pin | x86::PinControls::VIRTUAL_NMIS}}).raw);
        EXPECT_EQ(run(), Reason::NMI_WINDOW);
        write(F::GUEST_RFLAGS, 2);
        set_primary(0);
        EXPECT_EQ(run(), Reason::HLT);
    }
}

TEST_F(Resume, HonoursThatInterruptsAreTheGuestsOwnNow) {
    EXPECT_EQ(run_from_start(), Reason::HLT);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    hw->raise_interrupt(0x51);
    EXPECT_EQ(run_from_start(), Reason::EXTERNAL_INTERRUPT);
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({{x86::PinControls::NMI_EXITING}}).raw);
    write(F::VM_EXIT_CONTROLS,
          read(F::VM_EXIT_CONTROLS) & ~uint64_t{x86::ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT});
    code({0xfa, 0x90, 0x90, 0xfb, 0x90, 0xf4});  // cli; nop; nop; sti; nop; hlt
    write(F::GUEST_RFLAGS, 2);
    hw->raise_interrupt(0x52);
    EXPECT_EQ(run_from_start(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{0x52} * 16);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode + 5);
}

TEST_F(Resume, TwoVmcssInTurnEachHaveTheirOwnControls) {
    set_primary(PrimaryControls::RDTSC_EXITING);
    ASSERT_EQ(run(), Reason::RDTSC);
    const Hpa other = add_vmcs();
    set_primary(PrimaryControls::PAUSE_EXITING);
    ASSERT_TRUE(hw->vmlaunch(gprs).ok());
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(hw->vmptrld(other).ok());
        ASSERT_TRUE(hw->vmresume(gprs).ok());
        EXPECT_EQ(read(F::EXIT_REASON), static_cast<uint32_t>(Reason::PAUSE));
        ASSERT_TRUE(hw->vmptrld(vmcs).ok());
        ASSERT_TRUE(hw->vmresume(gprs).ok());
        EXPECT_EQ(read(F::EXIT_REASON), static_cast<uint32_t>(Reason::RDTSC));
    }
}

// The new structure may well be where the old one was.
TEST_F(Resume, AVmcsThatWasClearedIsLookedAtAnew) {
    for (const uint32_t control : {PrimaryControls::RDTSC_EXITING, PrimaryControls::PAUSE_EXITING}) {
        set_primary(0);
        ASSERT_EQ(run_from_start(), Reason::HLT);
        set_primary(control);
        write(F::GUEST_RIP, kCode);
        ASSERT_TRUE(hw->vmclear(vmcs).ok() && hw->vmptrld(vmcs).ok());
        EXPECT_EQ(hw->vmresume(gprs), failure(VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS));
        launched = false;
        EXPECT_EQ(run(), control == PrimaryControls::RDTSC_EXITING ? Reason::RDTSC : Reason::PAUSE);
    }
    ASSERT_TRUE(hw->vmclear(vmcs).ok());
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fail_invalid());
}

TEST_F(Resume, ALaunchOfTheGuestThatWasLeftLastFails) {
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(hw->vmlaunch(gprs), failure(VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS));
    EXPECT_EQ(run_from_start(), Reason::HLT);
}

TEST_F(Resume, NothingIsKnownAfterVmxoff) {
    ASSERT_EQ(run(), Reason::HLT);
    ASSERT_TRUE(hw->vmxoff().ok());
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fault(Vector::UD));
    Hpa region;
    ASSERT_TRUE(memory.allocate_frame(region));
    put_host<uint32_t>(region, capability::kRevision);
    ASSERT_TRUE(hw->vmxon(region).ok());
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fail_invalid());
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    EXPECT_EQ(hw->vmresume(gprs), failure(VmInstructionError::VMRESUME_AFTER_VMXOFF));
}

TEST_F(Resume, AnAbortIsTheEnd) {
    ASSERT_EQ(run(), Reason::HLT);
    ASSERT_EQ(run_from_start(), Reason::HLT);
    Hpa area;
    ASSERT_TRUE(memory.allocate_frame(area));
    put_host<uint64_t>(area, 0x12345678);  // no such MSR
    write(F::VM_EXIT_MSR_STORE_ADDRESS, area.value());
    write(F::VM_EXIT_MSR_STORE_COUNT, 1);
    write(F::GUEST_RIP, kCode);
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fault(Vector::DF));
    EXPECT_NE(hw->vmx_abort(), 0u);
    write(F::VM_EXIT_MSR_STORE_COUNT, 0);
    for (int again = 0; again < 2; ++again) EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fault(Vector::DF));
}

TEST_F(Resume, AFailedEntryIsForgottenByTheNextThatSucceeds) {
    ASSERT_EQ(run(), Reason::HLT);
    write(F::GUEST_RFLAGS, 0);
    EXPECT_EQ(run_from_start(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_NE(hw->last_entry_failure(), nullptr);
    write(F::GUEST_RFLAGS, 2);
    EXPECT_EQ(run_from_start(), Reason::HLT);
    EXPECT_EQ(hw->last_entry_failure(), nullptr);
    write(F::HOST_CR3, ~uint64_t{0});
    EXPECT_EQ(hw->vmresume(gprs), failure(VmInstructionError::ENTRY_INVALID_HOST_STATE));
    EXPECT_NE(hw->last_entry_failure(), nullptr);
    write(F::HOST_CR3, 0x1000);
    EXPECT_EQ(run_from_start(), Reason::HLT);
    EXPECT_EQ(hw->last_entry_failure(), nullptr);
}

TEST_F(Resume, ChecksHostStateAgainWhenItsControlsWereWritten) {
    ASSERT_EQ(run(), Reason::HLT);
    const uint64_t controls = read(F::VM_EXIT_CONTROLS);
    write(F::VM_EXIT_CONTROLS, controls & ~uint64_t{x86::ExitControls::HOST_ADDRESS_SPACE_SIZE});
    EXPECT_EQ(hw->vmresume(gprs), failure(VmInstructionError::ENTRY_INVALID_HOST_STATE));
    write(F::VM_EXIT_CONTROLS, controls);
    EXPECT_EQ(run_from_start(), Reason::HLT);
}

// Not a control, but RDTSC depends on it as on one.
TEST_F(Resume, HonoursCr4TsdWhoeverWritesIt) {
    code({0x0f, 0x31, 0x0f, 0xa2});  // rdtsc; cpuid
    write(F::EXCEPTION_BITMAP, 1u << static_cast<unsigned>(Vector::GP));
    const uint64_t cr4 = read(F::GUEST_CR4);
    const auto go_to_cpl3 = [&] {
        write(F::GUEST_CS_SELECTOR, 0x0b);
        write(F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
        write(F::GUEST_SS_SELECTOR, 0x13);
        write(F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    };
    go_to_cpl3();
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(run_from_start(), Reason::CPUID);
        write(F::GUEST_CR4, cr4 | x86::cr4::TSD);
        EXPECT_EQ(run_from_start(), Reason::EXCEPTION_OR_NMI);
        EXPECT_EQ(read(F::GUEST_RIP), kCode);
        write(F::GUEST_CR4, cr4);
    }
    // By the guest, at CPL 0, where RDTSC goes on; mov rcx, cr4; or rcx, 4; mov cr4, rcx; rdtsc; cpuid
    constexpr uint64_t kSetTsd = kCode + 0x100;
    code({0x0f, 0x20, 0xe1, 0x48, 0x83, 0xc9, 0x04, 0x0f, 0x22, 0xe1, 0x0f, 0x31, 0x0f, 0xa2}, kSetTsd);
    write(F::GUEST_CS_SELECTOR, 0x08);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xa09b);
    write(F::GUEST_SS_SELECTOR, 0x10);
    write(F::GUEST_SS_ACCESS_RIGHTS, 0xc093);
    write(F::GUEST_RIP, kSetTsd);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kSetTsd + 12);
    go_to_cpl3();
    EXPECT_EQ(run_from_start(), Reason::EXCEPTION_OR_NMI);
}

TEST_F(Resume, HonoursScalingThatIsTurnedOn) {
    ASSERT_TRUE(hw->wrmsr(x86::Msr::IA32_TIME_STAMP_COUNTER, uint64_t{1} << 40).ok());
    code({0x0f, 0x31, 0x0f, 0xa2});
    const auto high = [&] {
        EXPECT_EQ(run_from_start(), Reason::CPUID);
        return gprs.get(Gpr::RDX);
    };
    set_primary(PrimaryControls::USE_TSC_OFFSETTING);
    EXPECT_EQ(high(), 0x100u);
    write(F::TSC_MULTIPLIER, uint64_t{3} << 48);
    EXPECT_EQ(high(), 0x100u);
    set_secondary(SecondaryControls::USE_TSC_SCALING);
    EXPECT_EQ(high(), 0x300u);
    write(F::TSC_OFFSET, uint64_t{1} << 36);
    EXPECT_EQ(high(), 0x310u);
    set_secondary(0);
    EXPECT_EQ(high(), 0x110u);
}

}  // namespace
}  // namespace vtless::sim
