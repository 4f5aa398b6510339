// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Monitor Trap Flag" (26.5.2), "Injection of Pending MTF VM Exits" (27.6.2), "Pending MTF VM
// Exits" (27.7.8).
#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::PinControls;
using x86::PrimaryControls;
using x86::Vector;

class MonitorTrap : public GuestFixture {
  protected:
    static constexpr uint32_t kMonitored = PrimaryControls::MONITOR_TRAP_FLAG;

    MonitorTrap() { set_primary(kMonitored); }

    static constexpr uint64_t handler(uint64_t vector) { return kHandlers + vector * 16; }
    void pin(uint32_t bits) {
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({{bits}}).raw);
    }
    void primary_without(uint32_t bits) {
        write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kPrimary.adjust({{(values.primary | kMonitored) & ~bits}}).raw);
    }
    void inject(EventInfo info) { write(F::VM_ENTRY_INTERRUPTION_INFORMATION, info.raw); }
    void inject_pending_exit() { inject(EventInfo::make(EventType::OTHER, 0)); }
    void allow_interrupts() { write(F::GUEST_RFLAGS, 2 | x86::rflags::IF); }
    // The next exit is the trap, and comes before the instruction there.
    void expect_trap_at(uint64_t rip) {
        ASSERT_EQ(run(), Reason::MONITOR_TRAP_FLAG);
        EXPECT_EQ(read(F::GUEST_RIP), rip);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0);
        EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), 0);
        EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), 0);
    }
};

TEST_F(MonitorTrap, ExitsAfterEachInstructionThatDoesNotExitItself) {
    code({0x90, 0x31, 0xc0, 0xeb, 0x01, 0x90, 0x0f, 0xa2});  // nop; xor eax, eax; jmp 1f; nop; 1: cpuid
    for (const uint64_t offset : {1u, 3u, 6u}) expect_trap_at(kCode + offset);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 6);
}

TEST_F(MonitorTrap, WithoutTheControlNothingExits) {
    primary_without(kMonitored);
    code({0x90, 0x90, 0x0f, 0xa2});
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(MonitorTrap, ExitsAfterInstructionsThatTheProcessorCarriesOutItself) {
    // smsw eax; mov rcx, cr0; pushfq; popfq; int 0x30 (whose handler is at another place)
    code({0x0f, 0x01, 0xe0, 0x0f, 0x20, 0xc1, 0x9c, 0x9d, 0xcd, 0x30});
    for (const uint64_t offset : {3u, 6u, 7u, 8u}) expect_trap_at(kCode + offset);
    expect_trap_at(handler(0x30));
}

// Where other registers are loaded too, RIP reaches the engine in its state image.
TEST_F(MonitorTrap, AnEntryToPushfPushesTheGuestsFlags) {
    code({0x0f, 0xa2, 0x9c});  // cpuid; pushfq
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::GUEST_RSP, kStack - 64);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::CF);
    write(F::GUEST_RIP, kCode + 2);
    expect_trap_at(kCode + 3);
    EXPECT_EQ(get<uint64_t>(kStack - 72), 2 | x86::rflags::CF);
}

TEST_F(MonitorTrap, ExitsAfterEachIterationOfARepeatedInstruction) {
    code({0xf3, 0xaa, 0x0f, 0xa2});  // rep stosb; cpuid
    gprs.set(Gpr::RCX, 3);
    gprs.set(Gpr::RDI, 0x300000);
    for (const uint64_t left : {2u, 1u}) {
        expect_trap_at(kCode);
        EXPECT_EQ(gprs.get(Gpr::RCX), left);
        EXPECT_TRUE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0) << "between iterations";
    }
    expect_trap_at(kCode + 2);
    EXPECT_EQ(gprs.get(Gpr::RCX), 0);
    EXPECT_FALSE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(MonitorTrap, AnEmptyRepetitionIsOneInstruction) {
    code({0xf3, 0xaa, 0x0f, 0xa2});
    gprs.set(Gpr::RCX, 0);
    expect_trap_at(kCode + 2);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(MonitorTrap, ExitsAfterEachIterationOfStringOutputThatDoesNotExit) {
    primary_without(PrimaryControls::UNCONDITIONAL_IO_EXITING);
    code({0xf3, 0x6e, 0x0f, 0xa2});  // rep outsb
    gprs.set(Gpr::RCX, 2);
    gprs.set(Gpr::RSI, 0x300000);
    expect_trap_at(kCode);
    EXPECT_EQ(gprs.get(Gpr::RCX), 1);
    expect_trap_at(kCode + 2);
}

TEST_F(MonitorTrap, ExitsBeforeTheHandlersFirstInstructionAfterAnInjection) {
    allow_interrupts();
    inject(EventInfo::external_interrupt(0x41));
    expect_trap_at(handler(0x41));
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode);
}

TEST_F(MonitorTrap, ExitsAfterTheDeliveryOfAFault) {
    code({0x0f, 0x0b});  // ud2
    expect_trap_at(handler(6));
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode);
}

TEST_F(MonitorTrap, ExitsAfterTheDeliveryOfANestedFaultOnly) {
    put<uint64_t>(kIdt + uint64_t{0x41} * 16, 0);  // no gate: #GP
    allow_interrupts();
    inject(EventInfo::external_interrupt(0x41));
    expect_trap_at(handler(13));
}

TEST_F(MonitorTrap, ExitsAfterTheDeliveryOfABreakpoint) {
    code({0xcc});
    expect_trap_at(handler(3));
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode + 1);
}

TEST_F(MonitorTrap, AnotherExitTakesItsPlace) {
    write(F::EXCEPTION_BITMAP, 1u << 6);
    code({0x0f, 0x0b});
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(MonitorTrap, ExitsAfterTheDeliveryOfAnInterruptThatCameBeforeAnInstruction) {
    pin(0);
    allow_interrupts();
    hw->raise_interrupt(0x50);
    expect_trap_at(handler(0x50));
}

TEST_F(MonitorTrap, AnNmiIsDeliveredAndNothingElseBeforeTheExit) {
    pin(0);
    allow_interrupts();
    hw->raise_nmi();
    hw->raise_interrupt(0x50);
    put<uint8_t>(handler(2), 0xfb);  // sti
    expect_trap_at(handler(2));
    EXPECT_TRUE((read(F::GUEST_INTERRUPTIBILITY_STATE) & x86::interruptibility::BLOCKING_BY_NMI) != 0);
    expect_trap_at(handler(2) + 1);
}

TEST_F(MonitorTrap, ComesBeforeTheSingleStepTrapWhichStaysPending) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    code({0x90, 0x90});
    expect_trap_at(kCode + 1);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
    // "a pending event is delivered before an instruction": the exit follows its delivery
    expect_trap_at(handler(1));
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), 0);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode + 1);
}

TEST_F(MonitorTrap, ComesBeforeExternalInterruptsAndThePreemptionTimer) {
    pin(PinControls::EXTERNAL_INTERRUPT_EXITING | PinControls::NMI_EXITING |
        PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 0);
    hw->raise_interrupt(0x50);
    hw->raise_nmi();
    inject_pending_exit();
    expect_trap_at(kCode);
    EXPECT_EQ(run(), Reason::PREEMPTION_TIMER);
}

TEST_F(MonitorTrap, InitComesBeforeIt) {
    pin(0);
    code({0x90});
    inject_pending_exit();
    hw->request_exit();
    EXPECT_EQ(run(), Reason::INIT_SIGNAL);
}

TEST_F(MonitorTrap, ExitsInTheHltState) {
    primary_without(PrimaryControls::HLT_EXITING);
    code({0xf4});
    expect_trap_at(kCode + 1);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), static_cast<uint32_t>(x86::ActivityState::HLT));
}

TEST_F(MonitorTrap, ExitsInTheShadowOfMovSs) {
    code({0x8e, 0xd0, 0x90, 0x0f, 0xa2});  // mov ss, eax (16); nop
    gprs.set(Gpr::RAX, 0x10);
    expect_trap_at(kCode + 2);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), x86::interruptibility::BLOCKING_BY_MOV_SS);
    expect_trap_at(kCode + 3);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
}

TEST_F(MonitorTrap, TheShadowOfMovSsHoldsTheSingleStepAndEntryTakesItBack) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    code({0x8e, 0xd0, 0x90, 0x0f, 0xa2});
    gprs.set(Gpr::RAX, 0x10);
    expect_trap_at(kCode + 2);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
    expect_trap_at(kCode + 3);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
    expect_trap_at(handler(1));
}

// ------------------------------------------------------------------------------- pending exits, injected

TEST_F(MonitorTrap, AnInjectedExitComesBeforeTheFirstInstructionWhateverTheControl) {
    primary_without(kMonitored);
    code({0x0f, 0xa2});
    inject_pending_exit();
    expect_trap_at(kCode);
    EXPECT_EQ(read(F::VM_ENTRY_INTERRUPTION_INFORMATION) & EventInfo::kValid, 0);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(MonitorTrap, AnInjectedExitLeavesPendingDebugExceptionsAlone) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    write(F::GUEST_PENDING_DEBUG_EXCEPTIONS, x86::pending_debug::BS);
    inject_pending_exit();
    expect_trap_at(kCode);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
}

TEST_F(MonitorTrap, AnInjectedExitWakesFromHlt) {
    write(F::GUEST_ACTIVITY_STATE, static_cast<uint32_t>(x86::ActivityState::HLT));
    inject_pending_exit();
    expect_trap_at(kCode);
}

TEST_F(MonitorTrap, OtherEventsHaveVectorZeroAndNoErrorCode) {
    for (const EventInfo info :
         {EventInfo::make(EventType::OTHER, 1), EventInfo::make(EventType::OTHER, 0, true)}) {
        inject(info);
        EXPECT_EQ(hw->vmlaunch(gprs),
                  x86::VmxStatus::fail_valid(x86::VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS));
    }
}

}  // namespace
}  // namespace vtless::sim
