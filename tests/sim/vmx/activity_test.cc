// SPDX-License-Identifier: MIT
// Shutdown, wait-for-SIPI, INIT signals and start-up IPIs. SDM Vol. 3C "Activity State" (27.7.2), "Other
// Causes of VM Exits" (26.2).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::PinControls;
using x86::PrimaryControls;

class Activity : public GuestFixture {
  protected:
    static constexpr uint64_t kShutdown = 2;
    static constexpr uint64_t kWaitForSipi = 3;

    Activity() { code({0xf4}); }
    void set_pin(uint32_t bits) {
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({{bits}}).raw);
    }
    void expect_state(uint64_t state) {
        EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), state);
        EXPECT_EQ(read(F::GUEST_RIP), kCode) << "nothing has run";
    }
};

TEST_F(Activity, AnInitSignalExitsFromAnyGuestThatDoesNotWaitForSipi) {
    for (const uint64_t state : {uint64_t{0}, uint64_t{1}, kShutdown}) {
        hw->raise_init();
        write(F::GUEST_ACTIVITY_STATE, state);
        ASSERT_EQ(run(), Reason::INIT_SIGNAL);
        expect_state(state);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
        EXPECT_FALSE(hw->stalled());
    }
}

// SDM Vol. 3C "Monitor Trap Flag" (26.5.2): INIT signals take priority over MTF VM exits.
TEST_F(Activity, AnInitSignalComesBeforeAPendingMtfExitAndAnNmi) {
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::OTHER, 0, false).raw);
    hw->raise_nmi();
    hw->raise_init();
    EXPECT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
}

TEST_F(Activity, ASipiExitsFromWaitForSipiWithItsVector) {
    write(F::GUEST_ACTIVITY_STATE, kWaitForSipi);
    hw->raise_sipi(0x9f);
    ASSERT_EQ(run(), Reason::STARTUP_IPI);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0x9fu);
    expect_state(kWaitForSipi);
}

TEST_F(Activity, SipisAreLostInOtherStates) {
    hw->raise_sipi(0x10);
    ASSERT_EQ(run(), Reason::HLT);
    write(F::GUEST_ACTIVITY_STATE, kWaitForSipi);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
}

TEST_F(Activity, WaitForSipiBlocksEverythingElse) {
    set_pin(values.pin | PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 0);
    write(F::GUEST_ACTIVITY_STATE, kWaitForSipi);
    hw->raise_interrupt(0x40);
    hw->raise_nmi();
    hw->raise_init();
    hw->raise_sipi(1);
    ASSERT_EQ(run(), Reason::STARTUP_IPI);
    write(F::GUEST_ACTIVITY_STATE, 0);
    EXPECT_EQ(run(), Reason::INIT_SIGNAL) << "it has waited";
    EXPECT_EQ(run(), Reason::PREEMPTION_TIMER);
    set_pin(values.pin);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
}

TEST_F(Activity, ShutdownBlocksExternalInterruptsAndTheirWindow) {
    set_primary(PrimaryControls::INTERRUPT_WINDOW_EXITING);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    write(F::GUEST_ACTIVITY_STATE, kShutdown);
    hw->raise_interrupt(0x40);
    hw->set_host_timer(hw->rdtsc() + 100000, 0x41);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
    expect_state(kShutdown);
    write(F::GUEST_ACTIVITY_STATE, 0);
    EXPECT_EQ(run(), Reason::INTERRUPT_WINDOW);
    set_primary(0);
    EXPECT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
}

TEST_F(Activity, AnNmiExitsFromShutdownOrWakesTheGuest) {
    write(F::GUEST_ACTIVITY_STATE, kShutdown);
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    expect_state(kShutdown);
    set_pin(PinControls::EXTERNAL_INTERRUPT_EXITING);
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{2} * 16);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 0u);
}

TEST_F(Activity, TheNmiWindowAndThePreemptionTimerWakeFromShutdown) {
    set_pin(PinControls::NMI_EXITING | PinControls::VIRTUAL_NMIS);
    set_primary(PrimaryControls::NMI_WINDOW_EXITING);
    write(F::GUEST_ACTIVITY_STATE, kShutdown);
    ASSERT_EQ(run(), Reason::NMI_WINDOW);
    expect_state(kShutdown);
    set_primary(0);
    set_pin(PinControls::NMI_EXITING | PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 1000);
    const uint64_t before = hw->rdtsc();
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_GE(hw->rdtsc() - before, 999u << capability::kPreemptionTimerShift);
    expect_state(kShutdown);
}

// 27.7.2: a vectoring entry leaves the processor active.
TEST_F(Activity, AnInjectedNmiEndsShutdown) {
    write(F::GUEST_ACTIVITY_STATE, kShutdown);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::nmi().raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{2} * 16);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 0u);
}

// 27.7.3.
TEST_F(Activity, PendingDebugExceptionsAreLostInShutdown) {
    write(F::EXCEPTION_BITMAP, 1u << 1);
    write(F::GUEST_ACTIVITY_STATE, kShutdown);
    write(F::GUEST_PENDING_DEBUG_EXCEPTIONS, x86::pending_debug::ENABLED_BREAKPOINT | x86::pending_debug::B0);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), 0u);
}

TEST_F(Activity, ARequestLeavesAGuestThatBlocksInterrupts) {
    for (const uint64_t state : {kShutdown, kWaitForSipi}) {
        write(F::GUEST_ACTIVITY_STATE, state);
        hw->request_exit();
        EXPECT_EQ(run(), Reason::INIT_SIGNAL);
        EXPECT_FALSE(hw->stalled());
    }
}

}  // namespace
}  // namespace vtless::sim
