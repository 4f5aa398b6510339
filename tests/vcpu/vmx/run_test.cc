// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using vmx::EntryFailure;
using x86::rflags::TF;

TEST(VmxRun, LaunchesFirstAndResumesAfterwards) {
    Machine machine;
    machine.run_exit(ExitReason::HLT);
    machine.run_exit(ExitReason::HLT);
    ASSERT_EQ(machine.hw.entries.size(), 2u);
    EXPECT_TRUE(machine.hw.entries[0].launch);
    EXPECT_FALSE(machine.hw.entries[1].launch);
}

TEST(VmxRun, LaunchesAgainAfterUnbindAndBind) {
    Machine machine;
    machine.run_exit(ExitReason::HLT);
    ASSERT_TRUE(machine.vcpu().unbind());
    ASSERT_TRUE(machine.vcpu().bind());
    machine.run_exit(ExitReason::HLT);
    EXPECT_TRUE(machine.hw.entries[1].launch);
}

TEST(VmxRun, IsAnErrorWhileUnbound) {
    Machine machine;
    ASSERT_TRUE(machine.vcpu().unbind());
    const auto exit = machine.vcpu().run();
    ASSERT_FALSE(exit);
    EXPECT_EQ(vmx::FailureDetail::decode(exit.error().detail).what, vmx::Failure::NotBound);
}

TEST(VmxRun, HltIsHaltWithRipAdvanced) {
    Machine machine;
    EXPECT_TRUE(machine.run_exit(ExitReason::HLT, 0, 1).is<VmExit::Halt>());
    EXPECT_EQ(machine.rip(), 0x7c01u);
}

TEST(VmxRun, HypercallPassesRaxAndSixRegisters) {
    Machine machine;
    for (uint64_t i = 0; i < 16; ++i) machine.set_gpr(static_cast<Gpr>(i), 0x1000 + i);
    const VmExit exit = machine.run_exit(ExitReason::VMCALL, 0, 3);
    EXPECT_EQ(exit, VmExit(VmExit::Hypercall{0x1000, {0x1007, 0x1006, 0x1002, 0x1001, 0x1008, 0x1009}}));
    EXPECT_EQ(machine.rip(), 0x7c03u);
    machine.vcpu().set_return_value(~uint64_t{0});
    EXPECT_EQ(machine.gpr(Gpr::RAX), ~uint64_t{0});
}

TEST(VmxRun, ExternalInterruptCarriesTheAcknowledgedVector) {
    Machine machine;
    machine.hw.on_entry([](FakeHw& hw) {
        hw.set_exit(1);
        hw.field(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION) = x86::EventInfo::external_interrupt(0x31).raw;
    });
    EXPECT_EQ(machine.run(), VmExit(VmExit::ExternalInterrupt{0x31}));
    EXPECT_EQ(machine.rip(), 0x7c00u);
}

// Upstream returns Halt: a triple fault could not be told from HLT.
TEST(VmxRun, TripleFaultIsUnhandledWithItsReason) {
    Machine machine;
    EXPECT_EQ(machine.run_exit(ExitReason::TRIPLE_FAULT), VmExit(VmExit::Unhandled{2, 0}));
}

TEST(VmxRun, ReasonsWithoutAHandlerAreUnhandledAndNeverPanic) {
    for (uint32_t reason : {3u, 4u, 9u, 35u, 37u, 38u, 42u, 45u, 71u, 80u, 0xffffu}) {
        Machine machine;
        machine.hw.on_entry([=](FakeHw& hw) { hw.set_exit(reason, 0x55); });
        EXPECT_EQ(machine.run(), VmExit(VmExit::Unhandled{reason, 0x55})) << reason;
        EXPECT_EQ(machine.rip(), 0x7c00u);
    }
}

TEST(VmxRun, InstructionsThatTheGuestIsNotOfferedRaiseUndefinedOpcode) {
    for (ExitReason reason :
         {ExitReason::GETSEC, ExitReason::VMCLEAR, ExitReason::VMLAUNCH, ExitReason::VMPTRLD,
          ExitReason::VMPTRST, ExitReason::VMREAD, ExitReason::VMRESUME, ExitReason::VMWRITE,
          ExitReason::VMXOFF, ExitReason::VMXON, ExitReason::INVEPT, ExitReason::INVVPID, ExitReason::VMFUNC,
          ExitReason::MWAIT, ExitReason::MONITOR}) {
        Machine machine;
        EXPECT_TRUE(machine.run_exit(reason).is<VmExit::Nothing>());
        EXPECT_EQ(machine.next_injection(), x86::EventInfo::exception(x86::Vector::UD)) << x86::name(reason);
        EXPECT_EQ(machine.rip(), 0x7c00u);
    }
}

TEST(VmxRun, CacheInvalidationsAreSkipped) {
    for (ExitReason reason : {ExitReason::INVD, ExitReason::WBINVD}) {
        Machine machine;
        EXPECT_TRUE(machine.run_exit(reason).is<VmExit::Nothing>());
        EXPECT_EQ(machine.rip(), 0x7c02u);
    }
}

// Upstream panics; and its FailEntry always says 0.
TEST(VmxRun, AnEntryThatDoesNotBeginIsFailEntryWithTheErrorNumber) {
    Machine machine;
    machine.hw.fail_entry(x86::VmxStatus::fail_valid(x86::VmInstructionError::ENTRY_INVALID_HOST_STATE));
    const VmExit exit = machine.run();
    ASSERT_TRUE(exit.is<VmExit::FailEntry>());
    const EntryFailure failure{exit.get<VmExit::FailEntry>().hardware_entry_failure_reason};
    EXPECT_FALSE(failure.began());
    EXPECT_EQ(failure.error(), x86::VmInstructionError::ENTRY_INVALID_HOST_STATE);
    machine.hw.fail_entry(x86::VmxStatus::fail_invalid());
    EXPECT_EQ(machine.run(), VmExit(VmExit::FailEntry{EntryFailure::kVmFailInvalid}));
}

TEST(VmxRun, AnEntryThatIsGivenUpIsFailEntryWithReasonAndQualification) {
    for (uint32_t reason : {33u, 34u, 41u}) {
        Machine machine;
        machine.hw.on_entry(
            [=](FakeHw& hw) { hw.set_exit(reason | x86::ExitReasonField::kEntryFailure, 4); });
        const VmExit exit = machine.run();
        ASSERT_TRUE(exit.is<VmExit::FailEntry>());
        const EntryFailure failure{exit.get<VmExit::FailEntry>().hardware_entry_failure_reason};
        EXPECT_TRUE(failure.began());
        EXPECT_EQ(failure.reason().raw, reason | x86::ExitReasonField::kEntryFailure);
        EXPECT_EQ(failure.qualification(), 4u);
        // The launch state did not change: the next entry is a launch again.
        machine.run_exit(ExitReason::HLT);
        EXPECT_TRUE(machine.hw.entries.back().launch);
    }
}

TEST(VmxRun, FaultOfTheInstructionItselfIsAnError) {
    Machine machine;
    machine.hw.in_vmx = false;
    const auto exit = machine.vcpu().run();
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().code, VCpuErrc::Backend);
    EXPECT_EQ(vmx::FailureDetail::decode(exit.error().detail).what, vmx::Failure::Instruction);
    machine.hw.in_vmx = true;
}

TEST(VmxRun, RefusedVmcsAccessIsAnErrorThatNamesTheField) {
    Machine machine;
    machine.hw.refused_field = VmcsField::GUEST_RIP;
    machine.hw.exit_with(ExitReason::HLT);
    const auto exit = machine.vcpu().run();
    ASSERT_FALSE(exit);
    const auto detail = vmx::FailureDetail::decode(exit.error().detail);
    EXPECT_EQ(detail.what, vmx::Failure::VmcsAccess);
    EXPECT_EQ(detail.value, x86::encoding(VmcsField::GUEST_RIP));
}

TEST(VmxRun, RawExitHasEveryExitField) {
    Machine machine;
    machine.hw.on_entry([](FakeHw& hw) {
        hw.set_exit(9, 0x11, 5);
        hw.field(VmcsField::GUEST_LINEAR_ADDRESS) = 0x22;
        hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = 0x33;
        hw.field(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION) = 0x44;
        hw.field(VmcsField::VM_EXIT_INTERRUPTION_ERROR_CODE) = 0x55;
        hw.field(VmcsField::IDT_VECTORING_ERROR_CODE) = 0x66;
        hw.field(VmcsField::VM_EXIT_INSTRUCTION_INFORMATION) = 0x77;
        hw.field(VmcsField::VM_INSTRUCTION_ERROR) = 0x88;
    });
    machine.run();
    const vmx::RawVmxExit raw = machine.vcpu().raw_exit();
    EXPECT_EQ(raw.exit_reason.raw, 9u);
    EXPECT_EQ(raw.exit_qualification, 0x11u);
    EXPECT_EQ(raw.guest_linear_address, 0x22u);
    EXPECT_EQ(raw.guest_physical_address, 0x33u);
    EXPECT_EQ(raw.interruption_information.raw, 0x44u);
    EXPECT_EQ(raw.interruption_error_code, 0x55u);
    EXPECT_EQ(raw.idt_vectoring_information.raw, 0u);
    EXPECT_EQ(raw.idt_vectoring_error_code, 0x66u);
    EXPECT_EQ(raw.instruction_length, 5u);
    EXPECT_EQ(raw.instruction_information, 0x77u);
    EXPECT_EQ(raw.vm_instruction_error, 0x88u);
}

struct Cost {
    unsigned vmreads, vmwrites, gets, sets;
    friend bool operator==(const Cost&, const Cost&) = default;
};

Cost cost_of_cpuid(const SetupConfig& config) {
    Machine machine(config);
    machine.run_exit(ExitReason::CPUID);
    machine.hw.exit_with(ExitReason::CPUID);
    machine.hw.vmreads = machine.hw.vmwrites = FakeHw::Gprs::gets = FakeHw::Gprs::sets = 0;
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    return {machine.hw.vmreads, machine.hw.vmwrites, FakeHw::Gprs::gets, FakeHw::Gprs::sets};
}

TEST(VmxRun, CpuidExitTouchesReasonLengthRipFlagsAndShadowOnly) {
    EXPECT_EQ(cost_of_cpuid({}), (Cost{5, 1, 2, 4}));
    SetupConfig config;
    config.emulate_single_step = false;
    EXPECT_EQ(cost_of_cpuid(config), (Cost{4, 1, 2, 4}));
}

TEST(VmxRun, ReentersHandledExitsUpToTheBound) {
    SetupConfig config;
    config.max_reentries = 2;
    Machine machine(config);
    for (int i = 0; i < 4; ++i) machine.hw.exit_with(ExitReason::CPUID);
    machine.hw.exit_with(ExitReason::HLT);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.hw.entries.size(), 3u);
    EXPECT_TRUE(machine.run().is<VmExit::Halt>());
    EXPECT_EQ(machine.hw.entries.size(), 5u);
}

TEST(VmxRun, EmulatedInstructionUnderTrapFlagLeavesASingleStepPending) {
    Machine machine;
    machine.field(VmcsField::GUEST_RFLAGS) |= TF;
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = x86::interruptibility::BLOCKING_BY_MOV_SS;
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.field(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
    EXPECT_EQ(machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE), 0u);
}

TEST(VmxRun, BranchSteppingIsNotTriggeredByAnEmulatedInstruction) {
    Machine machine;
    machine.field(VmcsField::GUEST_RFLAGS) |= TF;
    machine.field(VmcsField::GUEST_IA32_DEBUGCTL) = x86::debugctl::BTF;
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.field(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS), 0u);
}

TEST(VmxRun, EmulatedInstructionEndsResumeFlag) {
    Machine machine;
    machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::RF;
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.field(VmcsField::GUEST_RFLAGS), x86::rflags::kFixed1);
}

TEST(VmxRun, RipWrapsAt4GiBOutside64BitMode) {
    Machine machine;
    machine.field(VmcsField::GUEST_RIP) = 0xffffffff;
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.rip(), 1u);
    machine.enter_long_mode();
    machine.field(VmcsField::GUEST_RIP) = 0xffffffff;
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.rip(), 0x100000001u);
}

TEST(VmxRun, PreemptionTimerIsReloaded) {
    SetupConfig config;
    config.preemption_timer = {1000, false};
    Machine machine(config);
    const x86::PinControls pin{
        {static_cast<uint32_t>(machine.field(VmcsField::PIN_BASED_VM_EXECUTION_CONTROLS))}};
    EXPECT_TRUE(pin.has(x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER));
    machine.field(VmcsField::VMX_PREEMPTION_TIMER_VALUE) = 0;
    EXPECT_TRUE(machine.run_exit(ExitReason::PREEMPTION_TIMER).is<VmExit::Nothing>());
    EXPECT_EQ(machine.field(VmcsField::VMX_PREEMPTION_TIMER_VALUE), 1000u);
}

TEST(VmxRun, PreemptionTimerIsReportedWhenAsked) {
    SetupConfig config;
    config.preemption_timer = {1000, true};
    Machine machine(config);
    EXPECT_TRUE(machine.run_exit(ExitReason::PREEMPTION_TIMER).is<VmExit::PreemptionTimer>());
}

}  // namespace
}  // namespace vtless::test
