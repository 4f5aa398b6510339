// SPDX-License-Identifier: MIT
// Virtual-interrupt delivery. SDM Vol. 3C "Virtual APIC State" (30.1), "Evaluation and Delivery of Virtual
// Interrupts" (30.2).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "tests/sim/vmx/virtual_interrupts_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::PrimaryControls;
using x86::SecondaryControls;
namespace apic = x86::apic_register;

using VirtualInterrupts = VirtualInterruptsFixture;

TEST_F(VirtualInterrupts, EntryDeliversWhatIsRequested) {
    request(0x51);
    set_bit(apic::IRR, 0x33);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode) << "before the first instruction";
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x5133u);
    EXPECT_TRUE(has_bit(apic::ISR, 0x51));
    EXPECT_FALSE(has_bit(apic::IRR, 0x51));
    EXPECT_TRUE(has_bit(apic::IRR, 0x33));
    EXPECT_EQ(reg(apic::PPR), 0x50u);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), 0u);
}

TEST_F(VirtualInterrupts, WithoutTheControlNothingIsDelivered) {
    set_secondary(SecondaryControls::VIRTUALIZE_APIC_ACCESSES);
    request(0x51);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x51u);
    EXPECT_EQ(reg(apic::PPR), 0u);
}

TEST_F(VirtualInterrupts, WaitForIfAndTheEndOfItsShadow) {
    code({0xfb, 0x90, 0xf4});  // sti; nop; hlt
    write(F::GUEST_RFLAGS, 2);
    request(0x51);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode + 2);
}

TEST_F(VirtualInterrupts, WithoutIfTheyAreNotDelivered) {
    write(F::GUEST_RFLAGS, 2);
    request(0x51);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x51u);
}

// 30.1.3, in class and value.
TEST_F(VirtualInterrupts, PprIsTheHigherOfTprAndService) {
    const auto ppr = [&](uint32_t vtpr, uint8_t svi) {
        set_reg(apic::TPR, vtpr);
        write(F::GUEST_INTERRUPT_STATUS, uint64_t{svi} << 8);
        write(F::GUEST_RIP, kCode);
        EXPECT_EQ(run(), Reason::HLT);
        return reg(apic::PPR);
    };
    EXPECT_EQ(ppr(0x47, 0x3f), 0x47u);
    EXPECT_EQ(ppr(0x47, 0x4f), 0x47u);
    EXPECT_EQ(ppr(0x47, 0x5f), 0x50u);
    EXPECT_EQ(ppr(0xffffff47, 0), 0x47u);
}

TEST_F(VirtualInterrupts, OnlyAHigherClassIsDelivered) {
    request(0x5f);
    set_reg(apic::TPR, 0x50);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    set_reg(apic::TPR, 0);
    set_bit(apic::ISR, 0x50);
    write(F::GUEST_INTERRUPT_STATUS, 0x505f);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    set_reg(apic::TPR, 0x4f);
    write(F::GUEST_INTERRUPT_STATUS, 0x4f5f);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x5f));
}

TEST_F(VirtualInterrupts, ComeBehindTheInstructionThatLowersTheTpr) {
    code({0x44, 0x0f, 0x22, 0xc0, 0xf4});  // mov cr8, rax; hlt
    request(0x51);
    set_reg(apic::TPR, 0xf0);
    gprs.set(Gpr::RAX, 5);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 4) << "5 is not low enough";
    EXPECT_EQ(reg(apic::PPR), 0x50u);
    gprs.set(Gpr::RAX, 4);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode + 4);
}

TEST_F(VirtualInterrupts, ATprThatIsRaisedHoldsThemOff) {
    code({0x44, 0x0f, 0x22, 0xc0, 0xfb, 0x90, 0xf4});  // mov cr8, rax; sti; nop; hlt
    write(F::GUEST_RFLAGS, 2);
    request(0x51);
    gprs.set(Gpr::RAX, 5);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 6);
}

TEST_F(VirtualInterrupts, TheThresholdMeansNothing) {
    write(F::TPR_THRESHOLD, ~0u);
    code({0x44, 0x0f, 0x22, 0xc0, 0xf4});
    gprs.set(Gpr::RAX, 0);
    EXPECT_EQ(run(), Reason::HLT);
}

// ---------------------------------------------------------------------------------------- EOI, self-IPI

TEST_F(VirtualInterrupts, EoiEndsTheHighestInService) {
    in_service({0x61, 0x45});
    ASSERT_EQ(store(apic::EOI, 0x1234), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x4500u);
    EXPECT_FALSE(has_bit(apic::ISR, 0x61));
    EXPECT_TRUE(has_bit(apic::ISR, 0x45));
    EXPECT_EQ(reg(apic::PPR), 0x40u);
    EXPECT_EQ(reg(apic::EOI), 0u);
    ASSERT_EQ(store(apic::EOI, 0), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0u);
    EXPECT_EQ(reg(apic::PPR), 0u);
}

TEST_F(VirtualInterrupts, EoiLetsTheNextOneThrough) {
    in_service({0x61});
    request(0x62);
    ASSERT_EQ(store(apic::EOI, 0), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x62));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode + 2);
}

TEST_F(VirtualInterrupts, EoiOfAVectorInTheBitmapExitsBehindIt) {
    for (const uint8_t vector : std::initializer_list<uint8_t>{0x10, 0x3f, 0x40, 0x81, 0xff}) {
        const auto bitmap = static_cast<F>(x86::encoding(F::EOI_EXIT_BITMAP_0) + vector / 64u * 2);
        in_service({vector});
        request(0xfe);
        set_reg(apic::TPR, vector == 0xff ? 0 : 0xf0);
        write(bitmap, uint64_t{1} << vector % 64u);
        ASSERT_EQ(store(apic::EOI, 0), Reason::VIRTUALIZED_EOI) << unsigned{vector};
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), vector);
        EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
        EXPECT_FALSE(has_bit(apic::ISR, vector));
        EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0xfeu);
        write(bitmap, ~(uint64_t{1} << vector % 64u));
        in_service({vector});
        write(F::GUEST_RFLAGS, 2);
        ASSERT_EQ(store(apic::EOI, 0), Reason::HLT) << unsigned{vector};
        write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
        write(bitmap, 0);
    }
}

TEST_F(VirtualInterrupts, ASelfIpiIsRequestedAndDelivered) {
    ASSERT_EQ(store(apic::ICR_LOW, 0x00044841), Reason::HLT) << "level and destination mode do not count";
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x41));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode + 2);
    EXPECT_EQ(reg(apic::ICR_LOW), 0x44841u);
}

TEST_F(VirtualInterrupts, ASelfIpiOfALowerClassWaits) {
    in_service({0x51});
    ASSERT_EQ(store(apic::ICR_LOW, 0x40041), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x5141u);
    EXPECT_TRUE(has_bit(apic::IRR, 0x41));
    ASSERT_EQ(store(apic::ICR_LOW, 0x40031), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x5141u) << "the highest";
    EXPECT_TRUE(has_bit(apic::IRR, 0x31));
}

TEST_F(VirtualInterrupts, OtherCommandsExit) {
    for (const uint32_t command : {0x00041u, 0x80041u, 0xc0041u, 0x40141u, 0x40441u, 0x48041u, 0x4000fu,
                                   0x41041u, 0x42041u, 0x50041u, 0x60041u, 0x140041u, 0x80040041u}) {
        ASSERT_EQ(store(apic::ICR_LOW, command), Reason::APIC_WRITE) << std::hex << command;
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), apic::ICR_LOW);
        EXPECT_EQ(reg(apic::ICR_LOW), command);
        EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0u);
    }
}

TEST_F(VirtualInterrupts, WithoutRegisterVirtualizationThreeRegistersAreThere) {
    set_secondary(SecondaryControls::VIRTUALIZE_APIC_ACCESSES |
                  SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY);
    write(F::GUEST_RFLAGS, 2);
    for (unsigned offset = 0; offset < 0x1000; offset += 0x10) {
        const bool listed = offset == apic::TPR || offset == apic::EOI || offset == apic::ICR_LOW;
        EXPECT_EQ(store(offset, 0x40041), listed ? Reason::HLT : Reason::APIC_ACCESS) << std::hex << offset;
    }
}

TEST_F(VirtualInterrupts, X2ApicHasEoiAndSelfIpi) {
    use_x2apic();
    in_service({0x61});
    ASSERT_EQ(wrmsr(0x80b, 0), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0u);
    ASSERT_EQ(wrmsr(0x83f, 0x41), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x41));
    EXPECT_EQ(reg(apic::SELF_IPI), 0x41u);
    ASSERT_EQ(wrmsr(0x83f, 0x0f), Reason::APIC_WRITE);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), apic::SELF_IPI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

TEST_F(VirtualInterrupts, X2ApicChecksReservedBits) {
    use_x2apic();
    write(F::EXCEPTION_BITMAP, 1u << 13);
    in_service({0x61});
    for (const uint64_t value : {uint64_t{1}, uint64_t{1} << 32})
        EXPECT_EQ(wrmsr(0x80b, value), Reason::EXCEPTION_OR_NMI);
    for (const uint64_t value : {uint64_t{0x141}, uint64_t{1} << 32})
        EXPECT_EQ(wrmsr(0x83f, value), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(wrmsr(0x830, 0x40041), Reason::EXCEPTION_OR_NMI) << "no x2APIC is modelled";
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x6100u);
}

// ----------------------------------------------------------------------------- among the other events

TEST_F(VirtualInterrupts, InterruptWindowExitingComesInstead) {
    request(0x51);
    set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::INTERRUPT_WINDOW_EXITING);
    ASSERT_EQ(run(), Reason::INTERRUPT_WINDOW);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x51u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(VirtualInterrupts, ComeAfterInjectionAndNmisAndBeforeExternalInterrupts) {
    request(0x51);
    hw->raise_interrupt(0xe0);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3, false).raw);
    write(F::VM_ENTRY_INSTRUCTION_LENGTH, 1);
    // The handler of vector 3 is an interrupt gate: sti; nop.
    code({0xfb, 0x90, 0xf4}, handler(3));
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), handler(3));
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x51u);
    hw->withdraw_interrupt(0xe0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    write(F::GUEST_RSP, kStack);
    request(0x71);
    hw->raise_interrupt(0xe0);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x71)) << "delivered, then left";
}

TEST_F(VirtualInterrupts, WakeFromHlt) {
    write(F::GUEST_ACTIVITY_STATE, 1);
    request(0x51);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 0u);
}

TEST_F(VirtualInterrupts, DoNotWakeFromHltWithoutIfNorFromShutdown) {
    request(0x51);
    write(F::GUEST_RFLAGS, 2);
    write(F::GUEST_ACTIVITY_STATE, 1);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    write(F::GUEST_ACTIVITY_STATE, 2);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x51u);
}

TEST_F(VirtualInterrupts, AnExitDuringDeliveryNamesTheInterrupt) {
    write(F::EXCEPTION_BITMAP, 1u << 11);
    put<uint64_t>(kIdt + uint64_t{0x51} * 16, 0x0e00'0008'0000);  // not present
    request(0x51);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), EventInfo::external_interrupt(0x51).raw);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x5100u) << "it is in service already";
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(VirtualInterrupts, AnMtfExitFollowsTheDelivery) {
    set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::MONITOR_TRAP_FLAG);
    request(0x51);
    ASSERT_EQ(run(), Reason::MONITOR_TRAP_FLAG);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x51));
}

TEST_F(VirtualInterrupts, AreTakenOneAfterTheOther) {
    // Each handler: sti; nop; hlt, which the higher one interrupts.
    code({0x90, 0xf4});
    for (const uint8_t vector : std::initializer_list<uint8_t>{0x31, 0x52, 0x73})
        code({0xfb, 0x90, 0xf4}, handler(vector));
    request(0x31);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x31) + 2);
    request(0x73);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x73) + 2);
    request(0x52);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x73) + 2) << "a lower one waits";
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x7352u);
}

}  // namespace
}  // namespace vtless::sim
