// SPDX-License-Identifier: MIT
// CR8 and the TPR threshold. SDM Vol. 3C "TPR Virtualization" (30.1.2), "Virtualizing CR8-Based TPR
// Accesses" (30.3).
#include <gtest/gtest.h>

#include "tests/sim/vmx/apic_fixture.h"

namespace vtless::sim {
namespace {

using x86::CrAccessQualification;
using x86::CrAccessType;
using x86::Gpr;
using x86::PrimaryControls;
namespace apic = x86::apic_register;

constexpr uint64_t kPast = 4;  // bytes of mov cr8, rax

class TprShadow : public ApicFixture {
  protected:
    TprShadow() {
        code({0x44, 0x0f, 0x22, 0xc0,  // mov cr8, rax
              0x44, 0x0f, 0x20, 0xc3,  // mov rbx, cr8
              0xf4});
        gprs.set(Gpr::RBX, ~uint64_t{0});
    }
};

TEST_F(TprShadow, Cr8IsBits7To4OfVtpr) {
    set_reg(apic::TPR, 0xffffffff);
    set_reg(apic::TPR + 4, 0x11223344);
    gprs.set(Gpr::RAX, 9);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(reg(apic::TPR), 0x90u) << "the rest of the register is cleared";
    EXPECT_EQ(reg(apic::TPR + 4), 0x11223344u);
    EXPECT_EQ(gprs.get(Gpr::RBX), 9u);
}

TEST_F(TprShadow, WhatTheHypervisorWritesIsRead) {
    set_reg(apic::TPR, 0x7654327b);
    write(F::GUEST_RIP, kCode + kPast);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 7u);
}

TEST_F(TprShadow, BelowTheThresholdTheGuestExitsBehindTheInstruction) {
    set_reg(apic::TPR, 0x80);
    write(F::TPR_THRESHOLD, 5);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::RF);
    gprs.set(Gpr::RAX, 4);
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + kPast);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
    EXPECT_EQ(reg(apic::TPR), 0x40u);
    EXPECT_EQ(read(F::GUEST_RFLAGS) & x86::rflags::RF, 0u);
}

TEST_F(TprShadow, AtTheThresholdTheGuestGoesOn) {
    set_reg(apic::TPR, 0x80);
    write(F::TPR_THRESHOLD, 5);
    gprs.set(Gpr::RAX, 5);
    ASSERT_EQ(run(), Reason::HLT);
}

TEST_F(TprShadow, ASingleStepIsPendingAfterTheExit) {
    set_reg(apic::TPR, 0x80);
    write(F::TPR_THRESHOLD, 1);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    gprs.set(Gpr::RAX, 0);
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
}

TEST_F(TprShadow, TheExitEndsAMovSsShadow) {
    code({0x8e, 0xd2, 0x44, 0x0f, 0x22, 0xc0});  // mov ss, edx; mov cr8, rax
    set_reg(apic::TPR, 0x80);
    write(F::TPR_THRESHOLD, 1);
    gprs.set(Gpr::RDX, 0x10);
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0u);
}

TEST_F(TprShadow, ReservedBitsRaiseGpAndWriteNothing) {
    write(F::EXCEPTION_BITMAP, 1u << 13);
    write(F::TPR_THRESHOLD, 0);
    set_reg(apic::TPR, 0x30);
    gprs.set(Gpr::RAX, 0x10);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(reg(apic::TPR), 0x30u);
}

TEST_F(TprShadow, Cr8ExitsComeFirst) {
    set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::CR8_LOAD_EXITING |
                PrimaryControls::CR8_STORE_EXITING);
    set_reg(apic::TPR, 0x30);
    gprs.set(Gpr::RAX, 4);
    ASSERT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION),
              (CrAccessQualification{8, CrAccessType::MOV_TO, false, Gpr::RAX, 0}.encode()));
    EXPECT_EQ(reg(apic::TPR), 0x30u);
    ASSERT_EQ(skip(), Reason::CONTROL_REGISTER_ACCESS);
    EXPECT_EQ(gprs.get(Gpr::RBX), ~uint64_t{0});
}

TEST_F(TprShadow, WithoutTheControlCr8IsTheProcessors) {
    write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          capability::kPrimary.adjust({{values.primary}}).raw);
    write(F::TPR_THRESHOLD, 0xf);
    gprs.set(Gpr::RAX, 3);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 3u);
    EXPECT_EQ(reg(apic::TPR), 0u);
}

// SDM Vol. 3C 27.2.1.1: the check is of memory, which changes without a VMWRITE.
TEST_F(TprShadow, EachEntryLooksAtVtpr) {
    code({0x0f, 0xa2, 0x0f, 0xa2, 0xf4});  // cpuid; cpuid; hlt
    set_reg(apic::TPR, 0x60);
    write(F::TPR_THRESHOLD, 6);
    ASSERT_EQ(run(), Reason::CPUID);
    set_reg(apic::TPR, 0x5f);
    EXPECT_EQ(hw->vmresume(gprs),
              x86::VmxStatus::fail_valid(x86::VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS));
    ASSERT_NE(hw->last_entry_failure(), nullptr);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "controls.tpr_threshold.above_vtpr");
    set_reg(apic::TPR, 0x60);
    EXPECT_EQ(skip(), Reason::CPUID);
}

TEST_F(TprShadow, OutsideRamTheRegisterReadsAsOnes) {
    write(F::VIRTUAL_APIC_ADDRESS, memory.size());
    write(F::TPR_THRESHOLD, 0xf);
    gprs.set(Gpr::RAX, 3);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 15u);
}

}  // namespace
}  // namespace vtless::sim
