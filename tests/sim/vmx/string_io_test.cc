// SPDX-License-Identifier: MIT
// INS and OUTS of ports that do not exit.
#include <gtest/gtest.h>

#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

class StringIo : public GuestFixture {
  protected:
    static constexpr uint64_t kBuffer = 0x300000;

    StringIo() {
        values.primary &= ~x86::PrimaryControls::UNCONDITIONAL_IO_EXITING;
        set_primary(0);
        code({0xf3, 0x6c, 0xf4});  // rep insb; hlt
        gprs.set(Gpr::RCX, 3);
        gprs.set(Gpr::RDI, kBuffer);
    }
};

TEST_F(StringIo, PortsWithoutADeviceGiveOnes) {
    put<uint32_t>(kBuffer, 0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(get<uint32_t>(kBuffer), 0xffffffu);
    EXPECT_EQ(gprs.get(Gpr::RCX), 0u);
    EXPECT_EQ(gprs.get(Gpr::RDI), kBuffer + 3);
}

TEST_F(StringIo, EachIterationTakesTimeAndCanBeInterrupted) {
    constexpr uint64_t kCount = 1'000'000;
    gprs.set(Gpr::RCX, kCount);
    hw->set_host_timer(hw->rdtsc() + 10000, 0x51);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    const uint64_t done = kCount - gprs.get(Gpr::RCX);
    EXPECT_GT(done, 10u);
    EXPECT_LT(done, 10000u);
    EXPECT_EQ(gprs.get(Gpr::RDI), kBuffer + done);
    EXPECT_NE(read(F::GUEST_RFLAGS) & x86::rflags::RF, 0u);
}

TEST_F(StringIo, EachIterationIsTraced) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 16);
    EXPECT_EQ(gprs.get(Gpr::RCX), 2u);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP) + 16), 2 | x86::rflags::TF | x86::rflags::RF);
}

TEST_F(StringIo, AFaultLeavesTheIterationsBeforeIt) {
    put<uint64_t>(0x12000 + 2 * 8, 0);  // linear 4 MiB to 6 MiB are absent
    gprs.set(Gpr::RDI, 0x400000 - 2);
    put<uint64_t>(0x12000 + 1 * 8, 0x200087);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 14 * 16);
    EXPECT_EQ(gprs.get(Gpr::RCX), 1u);
    EXPECT_EQ(gprs.get(Gpr::RDI), 0x400000u);
    EXPECT_EQ(hw->read_cr2(), 0x400000u);
}

}  // namespace
}  // namespace vtless::sim
