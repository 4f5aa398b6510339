// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Posted-Interrupt Processing" (30.6).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "tests/sim/vmx/virtual_interrupts_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::Gpr;
using x86::PinControls;
using x86::PrimaryControls;
namespace apic = x86::apic_register;

constexpr uint8_t kNotification = 0xe2;

class PostedInterrupts : public VirtualInterruptsFixture {
  protected:
    PostedInterrupts() : descriptor(frame() + 0x40) {
        set_pin(PinControls::PROCESS_POSTED_INTERRUPTS);
        write(F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, kNotification);
        write(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, descriptor.value());
    }
    void post(uint8_t vector) {
        const Hpa at = descriptor + vector / 8u;
        put_host<uint8_t>(at, static_cast<uint8_t>(*memory.map(at) | 1u << vector % 8u));
    }
    uint64_t posted(unsigned word) { return host(descriptor + word * uint64_t{8}); }
    void halt() { write(F::GUEST_ACTIVITY_STATE, 1); }

    Hpa descriptor;
};

TEST_F(PostedInterrupts, ANotificationDeliversWithoutAnExit) {
    post(0x31);
    post(0xf2);
    put_host<uint64_t>(descriptor + 32, 0xaaaa5555aaaa5557);
    put_host<uint64_t>(descriptor + 40, 0x1122334455667788);
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0xf2));
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0xf231u);
    EXPECT_TRUE(has_bit(apic::IRR, 0x31));
    for (unsigned word = 0; word < 4; ++word) EXPECT_EQ(posted(word), 0u);
    EXPECT_EQ(posted(4), 0xaaaa5555aaaa5556u) << "ON is clear, the rest is as it was";
    EXPECT_EQ(posted(5), 0x1122334455667788u);
    EXPECT_EQ(hw->take_interrupt(), std::nullopt);
}

TEST_F(PostedInterrupts, WithoutTheControlTheVectorExits) {
    set_pin(0);
    post(0x31);
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(posted(0), uint64_t{1} << 0x31);
}

TEST_F(PostedInterrupts, WithoutANotificationNothingIsTaken) {
    post(0x31);
    put_host<uint8_t>(descriptor + 32, 1);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(posted(0), uint64_t{1} << 0x31);
}

TEST_F(PostedInterrupts, OtherVectorsExitAcknowledged) {
    post(0x31);
    hw->raise_interrupt(0x40);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), EventInfo::external_interrupt(0x40).raw);
    EXPECT_EQ(posted(0), uint64_t{1} << 0x31);
}

TEST_F(PostedInterrupts, TheHigherVectorComesFirst) {
    post(0x31);
    hw->raise_interrupt(kNotification);
    hw->raise_interrupt(0xf0);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(posted(0), uint64_t{1} << 0x31);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x31));
    post(0x32);
    hw->raise_interrupt(kNotification);
    hw->raise_interrupt(0x40);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT) << "after the notification";
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), EventInfo::external_interrupt(0x40).raw);
    EXPECT_EQ(posted(0), 0u);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS) & 0xff, 0x32u);
}

// As external interrupts exit: whatever RFLAGS.IF. The delivery is another matter.
TEST_F(PostedInterrupts, WithoutIfTheyAreTakenButNotDelivered) {
    write(F::GUEST_RFLAGS, 2);
    post(0x31);
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x31u);
    EXPECT_EQ(posted(0), 0u);
    code({0xfb, 0x90, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x31));
}

TEST_F(PostedInterrupts, TheHighestRequestStays) {
    write(F::GUEST_RFLAGS, 2);
    request(0x55);
    post(0x31);
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x55u);
    EXPECT_TRUE(has_bit(apic::IRR, 0x31));
}

TEST_F(PostedInterrupts, WakeFromHltWhenTheTimerNotifies) {
    halt();
    post(0x31);
    hw->set_host_timer(hw->rdtsc() + 100000, kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x31));
}

TEST_F(PostedInterrupts, ANotificationOfNothingGoesBackToHlt) {
    halt();
    hw->raise_interrupt(kNotification);
    hw->set_host_timer(hw->rdtsc() + 100000, 0x40);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 1u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), EventInfo::external_interrupt(0x40).raw);
}

TEST_F(PostedInterrupts, WithInterruptWindowExitingTheyWait) {
    set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::INTERRUPT_WINDOW_EXITING);
    write(F::GUEST_RFLAGS, 2);
    post(0x31);
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0x31u);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    ASSERT_EQ(run(), Reason::INTERRUPT_WINDOW);
}

TEST_F(PostedInterrupts, BetweenIterationsOfRepRfIsSet) {
    code({0xf3, 0xaa, 0xf4});  // rep stosb; hlt
    gprs.set(Gpr::RCX, 1000);
    gprs.set(Gpr::RDI, kStack + 0x1000);
    post(0x31);
    hw->set_host_timer(hw->rdtsc() + 900, kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), handler(0x31));
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode);
    EXPECT_EQ(get<uint64_t>(kStack - 24) & x86::rflags::RF, x86::rflags::RF);
    EXPECT_GT(gprs.get(Gpr::RCX), 0u);
    EXPECT_LT(gprs.get(Gpr::RCX), 1000u);
}

TEST_F(PostedInterrupts, OutsideRamNothingIsPosted) {
    write(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, memory.size());
    hw->raise_interrupt(kNotification);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_INTERRUPT_STATUS), 0u);
}

}  // namespace
}  // namespace vtless::sim
