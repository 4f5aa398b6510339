// SPDX-License-Identifier: MIT
// The real instructions at CPL 3: each faults, and the fault is an outcome. What they do in ring 0 is
// tests/hypervisor's.
#include "vcpu/vmx/native.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <ucontext.h>

#include <cstring>

#include "tests/vcpu/vmx/null_hw.h"

namespace vtless::vmx {
namespace {

using Native = NativeVmx<test::NullHw::Memory>;
static_assert(x86::VmxHw<Native>);

// What a hypervisor's handlers of #UD and #GP do.
void on_fault(int signal, siginfo_t*, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    auto rip = static_cast<uint64_t>(registers[REG_RIP]);
    auto r11 = static_cast<uint64_t>(registers[REG_R11]);
    const auto vector = static_cast<x86::Vector>(registers[REG_TRAPNO]);
    if (!recover_native_fault(vector, static_cast<uint32_t>(registers[REG_ERR]), rip, r11)) {
        ::signal(signal, SIG_DFL);
        return;
    }
    registers[REG_RIP] = static_cast<greg_t>(rip);
    registers[REG_R11] = static_cast<greg_t>(r11);
}

class NativeVmxAtCpl3 : public ::testing::Test {
  protected:
    void SetUp() override {
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGSEGV, &action, &segv_);
        sigaction(SIGILL, &action, &ill_);
    }
    void TearDown() override {
        sigaction(SIGSEGV, &segv_, nullptr);
        sigaction(SIGILL, &ill_, nullptr);
    }

    // #UD outside VMX operation, #GP for the privilege.
    static void expect_fault(x86::VmxStatus status, const char* what) {
        ASSERT_EQ(status.kind(), x86::VmxStatus::Kind::Fault) << what;
        EXPECT_TRUE(status.vector() == x86::Vector::UD || status.vector() == x86::Vector::GP) << what;
        EXPECT_EQ(status.error_code(), 0u) << what;
    }

    test::NullHw::Memory memory_;
    Native hw_{memory_};
    struct sigaction segv_ {
    }, ill_{};
};

TEST_F(NativeVmxAtCpl3, VmxInstructionsFault) {
    const Hpa region(0x1000);
    Hpa pointer(0x1234);
    uint64_t value = 0x5678;
    expect_fault(hw_.vmxon(region), "vmxon");
    expect_fault(hw_.vmxoff(), "vmxoff");
    expect_fault(hw_.vmclear(region), "vmclear");
    expect_fault(hw_.vmptrld(region), "vmptrld");
    expect_fault(hw_.vmptrst(pointer), "vmptrst");
    expect_fault(hw_.vmread(x86::VmcsField::GUEST_RIP, value), "vmread");
    expect_fault(hw_.vmwrite(x86::VmcsField::GUEST_RIP, value), "vmwrite");
    expect_fault(hw_.invept(x86::InveptType::ALL_CONTEXT, {}), "invept");
    expect_fault(hw_.invvpid(x86::InvvpidType::ALL_CONTEXT, {}), "invvpid");
    EXPECT_EQ(pointer, Hpa(0x1234));  // outputs are written on success only
    EXPECT_EQ(value, 0x5678u);
}

TEST_F(NativeVmxAtCpl3, EntriesFaultAndLeaveTheCallersRegistersAlone) {
    NativeGprs gprs;
    for (unsigned i = 0; i < x86::kGprCount; ++i) gprs.set(static_cast<x86::Gpr>(i), uint64_t{0x1111} * i);
    const NativeGprs before = gprs;
    expect_fault(hw_.vmlaunch(gprs), "vmlaunch");
    expect_fault(hw_.vmresume(gprs), "vmresume");
    EXPECT_EQ(std::memcmp(&gprs, &before, sizeof gprs), 0);
}

TEST_F(NativeVmxAtCpl3, PrivilegedInstructionsAreGeneralProtectionFaults) {
    uint64_t value = 0x5678;
    const auto gp = x86::VmxStatus::fault(x86::Vector::GP);
    EXPECT_EQ(hw_.rdmsr(x86::Msr::IA32_EFER, value), gp);
    EXPECT_EQ(hw_.wrmsr(x86::Msr::IA32_EFER, value), gp);
    EXPECT_EQ(hw_.xsetbv(0, 1), gp);
    EXPECT_EQ(hw_.write_cr0(1), gp);
    EXPECT_EQ(hw_.write_cr2(1), gp);
    EXPECT_EQ(hw_.write_cr4(1), gp);
    EXPECT_EQ(value, 0x5678u);
}

TEST_F(NativeVmxAtCpl3, WhatIsNotPrivilegedWorks) {
    uint64_t xcr0 = 0;
    if ((hw_.cpuid(1, 0).ecx & x86::cpuid::leaf1_ecx::OSXSAVE) != 0) {
        EXPECT_EQ(hw_.xgetbv(0, xcr0), x86::VmxStatus::succeed());
        EXPECT_EQ(xcr0 & 1, 1u);  // x87: always
    }
    EXPECT_EQ(hw_.xgetbv(0x1234, xcr0).kind(), x86::VmxStatus::Kind::Fault);
    const uint64_t before = hw_.rdtsc();
    EXPECT_LE(before, hw_.rdtsc());
    EXPECT_GE(hw_.cpuid(0, 0).eax, 1u);
    EXPECT_EQ(hw_.selector(x86::SegmentRegister::CS) & 3, 3);
    EXPECT_EQ(hw_.segment_base(x86::SegmentRegister::DS), 0u);
}

TEST(NativeFaults, OthersAreNotRecovered) {
    uint64_t rip = 0x1000;
    uint64_t r11 = 7;
    EXPECT_FALSE(recover_native_fault(x86::Vector::GP, 0, rip, r11));
    EXPECT_EQ(rip, 0x1000u);
    EXPECT_EQ(r11, 7u);
}

TEST(NativeFaults, CarryVectorAndErrorCode) {
    const NativeFault fault = NativeFault::make(x86::Vector::GP, 0xfff8);
    EXPECT_TRUE(fault.faulted());
    EXPECT_FALSE(NativeFault{}.faulted());
    EXPECT_EQ(fault.status(), x86::VmxStatus::fault(x86::Vector::GP, 0xfff8));
}

}  // namespace
}  // namespace vtless::vmx
