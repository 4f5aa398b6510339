// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Virtualizing MSR-Based APIC Accesses" (30.5).
#include <gtest/gtest.h>

#include "isa/x86/msr.h"
#include "tests/sim/vmx/apic_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::PrimaryControls;
using x86::SecondaryControls;
namespace apic = x86::apic_register;

constexpr uint32_t kX2Apic = SecondaryControls::VIRTUALIZE_X2APIC_MODE;
constexpr uint32_t kRegisters = kX2Apic | SecondaryControls::APIC_REGISTER_VIRTUALIZATION;

// No MSR exits, and #GP does.
class X2Apic : public ApicFixture {
  protected:
    X2Apic() : bitmap(frame()) {
        set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::USE_MSR_BITMAPS);
        write(F::MSR_BITMAP, bitmap.value());
        write(F::EXCEPTION_BITMAP, 1u << 13);
        set_secondary(kX2Apic);
    }
    Reason rdmsr(uint32_t msr) {
        code({0x0f, 0x32, 0xf4});
        gprs.set(Gpr::RCX, msr);
        write(F::GUEST_RIP, kCode);
        return run();
    }
    Reason wrmsr(uint32_t msr, uint64_t value) {
        code({0x0f, 0x30, 0xf4});
        gprs.set(Gpr::RCX, msr);
        gprs.set(Gpr::RAX, value & 0xffffffff);
        gprs.set(Gpr::RDX, value >> 32);
        write(F::GUEST_RIP, kCode);
        return run();
    }
    uint64_t edx_eax() { return gprs.get(Gpr::RDX) << 32 | gprs.get(Gpr::RAX); }

    Hpa bitmap;
};

TEST_F(X2Apic, TheTprIs8BytesOfThePage) {
    set_reg(apic::TPR, 0x89abcdef);
    set_reg(apic::TPR + 4, 0x01234567);
    ASSERT_EQ(rdmsr(0x808), Reason::HLT);
    EXPECT_EQ(edx_eax(), 0x0123456789abcdefu);
    ASSERT_EQ(wrmsr(0x808, 0x35), Reason::HLT);
    EXPECT_EQ(reg(apic::TPR), 0x35u);
    EXPECT_EQ(reg(apic::TPR + 4), 0u);
}

TEST_F(X2Apic, ReservedBitsOfTheTprRaiseGp) {
    for (const uint64_t value : {uint64_t{0x100}, uint64_t{1} << 32}) {
        ASSERT_EQ(wrmsr(0x808, value), Reason::EXCEPTION_OR_NMI);
        EXPECT_EQ(reg(apic::TPR), 0u);
    }
}

TEST_F(X2Apic, AWriteBelowTheThresholdExitsBehindIt) {
    set_reg(apic::TPR, 0x80);
    write(F::TPR_THRESHOLD, 4);
    ASSERT_EQ(wrmsr(0x808, 0x40), Reason::HLT);
    ASSERT_EQ(wrmsr(0x808, 0x3f), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

TEST_F(X2Apic, WithoutRegisterVirtualizationNothingElseIsThere) {
    for (uint32_t msr = 0x800; msr <= 0x8ff; ++msr) {
        if (msr == 0x808) continue;
        ASSERT_EQ(rdmsr(msr), Reason::EXCEPTION_OR_NMI) << std::hex << msr;
        ASSERT_EQ(wrmsr(msr, 0), Reason::EXCEPTION_OR_NMI) << std::hex << msr;
    }
}

TEST_F(X2Apic, RegisterVirtualizationReadsAll256AndWritesNoMore) {
    set_secondary(kRegisters);
    for (uint32_t msr = 0x800; msr <= 0x8ff; ++msr) {
        const unsigned offset = (msr & 0xff) << 4;
        set_reg(offset, msr);
        set_reg(offset + 4, ~msr);
        ASSERT_EQ(rdmsr(msr), Reason::HLT) << std::hex << msr;
        EXPECT_EQ(edx_eax(), uint64_t{~msr} << 32 | msr);
        if (msr == 0x808) continue;
        ASSERT_EQ(wrmsr(msr, 0), Reason::EXCEPTION_OR_NMI) << std::hex << msr;
    }
    EXPECT_EQ(rdmsr(0x7ff), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(rdmsr(0x900), Reason::EXCEPTION_OR_NMI);
}

TEST_F(X2Apic, TheBitmapComesFirst) {
    put_host<uint8_t>(bitmap + 0x808 / 8, 1);
    put_host<uint8_t>(bitmap + 2048 + 0x808 / 8, 1);
    EXPECT_EQ(rdmsr(0x808), Reason::RDMSR);
    EXPECT_EQ(wrmsr(0x808, 0xfff), Reason::WRMSR);
}

TEST_F(X2Apic, WithoutTheControlThereIsNoTpr) {
    set_secondary(0);
    EXPECT_EQ(rdmsr(0x808), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(wrmsr(0x808, 0), Reason::EXCEPTION_OR_NMI);
}

}  // namespace
}  // namespace vtless::sim
