// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Time-Stamp Counter Offset and Multiplier" (25.6.5), "Changes to Instruction Behavior in VMX
// Non-Root Operation" (26.3).
#include "sim/vmx/tsc_scaling.h"

#include <gtest/gtest.h>

#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::PrimaryControls;
using x86::SecondaryControls;

constexpr uint64_t kOne = uint64_t{1} << 48;
static_assert(scaled_tsc(12345, kOne) == 12345);
static_assert(scaled_tsc(7, kOne / 2) == 3);
static_assert(scaled_tsc(~uint64_t{0}, kOne) == ~uint64_t{0});
static_assert(scaled_tsc(~uint64_t{0}, 1) == 0xffff);
// Bits 127:112 of the product are lost.
static_assert(scaled_tsc(~uint64_t{0}, ~uint64_t{0}) == 0xfffffffffffe0000);
static_assert(scaled_tsc(0x123456789abcdef0, 0xfedcba9876543210) == 0xa00ad77d7422236d);

class TscScaling : public GuestFixture {
  protected:
    static constexpr uint64_t kNow = uint64_t{1} << 40;
    static constexpr uint64_t kSoon = uint64_t{1} << 20;  // no test runs longer
    static constexpr uint64_t kOffset = uint64_t{1} << 52;

    TscScaling() {
        Hpa bitmap;
        EXPECT_TRUE(memory.allocate_frame(bitmap));
        write(F::MSR_BITMAP, bitmap.value());
        set_primary(PrimaryControls::USE_TSC_OFFSETTING | PrimaryControls::USE_MSR_BITMAPS);
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              values.secondary | SecondaryControls::USE_TSC_SCALING);
        write(F::TSC_OFFSET, kOffset);
        write(F::TSC_MULTIPLIER, 5 * kOne / 2);
        EXPECT_TRUE(hw->wrmsr(x86::Msr::IA32_TIME_STAMP_COUNTER, kNow).ok());
    }

    uint64_t seen() { return gprs.get(Gpr::RDX) << 32 | gprs.get(Gpr::RAX); }
    void expect_scaled() {
        EXPECT_GE(seen(), kNow * 5 / 2 + kOffset);
        EXPECT_LT(seen(), (kNow + kSoon) * 5 / 2 + kOffset);
    }
};

TEST_F(TscScaling, RdtscIsScaledAndThenOffset) {
    code({0x0f, 0x31, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    expect_scaled();
}

TEST_F(TscScaling, RdtscpIsScaledAndThenOffset) {
    code({0x0f, 0x01, 0xf9, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    expect_scaled();
}

TEST_F(TscScaling, TheMsrIsScaledAndThenOffset) {
    code({0xb9, 0x10, 0, 0, 0, 0x0f, 0x32, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    expect_scaled();
}

// SDM Vol. 3C 26.3: WRMSR of IA32_TIME_STAMP_COUNTER is affected by neither.
TEST_F(TscScaling, WritesOfTheMsrAreNotScaled) {
    code({0xb9, 0x10, 0, 0, 0, 0x31, 0xc0, 0xba, 0, 2, 0, 0, 0x0f, 0x30, 0xf4});  // to 2^41
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_GE(hw->rdtsc(), 2 * kNow);
    EXPECT_LT(hw->rdtsc(), 2 * kNow + kSoon);
}

TEST_F(TscScaling, ScalesTheTimeBetweenTwoReads) {
    // rdtsc; mov ebx, eax; 1000 iterations of loop; rdtsc; hlt
    code({0x0f, 0x31, 0x89, 0xc3, 0xb9, 0xe8, 3, 0, 0, 0xe2, 0xfe, 0x0f, 0x31, 0xf4});
    write(F::TSC_MULTIPLIER, kOne);
    ASSERT_EQ(run(), Reason::HLT);
    const uint64_t plain = static_cast<uint32_t>(gprs.get(Gpr::RAX) - gprs.get(Gpr::RBX));
    write(F::TSC_MULTIPLIER, 7 * kOne);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(static_cast<uint32_t>(gprs.get(Gpr::RAX) - gprs.get(Gpr::RBX)), 7 * plain);
}

TEST_F(TscScaling, NeedsOffsetting) {
    set_primary(0);
    code({0x0f, 0x31, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_GE(seen(), kNow);
    EXPECT_LT(seen(), kNow + kSoon);
}

// SDM Vol. 3C "VMX-Preemption Timer" (26.5.1): it counts with the processor's own time-stamp counter.
TEST_F(TscScaling, DoesNotReachThePreemptionTimer) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 1000);
    code({0xeb, 0xfe});
    const uint64_t before = hw->rdtsc();
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_GE(hw->rdtsc() - before, 999u << capability::kPreemptionTimerShift);
    EXPECT_LT(hw->rdtsc() - before, (1000u << capability::kPreemptionTimerShift) + 2000);
}

}  // namespace
}  // namespace vtless::sim
