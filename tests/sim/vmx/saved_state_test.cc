// SPDX-License-Identifier: MIT
// What of the guest's state a VM exit saves: RFLAGS.RF, activity, interruptibility.
// SDM Vol. 3C "Architectural State Before a VM Exit" (28.1), "Saving RIP, RSP, RFLAGS, and SSP" (28.3.3),
// "Saving Non-Register State" (28.3.4).
#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Vector;
using x86::interruptibility::BLOCKING_BY_MOV_SS;
using x86::interruptibility::BLOCKING_BY_STI;

class SavedState : public GuestFixture {
  protected:
    static constexpr uint64_t kNowhere = 0x10000000;  // linear; guest-physical memory that EPT does not map

    SavedState() { put<uint64_t>(0x12000 + (kNowhere >> 21) * 8, kUnbacked | 0x87); }

    bool resume_flag() { return (read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0; }
    void preempt_after(uint64_t ticks) {
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
              capability::kPin.adjust({{x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
        write(F::VMX_PREEMPTION_TIMER_VALUE, ticks);
    }
};

TEST_F(SavedState, AnEptViolationSavesRfWhichLastsUntilAnInstructionHasRun) {
    code({0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0x10, 0x90, 0x0f, 0xa2});  // mov [kNowhere], rax; nop; cpuid
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_TRUE(resume_flag());
    write(F::GUEST_RIP, kCode + 8);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, RfThatWasLoadedIsPushedByAnEventThatComesFirst) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF | x86::rflags::RF);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::external_interrupt(0x30).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP) + 16), 2 | x86::rflags::IF | x86::rflags::RF);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, ExitsBetweenInstructionsSaveRfAsItWas) {
    preempt_after(0);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::RF);
    code({0x90, 0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_TRUE(resume_flag());
    preempt_after(1000);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, RfIsSetBetweenTheIterationsOfARepeatedInstruction) {
    preempt_after(100);
    code({0xf3, 0xaa, 0x0f, 0xa2});  // rep stosb; cpuid
    gprs.set(x86::Gpr::RCX, 0x1000);
    gprs.set(x86::Gpr::RDI, 0x300000);
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    ASSERT_EQ(read(F::GUEST_RIP), kCode);
    ASSERT_NE(gprs.get(x86::Gpr::RCX), 0x1000);
    EXPECT_TRUE(resume_flag());
    preempt_after(100000);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, TheTrapBetweenIterationsPushesRf) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    code({0xf3, 0xaa, 0x0f, 0xa2});
    gprs.set(x86::Gpr::RCX, 2);
    gprs.set(x86::Gpr::RDI, 0x300000);
    write(F::EXCEPTION_BITMAP, 1u << 1);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_TRUE(resume_flag());
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, InstructionsThatExitSaveRfAs0) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::RF);
    code({0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, InterceptedFaultsSaveRfAndTrapsDoNot) {
    write(F::EXCEPTION_BITMAP, 1u << 6 | 1u << 3);
    code({0xcc, 0x0f, 0x0b});  // int3; ud2
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_FALSE(resume_flag());
    ASSERT_EQ(skip(), Reason::EXCEPTION_OR_NMI);
    EXPECT_TRUE(resume_flag());
}

TEST_F(SavedState, AnExitDuringDeliverySavesRfAsDeliveryWouldHave) {
    write(F::GUEST_IDTR_BASE, kNowhere);
    code({0x0f, 0x0b, 0xcd, 0x30});  // ud2; int 0x30
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), EventInfo::exception(Vector::UD).raw);
    EXPECT_TRUE(resume_flag());
    write(F::GUEST_RFLAGS, 2);
    write(F::GUEST_RIP, kCode + 2);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x30).raw);
    EXPECT_FALSE(resume_flag());
}

TEST_F(SavedState, AnEventThatIsBeingDeliveredHasWokenTheGuest) {
    write(F::GUEST_ACTIVITY_STATE, static_cast<uint32_t>(x86::ActivityState::HLT));
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    write(F::GUEST_IDTR_BASE, kNowhere);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::external_interrupt(0x30).raw);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), static_cast<uint32_t>(x86::ActivityState::ACTIVE));
}

TEST_F(SavedState, DeliveryHasEndedTheShadowThatADirectExitSaves) {
    write(F::EXCEPTION_BITMAP, 1u << 6);
    code({0xfb, 0x0f, 0x0b});  // sti; ud2
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), BLOCKING_BY_STI);
    write(F::EXCEPTION_BITMAP, 0);
    write(F::GUEST_IDTR_BASE, kNowhere);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
}

TEST_F(SavedState, FaultingAccessesAndPortsKeepTheShadow) {
    // mov ss, eax; mov [kNowhere], rax; mov ss, eax; out 0x10, al
    code({0x8e, 0xd0, 0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0x10, 0x8e, 0xd0, 0xe6, 0x10});
    gprs.set(x86::Gpr::RAX, 0x10);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), BLOCKING_BY_MOV_SS);
    write(F::GUEST_INTERRUPTIBILITY_STATE, 0);
    write(F::GUEST_RIP, kCode + 10);
    ASSERT_EQ(run(), Reason::IO_INSTRUCTION);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), BLOCKING_BY_MOV_SS);
}

TEST_F(SavedState, IretThatFaultsReportsThatItHasUnblockedNmis) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::NMI_EXITING | x86::PinControls::VIRTUAL_NMIS}}).raw);
    write(F::EXCEPTION_BITMAP, 1u << 13);
    write(F::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_NMI);
    code({0x48, 0xcf});  // iretq, to selector 0
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION),
              EventInfo::exception(Vector::GP).raw | EventInfo::kNmiUnblocking);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
    write(F::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_NMI);
    write(F::GUEST_RSP, kNowhere);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_TRUE(x86::EptViolationQualification::decode(read(F::EXIT_QUALIFICATION)).nmi_unblocking());
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
}

}  // namespace
}  // namespace vtless::sim
