// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Vector;
namespace blocking = x86::interruptibility;

void enable_interrupts(Machine& machine) { machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::IF; }

const FakeHw::Entry& entry_after(Machine& machine) {
    machine.hw.exit_with(ExitReason::INTERRUPT_WINDOW);
    machine.run();
    return machine.hw.entries.back();
}

TEST(VmxInject, InterruptIsTakenAtTheNextEntry) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0x30));
    EXPECT_FALSE(entry_after(machine).event.valid());
    EXPECT_FALSE(machine.vcpu().has_waiting_events());
}

// A PIC in real mode signals IRQ 0 as vector 8; upstream would inject a double fault.
TEST(VmxInject, LowVectorsAreInterruptsToo) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(8));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(8));
}

TEST(VmxInject, VectorZeroIsAllowedAndVectorsBeyond255AreRefused) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0));
    const auto refused = machine.vcpu().inject_interrupt(0x130);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), VCpuError::of(VCpuErrc::InvalidInput, 0x130));
    EXPECT_FALSE(machine.vcpu().has_waiting_events());
}

TEST(VmxInject, BlockedInterruptAsksForAWindowAndClosesIt) {
    Machine machine;
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    const auto blocked = entry_after(machine);
    EXPECT_FALSE(blocked.event.valid());
    EXPECT_TRUE(blocked.interrupt_window);
    enable_interrupts(machine);
    const auto taken = entry_after(machine);
    EXPECT_EQ(taken.event, EventInfo::external_interrupt(0x30));
    EXPECT_FALSE(taken.interrupt_window);
}

// Upstream injects one event and leaves the second until an unrelated exit.
TEST(VmxInject, SecondInterruptKeepsTheWindowOpen) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x31));
    const auto first = entry_after(machine);
    EXPECT_EQ(first.event, EventInfo::external_interrupt(0x31));
    EXPECT_TRUE(first.interrupt_window);
    const auto second = entry_after(machine);
    EXPECT_EQ(second.event, EventInfo::external_interrupt(0x30));
    EXPECT_FALSE(second.interrupt_window);
}

TEST(VmxInject, ExceptionPassesABlockedInterrupt) {
    Machine machine;
    machine.field(VmcsField::GUEST_CR0) |= x86::cr0::PE;
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    ASSERT_TRUE(machine.vcpu().inject_exception(Vector::GP, 0x18));
    const auto entry = entry_after(machine);
    EXPECT_EQ(entry.event, EventInfo::exception(Vector::GP));
    EXPECT_EQ(entry.error_code, 0x18u);
    EXPECT_TRUE(entry.interrupt_window);
}

TEST(VmxInject, ErrorCodeIsLeftOutInRealMode) {
    Machine machine;
    ASSERT_TRUE(machine.vcpu().inject_exception(Vector::GP, 0));
    EXPECT_EQ(entry_after(machine).event, EventInfo::make(EventType::HARDWARE_EXCEPTION, 13));
}

TEST(VmxInject, PageFaultSetsCr2) {
    Machine machine;
    machine.enter_long_mode();
    ASSERT_TRUE(machine.vcpu().inject_page_fault(Gva(0xdead000), x86::page_fault::WR));
    const auto entry = entry_after(machine);
    EXPECT_EQ(entry.event, EventInfo::exception(Vector::PF));
    EXPECT_EQ(entry.error_code, x86::page_fault::WR);
    EXPECT_EQ(entry.cr2, 0xdead000u);
}

TEST(VmxInject, NmiWaitsForItsWindow) {
    Machine machine;
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_NMI;
    machine.vcpu().inject_nmi();
    const auto blocked = entry_after(machine);
    EXPECT_FALSE(blocked.event.valid());
    EXPECT_TRUE(blocked.nmi_window);
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = 0;
    machine.hw.exit_with(ExitReason::NMI_WINDOW);
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(machine.hw.entries.back().event, EventInfo::nmi());
    EXPECT_FALSE(machine.hw.entries.back().nmi_window);
}

TEST(VmxInject, QueueEventTypesByVector) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().queue_event(2));
    ASSERT_TRUE(machine.vcpu().queue_event(0));
    ASSERT_TRUE(machine.vcpu().queue_event(0x20));
    EXPECT_EQ(entry_after(machine).event, EventInfo::exception(Vector::DE));
    EXPECT_EQ(entry_after(machine).event, EventInfo::nmi());
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0x20));
}

TEST(VmxInject, FullQueueRefusesAnException) {
    Machine machine;
    for (size_t i = 0; i < vmx::EventQueue::kExceptions; ++i)
        ASSERT_TRUE(machine.vcpu().inject_exception(Vector::UD));
    const auto refused = machine.vcpu().inject_exception(Vector::UD);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, VCpuErrc::ResourceBusy);
}

TEST(VmxInject, TheShadowOfAnEmulatedInstructionEndsWithoutAnyEventToo) {
    Machine machine;
    uint64_t& state = machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE);
    state = blocking::BLOCKING_BY_MOV_SS | blocking::BLOCKING_BY_NMI;
    machine.run_exit(ExitReason::EXTERNAL_INTERRUPT);
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(state, blocking::BLOCKING_BY_MOV_SS | blocking::BLOCKING_BY_NMI);
    machine.run_exit(ExitReason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(state, blocking::BLOCKING_BY_NMI);
}

// STI; HLT; CLI: the interrupt must be taken right after HLT.
TEST(VmxInject, ShadowOfStiEndsWithTheEmulatedInstruction) {
    Machine machine;
    enable_interrupts(machine);
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_STI;
    machine.run_exit(ExitReason::HLT, 0, 1);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0x30));
    EXPECT_EQ(machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE), 0u);
}

TEST(VmxInject, ShadowOfStiHoldsWhenNothingWasEmulated) {
    Machine machine;
    enable_interrupts(machine);
    machine.hw.on_entry([](FakeHw& hw) {
        hw.set_exit(1);
        hw.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_STI;
    });
    machine.run();
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    const auto entry = entry_after(machine);
    EXPECT_FALSE(entry.event.valid());
    EXPECT_TRUE(entry.interrupt_window);
}

TEST(VmxInject, EmbeddersWindowStaysUntilItIsCancelled) {
    Machine machine;
    EXPECT_FALSE(machine.vcpu().can_take_interrupt());
    ASSERT_TRUE(machine.vcpu().request_interrupt_window());
    EXPECT_TRUE(entry_after(machine).interrupt_window);
    ASSERT_TRUE(machine.vcpu().inject_exception(Vector::UD));
    EXPECT_FALSE(machine.vcpu().can_take_interrupt());
    EXPECT_TRUE(entry_after(machine).interrupt_window);
    enable_interrupts(machine);
    EXPECT_TRUE(machine.vcpu().can_take_interrupt());
    ASSERT_TRUE(machine.vcpu().cancel_interrupt_window());
    EXPECT_FALSE(entry_after(machine).interrupt_window);
}

TEST(VmxInject, ShadowKeepsAnInterruptOffUntilItsInstructionIsEmulated) {
    Machine machine;
    enable_interrupts(machine);
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_STI;
    EXPECT_FALSE(machine.vcpu().can_take_interrupt());
    machine.run_exit(ExitReason::HLT, 0, 1);
    EXPECT_TRUE(machine.vcpu().can_take_interrupt());
}

// An EPT violation while an event was being delivered.
void exit_during_delivery(Machine& machine, EventInfo event, uint32_t error_code = 0, uint64_t length = 0) {
    machine.hw.on_entry([=](FakeHw& hw) {
        hw.set_exit(48, x86::EptViolationQualification::WRITE, length);
        hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = 0x200000;
        hw.field(VmcsField::IDT_VECTORING_INFORMATION) = event.raw;
        hw.field(VmcsField::IDT_VECTORING_ERROR_CODE) = error_code;
    });
    EXPECT_TRUE(machine.run().is<VmExit::NestedPageFault>());
}

TEST(VmxInject, InterruptedInterruptIsInjectedAgainBeforeOthers) {
    Machine machine;
    enable_interrupts(machine);
    exit_during_delivery(machine, EventInfo::external_interrupt(0x30));
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0xf0));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0x30));
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0xf0));
}

TEST(VmxInject, InterruptedExceptionKeepsItsErrorCode) {
    Machine machine;
    machine.enter_long_mode();
    exit_during_delivery(machine, EventInfo::exception(Vector::PF), 0x17);
    const auto entry = entry_after(machine);
    EXPECT_EQ(entry.event, EventInfo::exception(Vector::PF));
    EXPECT_EQ(entry.error_code, 0x17u);
}

TEST(VmxInject, InterruptedSoftwareInterruptKeepsItsLength) {
    Machine machine;
    const EventInfo event = EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80);
    // Bit 12 is undefined in IDT-vectoring information and reserved at VM entry.
    exit_during_delivery(machine, {event.raw | 1u << 12}, 0, 2);
    const auto entry = entry_after(machine);
    EXPECT_EQ(entry.event, event);
    EXPECT_EQ(entry.instruction_length, 2u);
}

TEST(VmxInject, InterruptedNmiUnblocksItself) {
    Machine machine;
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_NMI;
    exit_during_delivery(machine, EventInfo::nmi());
    EXPECT_EQ(entry_after(machine).event, EventInfo::nmi());
}

TEST(VmxInject, EventOfAFailedEntryIsNotLost) {
    Machine machine;
    enable_interrupts(machine);
    ASSERT_TRUE(machine.vcpu().inject_interrupt(0x30));
    machine.hw.fail_entry(x86::VmxStatus::fail_valid(x86::VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS));
    EXPECT_TRUE(machine.run().is<VmExit::FailEntry>());
    EXPECT_EQ(entry_after(machine).event, EventInfo::external_interrupt(0x30));
}

TEST(VmxInject, WithoutVirtualNmisTheInterruptWindowServes) {
    FakeHw probe;
    Machine machine;
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.msrs[x86::Msr::IA32_VMX_TRUE_PINBASED_CTLS] &=
        ~(uint64_t{x86::PinControls::VIRTUAL_NMIS} << 32);
    ASSERT_TRUE(machine.vcpu().setup({}));
    ASSERT_TRUE(machine.vcpu().bind());
    machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE) = blocking::BLOCKING_BY_NMI;
    machine.vcpu().inject_nmi();
    const auto entry = entry_after(machine);
    EXPECT_FALSE(entry.nmi_window);
    EXPECT_TRUE(entry.interrupt_window);
}

}  // namespace
}  // namespace vtless::test
