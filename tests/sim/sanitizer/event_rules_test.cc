// SPDX-License-Identifier: MIT
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Vector;

class EventRules : public SanitizerFixture {
  protected:
    static constexpr EventInfo kFirst = EventInfo::external_interrupt(0x40);
    static constexpr EventInfo kSecond = EventInfo::external_interrupt(0x41);

    EventRules() {
        code({0xfb, 0x90, 0x0f, 0xa2, 0xeb, 0xfa});  // sti; nop; cpuid; jmp to sti
        for (const uint64_t vector : {0x0d, 0x08, 0x01, 0x06, 0x40, 0x41})
            code({0x0f, 0xa2, 0x90, 0x48, 0xcf}, kHandlers + vector * 16);  // cpuid; nop; iretq
        put<uint64_t>(values.gdt + 0x10, 0x00cf93000000ffff);
    }
    void allow_interrupts() { write(F::GUEST_RFLAGS, 0x202); }

    // Delivers `event` while EPT hides the stack: the exit interrupts the delivery.
    void interrupt_delivery_of(EventInfo event) {
        EXPECT_EQ(run(), Reason::CPUID);
        write(F::GUEST_RSP, kUnbacked + 0x1000);
        inject(event);
        write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
        if (event.is_software()) write(F::VM_ENTRY_INSTRUCTION_LENGTH, 2);
        allow_interrupts();
        EXPECT_EQ(run(), Reason::EPT_VIOLATION);
        EXPECT_TRUE(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.valid());
        write(F::GUEST_RSP, kStack);
        allow_interrupts();
    }
};

TEST_F(EventRules, AnEventThatReplacesAnother) {
    inject(kFirst);
    inject(kSecond);
    ASSERT_TRUE(only("event.overwritten"));
    EXPECT_TRUE(mentions("The interrupt 0x40 was replaced by the interrupt 0x41.")) << details();
}

TEST_F(EventRules, AnEventAfterTheOneBeforeWasDelivered) {
    allow_interrupts();
    inject(kFirst);
    EXPECT_EQ(run(), Reason::CPUID);
    allow_interrupts();
    inject(kSecond);
}

TEST_F(EventRules, TheSameEventAgainOrNoneIsNoReplacement) {
    inject(kFirst);
    inject(kFirst);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, 0);
    inject(kSecond);
}

TEST_F(EventRules, ADoubleFaultMayReplaceTheFirstException) {
    inject(EventInfo::exception(Vector::GP));
    inject(EventInfo::exception(Vector::DF));
}

TEST_F(EventRules, AnEntryThatFailsDeliversNothing) {
    inject(kFirst);  // RFLAGS.IF is 0
    (void)hw->vmlaunch(gprs);
    inject(kSecond);
    EXPECT_TRUE(only("event.overwritten"));
}

TEST_F(EventRules, AnInterruptThatAnExitCutShortIsForgotten) {
    interrupt_delivery_of(kFirst);
    EXPECT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(only("event.vectoring-ignored"));
    EXPECT_TRUE(mentions("The interrupt 0x40 was lost; the entry injected nothing.")) << details();
    EXPECT_EQ(sanitizer.findings()[0].site.exits, 2u);
}

TEST_F(EventRules, AnotherEventInItsPlace) {
    interrupt_delivery_of(kFirst);
    inject(kSecond);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_TRUE(only("event.vectoring-ignored"));
}

TEST_F(EventRules, ItIsInjectedAgain) {
    interrupt_delivery_of(kFirst);
    inject(kFirst);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(EventRules, ItWaitsForAWindow) {
    interrupt_delivery_of(kFirst);
    inject(EventInfo::exception(Vector::GP));
    write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
    set_primary(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(EventRules, AFaultComesAgainByItself) {
    interrupt_delivery_of(EventInfo::exception(Vector::GP));
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(EventRules, ATrapDoesNotComeAgain) {
    interrupt_delivery_of(EventInfo::exception(Vector::DB));
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_TRUE(only("event.vectoring-ignored"));
}

TEST_F(EventRules, ASoftwareInterruptThatIsSteppedOver) {
    interrupt_delivery_of(EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x40));
    write(F::GUEST_RIP, kCode);
    write(F::GUEST_RIP, read(F::GUEST_RIP) + 1);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_TRUE(only("event.vectoring-ignored"));
}

TEST_F(EventRules, AnInterruptThatWaitsNeedsAWindow) {
    hw->note_queued_event(vmcs, kFirst);
    hw->note_queued_event(vmcs, kSecond);
    allow_interrupts();
    inject(kSecond);
    EXPECT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(only("event.late-interrupt"));
    EXPECT_TRUE(mentions("The interrupt 0x40 waits; the entry injected the interrupt 0x41.")) << details();
}

TEST_F(EventRules, WithAWindowItMayWait) {
    hw->note_queued_event(vmcs, kFirst);
    hw->note_queued_event(vmcs, kSecond);
    allow_interrupts();
    inject(kSecond);
    set_primary(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING);
    EXPECT_EQ(run(), Reason::CPUID);
    inject(kFirst);
    allow_interrupts();
    set_primary(0);
    EXPECT_EQ(skip(), Reason::CPUID);
    EXPECT_EQ(skip(), Reason::CPUID);
}

TEST_F(EventRules, AnExceptionDoesNotWait) {
    hw->note_queued_event(vmcs, EventInfo::exception(Vector::GP));
    set_primary(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING);
    run();
    EXPECT_TRUE(only("event.late-exception"));
}

TEST_F(EventRules, AnExceptionThatIsInjectedIsOnTime) {
    hw->note_queued_event(vmcs, EventInfo::exception(Vector::GP));
    inject(EventInfo::exception(Vector::GP));
    write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(skip(), Reason::CPUID);
}

TEST_F(EventRules, AnNmiNeedsItsOwnWindow) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{values.pin | x86::PinControls::VIRTUAL_NMIS}}).raw);
    hw->note_queued_event(vmcs, EventInfo::nmi());
    set_primary(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING);
    run();
    EXPECT_TRUE(only("event.late-interrupt"));
}

}  // namespace
}  // namespace vtless::sim
