// SPDX-License-Identifier: MIT
// Shadow VMCSs, and VMREAD and VMWRITE of a guest. SDM Vol. 3C "VMCS Types: Ordinary and Shadow" (25.10),
// "VMCS Shadowing Bitmap Addresses" (25.6.15), "VMX Instructions" (31.3).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/vmx_operation.h"
#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SecondaryControls;
using x86::VmInstructionError;
using x86::VmxStatus;

constexpr uint64_t kFlags = x86::rflags::kArithmetic;

class VmcsShadowing : public EptFixture {
  protected:
    VmcsShadowing() {
        reads = frame();
        writes = frame();
        shadow = frame();
        put_host<uint32_t>(shadow, capability::kRevision | kShadowIndicator);
        set_secondary(SecondaryControls::VMCS_SHADOWING);
        write(F::VMREAD_BITMAP_ADDRESS, reads.value());
        write(F::VMWRITE_BITMAP_ADDRESS, writes.value());
        write(F::VMCS_LINK_POINTER, shadow.value());
        write(F::GUEST_RFLAGS, 2 | kFlags);
    }
    void vmread() { code({0x0f, 0x78, 0xd8, 0xf4}); }   // vmread rax, rbx; hlt
    void vmwrite() { code({0x0f, 0x79, 0xd8, 0xf4}); }  // vmwrite rbx, rax; hlt
    void set_field(F field) { gprs.set(Gpr::RBX, x86::encoding(field)); }
    uint64_t flags() { return read(F::GUEST_RFLAGS) & kFlags; }
    // Of the shadow VMCS, in root operation.
    template <class Action>
    void in_shadow(Action action) {
        ASSERT_TRUE(hw->vmptrld(shadow).ok());
        action();
        ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    }
    uint64_t shadow_field(F field) {
        uint64_t value = 0;
        in_shadow([&] { value = read(field); });
        return value;
    }
    void intercept(Hpa bitmap, F field) {
        const uint32_t encoding = x86::encoding(field);
        uint8_t* byte = memory.map(bitmap) + encoding / 8;
        *byte = static_cast<uint8_t>(*byte | 1u << encoding % 8);
    }

    Hpa reads, writes, shadow;
};

TEST_F(VmcsShadowing, AGuestReadsAndWritesTheShadow) {
    in_shadow([&] { write(F::GUEST_RIP, 0x1122334455667788); });
    vmread();
    set_field(F::GUEST_RIP);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0x1122334455667788u);
    EXPECT_EQ(flags(), 0u);
    vmwrite();
    set_field(F::TSC_OFFSET);
    gprs.set(Gpr::RAX, 0x99);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(shadow_field(F::TSC_OFFSET), 0x99u);
    EXPECT_EQ(read(F::TSC_OFFSET), 0u) << "of the current VMCS";
}

TEST_F(VmcsShadowing, NarrowFieldsAndHighHalvesAreAsInRootOperation) {
    vmwrite();
    set_field(F::VPID);
    gprs.set(Gpr::RAX, 0x123456789);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(shadow_field(F::VPID), 0x6789u);
    in_shadow([&] { write(F::TSC_OFFSET, 0x1111111122222222); });
    set_field(F::TSC_OFFSET_HIGH);
    gprs.set(Gpr::RAX, 0x3333333344444444);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(shadow_field(F::TSC_OFFSET), 0x4444444422222222u);
    vmread();
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0x44444444u);
}

TEST_F(VmcsShadowing, MemoryOperandsWork) {
    in_shadow([&] { write(F::GUEST_RSP, 0xabcdef); });
    code({0x0f, 0x78, 0x19, 0x0f, 0x79, 0x11, 0xf4});  // vmread [rcx], rbx; vmwrite rdx, [rcx]; hlt
    gprs.set(Gpr::RCX, kData);
    set_field(F::GUEST_RSP);
    gprs.set(Gpr::RDX, x86::encoding(F::GUEST_CR3));
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(get<uint64_t>(kData), 0xabcdefu);
    EXPECT_EQ(shadow_field(F::GUEST_CR3), 0xabcdefu);
    write(F::EXCEPTION_BITMAP, 1u << 14);
    put<uint64_t>(0x12000 + (kData >> 21) * 8, 0);
    ASSERT_TRUE(hw->invvpid(x86::InvvpidType::SINGLE_CONTEXT, {1, {}}).ok());
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), kData);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(VmcsShadowing, TheBitmapsMakeExitsEachForItsOwnInstruction) {
    intercept(reads, F::GUEST_RIP);
    intercept(writes, F::GUEST_RSP);
    vmread();
    set_field(F::GUEST_RIP);
    ASSERT_EQ(run(), Reason::VMREAD);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_INFORMATION) >> 28, 3u);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 3u);
    set_field(F::GUEST_RSP);
    ASSERT_EQ(run(), Reason::HLT);
    vmwrite();
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::VMWRITE);
    set_field(F::GUEST_RIP);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(VmcsShadowing, EncodingsOfMoreThan15BitsExit) {
    vmread();
    for (const uint64_t encoding : {uint64_t{0x8000}, uint64_t{1} << 63}) {
        gprs.set(Gpr::RBX, encoding);
        EXPECT_EQ(run(), Reason::VMREAD) << std::hex << encoding;
    }
    gprs.set(Gpr::RBX, 0x7fff);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(VmcsShadowing, WithoutTheControlAllExit) {
    set_secondary(0);
    write(F::VMCS_LINK_POINTER, ~uint64_t{0});
    set_field(F::GUEST_RIP);
    vmread();
    EXPECT_EQ(run(), Reason::VMREAD);
    vmwrite();
    EXPECT_EQ(run(), Reason::VMWRITE);
}

TEST_F(VmcsShadowing, WithoutAShadowTheyFailInvalid) {
    write(F::VMCS_LINK_POINTER, ~uint64_t{0});
    set_field(F::GUEST_RIP);
    vmread();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(flags(), x86::rflags::CF);
}

TEST_F(VmcsShadowing, AnUnsupportedFieldIsAnErrorOfTheShadow) {
    vmread();
    gprs.set(Gpr::RBX, 0x6840);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(flags(), x86::rflags::ZF);
    EXPECT_EQ(shadow_field(F::VM_INSTRUCTION_ERROR), 12u);
    EXPECT_EQ(read(F::VM_INSTRUCTION_ERROR), 0u);
}

TEST_F(VmcsShadowing, ReadOnlyFieldsCanBeWritten) {
    vmwrite();
    set_field(F::EXIT_REASON);
    gprs.set(Gpr::RAX, 7);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(flags(), 0u);
    EXPECT_EQ(shadow_field(F::EXIT_REASON), 7u);
}

TEST_F(VmcsShadowing, TheExitComesBeforeThePrivilegeCheck) {
    write(F::GUEST_CS_SELECTOR, 0x1b);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    write(F::GUEST_SS_SELECTOR, 0x23);
    write(F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    write(F::EXCEPTION_BITMAP, 1u << 13);
    intercept(reads, F::GUEST_RIP);
    vmread();
    set_field(F::GUEST_RIP);
    EXPECT_EQ(run(), Reason::VMREAD);
    set_field(F::GUEST_RSP);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
}

TEST_F(VmcsShadowing, AShadowCannotBeEntered) {
    ASSERT_TRUE(hw->vmptrld(shadow).ok());
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_invalid());
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fail_invalid());
}

TEST_F(VmcsShadowing, TheLinkPointerMustNameAShadowExactlyWithTheControl) {
    set_secondary(0);
    EXPECT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "guest.link_pointer.revision");
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 4u);
    set_secondary(SecondaryControls::VMCS_SHADOWING);
    put_host<uint32_t>(shadow, capability::kRevision);
    EXPECT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    write(F::VMCS_LINK_POINTER, vmcs.value());
    EXPECT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "guest.link_pointer.current");
}

TEST_F(VmcsShadowing, WhatTheGuestWroteIsInTheRegionAfterVmclear) {
    vmwrite();
    set_field(F::GUEST_RIP);
    gprs.set(Gpr::RAX, 0x4242);
    ASSERT_EQ(run(), Reason::HLT);
    ASSERT_TRUE(hw->vmclear(shadow).ok());
    EXPECT_EQ(shadow_field(F::GUEST_RIP), 0x4242u);
}

constexpr VmxCapabilities without_shadowing() {
    VmxCapabilities can = kEngineCapabilities;
    can.secondary.raw &= ~(uint64_t{SecondaryControls::VMCS_SHADOWING} << 32);
    can.misc.raw &= ~x86::VmxMisc::kVmwriteAnyField;
    return can;
}
class NoVmcsShadowing : public EptFixture {
  protected:
    NoVmcsShadowing() : EptFixture(without_shadowing()) {}
};

TEST_F(NoVmcsShadowing, TheIndicatorIsAWrongRevision) {
    const Hpa region = frame();
    put_host<uint32_t>(region, capability::kRevision | kShadowIndicator);
    EXPECT_EQ(hw->vmptrld(region), VmxStatus::fail_valid(VmInstructionError::VMPTRLD_INCORRECT_REVISION));
}

TEST_F(NoVmcsShadowing, ReadOnlyFieldsAreError13) {
    EXPECT_EQ(hw->vmwrite(F::EXIT_REASON, 1),
              VmxStatus::fail_valid(VmInstructionError::VMWRITE_READ_ONLY_COMPONENT));
}

}  // namespace
}  // namespace vtless::sim
