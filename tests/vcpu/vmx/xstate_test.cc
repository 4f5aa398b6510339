// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using namespace x86::xcr0;
using x86::EventInfo;
using x86::Vector;

// Upstream both needs and forbids AVX-512: every XSETBV panics.
TEST(Xcr0, AcceptsWhatTheManualAccepts) {
    constexpr uint64_t kAvx512 = OPMASK | ZMM_HI256 | HI16_ZMM;
    constexpr uint64_t kAll = X87 | SSE | AVX | BNDREG | BNDCSR | kAvx512 | TILECFG | TILEDATA;
    for (uint64_t good :
         {X87, X87 | SSE, X87 | SSE | AVX, X87 | SSE | AVX | kAvx512, X87 | BNDREG | BNDCSR, kAll})
        EXPECT_TRUE(vmx::is_valid_xcr0(good, kAll)) << good;
    for (uint64_t bad : {uint64_t{0}, SSE, X87 | AVX, X87 | SSE | kAvx512, X87 | SSE | AVX | OPMASK,
                         X87 | BNDREG, X87 | TILECFG, X87 | bit(62)})
        EXPECT_FALSE(vmx::is_valid_xcr0(bad, kAll)) << bad;
    EXPECT_FALSE(vmx::is_valid_xcr0(X87 | SSE | AVX, X87 | SSE));
}

struct Xsetbv : testing::Test {
    Xsetbv() { machine.field(VmcsField::GUEST_CR4) |= x86::cr4::OSXSAVE; }
    void set(uint64_t value, uint64_t index = 0) {
        machine.set_gpr(Gpr::RCX, index);
        machine.set_gpr(Gpr::RAX, value & 0xffffffff);
        machine.set_gpr(Gpr::RDX, value >> 32);
        EXPECT_TRUE(machine.run_exit(ExitReason::XSETBV, 0, 3).is<VmExit::Nothing>());
    }
    Machine machine;
};

TEST_F(Xsetbv, GuestRunsUnderItsOwnXcr0) {
    set(X87 | SSE | AVX);
    EXPECT_EQ(machine.rip(), 0x7c03u);
    machine.run_exit(ExitReason::HLT);
    EXPECT_EQ(machine.hw.entries.back().xcr0, X87 | SSE | AVX);
    EXPECT_EQ(machine.hw.xcr0, X87);
    EXPECT_EQ(machine.hw.xsetbvs, 2u);
}

TEST_F(Xsetbv, EqualXcr0IsNotSwitched) {
    machine.run_exit(ExitReason::HLT);
    EXPECT_EQ(machine.hw.xsetbvs, 0u);
}

TEST_F(Xsetbv, RefusesBadValuesAndOtherRegisters) {
    set(X87 | AVX);
    EXPECT_EQ(machine.next_injection().vector(), 13);
    set(X87, 1);
    EXPECT_EQ(machine.next_injection().vector(), 13);
    EXPECT_EQ(machine.rip(), 0x7c00u);
}

TEST_F(Xsetbv, WithoutOsxsaveIsUndefined) {
    machine.field(VmcsField::GUEST_CR4) &= ~x86::cr4::OSXSAVE;
    set(X87);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::UD));
}

TEST_F(Xsetbv, HostWithoutXsaveIsLeftAlone) {
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.has_xsave = false;
    ASSERT_TRUE(machine.vcpu().bind());
    set(X87);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::UD));
    EXPECT_EQ(machine.hw.xsetbvs, 0u);
}

TEST(Xss, IsSwitchedAroundEntriesAndValidated) {
    SetupConfig config;
    FakeHw::Memory unused;
    Machine machine;
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.cpuids[{x86::cpuid::kXsave, 1}] = {x86::cpuid::leaf_d1_eax::XSAVES, 0, 0x100, 0};
    machine.hw.msrs[x86::Msr::IA32_XSS] = 0;
    ASSERT_TRUE(machine.vcpu().setup(config));
    ASSERT_TRUE(machine.vcpu().bind());
    machine.set_gpr(Gpr::RCX, 0xda0);
    machine.set_gpr(Gpr::RAX, 0x100);
    EXPECT_TRUE(machine.run_exit(ExitReason::WRMSR).is<VmExit::Nothing>());
    uint64_t seen = 0;
    machine.hw.on_entry([&](FakeHw& hw) {
        seen = hw.msrs[x86::Msr::IA32_XSS];
        hw.set_exit(12);
    });
    machine.run();
    EXPECT_EQ(seen, 0x100u);
    EXPECT_EQ(machine.hw.msrs[x86::Msr::IA32_XSS], 0u);
    machine.set_gpr(Gpr::RAX, 0x200);
    machine.run_exit(ExitReason::WRMSR);
    EXPECT_EQ(machine.next_injection().vector(), 13);
}

}  // namespace
}  // namespace vtless::test
