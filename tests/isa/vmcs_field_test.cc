// SPDX-License-Identifier: MIT
#include "isa/x86/vmcs_field.h"

#include <gtest/gtest.h>

#include <string>

namespace vtless::x86 {
namespace {

// Spot values from SDM Vol. 3D tables B-1 to B-17: the first and last of each table.
static_assert(encoding(VmcsField::VPID) == 0x0000 && encoding(VmcsField::LAST_PID_POINTER_INDEX) == 0x0008);
static_assert(encoding(VmcsField::GUEST_ES_SELECTOR) == 0x0800 && encoding(VmcsField::GUEST_UINV) == 0x0814);
static_assert(encoding(VmcsField::HOST_ES_SELECTOR) == 0x0c00 &&
              encoding(VmcsField::HOST_TR_SELECTOR) == 0x0c0c);
static_assert(encoding(VmcsField::IO_BITMAP_A) == 0x2000 && encoding(VmcsField::EPT_POINTER) == 0x201a);
static_assert(encoding(VmcsField::TSC_MULTIPLIER) == 0x2032 &&
              encoding(VmcsField::SECONDARY_VM_EXIT_CONTROLS) == 0x2044);
static_assert(encoding(VmcsField::GUEST_PHYSICAL_ADDRESS) == 0x2400);
static_assert(encoding(VmcsField::VMCS_LINK_POINTER) == 0x2800 &&
              encoding(VmcsField::GUEST_IA32_PKRS) == 0x2818);
static_assert(encoding(VmcsField::HOST_IA32_PAT) == 0x2c00 && encoding(VmcsField::HOST_IA32_PKRS) == 0x2c06);
static_assert(encoding(VmcsField::PIN_BASED_VM_EXECUTION_CONTROLS) == 0x4000 &&
              encoding(VmcsField::PLE_WINDOW) == 0x4022);
static_assert(encoding(VmcsField::VM_INSTRUCTION_ERROR) == 0x4400);
static_assert(encoding(VmcsField::VM_EXIT_INSTRUCTION_INFORMATION) == 0x440e);
static_assert(encoding(VmcsField::GUEST_ES_LIMIT) == 0x4800 &&
              encoding(VmcsField::VMX_PREEMPTION_TIMER_VALUE) == 0x482e);
static_assert(encoding(VmcsField::HOST_IA32_SYSENTER_CS) == 0x4c00);
static_assert(encoding(VmcsField::CR0_GUEST_HOST_MASK) == 0x6000 &&
              encoding(VmcsField::CR3_TARGET_VALUE_3) == 0x600e);
static_assert(encoding(VmcsField::EXIT_QUALIFICATION) == 0x6400 &&
              encoding(VmcsField::GUEST_LINEAR_ADDRESS) == 0x640a);
static_assert(encoding(VmcsField::GUEST_CR0) == 0x6800 && encoding(VmcsField::GUEST_RIP) == 0x681e);
static_assert(encoding(VmcsField::GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR) == 0x682c);
static_assert(encoding(VmcsField::HOST_CR0) == 0x6c00 && encoding(VmcsField::HOST_RIP) == 0x6c16);
static_assert(encoding(VmcsField::HOST_IA32_INTERRUPT_SSP_TABLE_ADDR) == 0x6c1c);

static_assert(width(VmcsField::GUEST_RIP) == VmcsWidth::NATURAL &&
              type(VmcsField::GUEST_RIP) == VmcsType::GUEST_STATE);
static_assert(index(VmcsField::GUEST_RIP) == 15);
static_assert(full(VmcsField::TSC_OFFSET_HIGH) == VmcsField::TSC_OFFSET);
static_assert(access_bits(VmcsField::TSC_OFFSET) == 64 && access_bits(VmcsField::TSC_OFFSET_HIGH) == 32);
static_assert(access_mask(VmcsField::GUEST_CS_SELECTOR) == 0xffff);

TEST(VmcsField, ListsEachEncodingOnceInOrder) {
    const auto& fields = all_vmcs_fields();
    for (size_t i = 1; i < fields.size(); ++i)
        EXPECT_LT(encoding(fields[i - 1]), encoding(fields[i])) << name(fields[i]);
}

TEST(VmcsField, HasAHighAccessForExactlyThe64BitFields) {
    for (const VmcsField field : all_vmcs_fields()) {
        EXPECT_TRUE(exists(full(field))) << name(field);
        EXPECT_EQ(exists(static_cast<VmcsField>(encoding(field) | 1)), width(field) == VmcsWidth::BITS64)
            << name(field);
        const std::string text = name(field);
        EXPECT_EQ(text.ends_with("_HIGH"), access_high(field)) << text;
    }
}

TEST(VmcsField, HasTheTypeThatItsNameSays) {
    for (const VmcsField field : all_vmcs_fields()) {
        const std::string text = name(field);
        const auto expect_type = [&](bool applies, VmcsType wanted) {
            EXPECT_TRUE(!applies || type(field) == wanted) << text;
        };
        const auto expect_width = [&](bool applies, VmcsWidth wanted) {
            EXPECT_TRUE(!applies || width(field) == wanted) << text;
        };
        const bool exit_address = text.ends_with("_ADDRESS") || text.ends_with("_ADDRESS_HIGH");
        expect_type(text.starts_with("HOST_"), VmcsType::HOST_STATE);
        expect_type(text.starts_with("GUEST_") && !exit_address, VmcsType::GUEST_STATE);
        expect_type(text.starts_with("GUEST_") && exit_address, VmcsType::READ_ONLY);
        expect_width(text.ends_with("_SELECTOR"), VmcsWidth::BITS16);
        expect_width(text.ends_with("_LIMIT") || text.ends_with("_RIGHTS"), VmcsWidth::BITS32);
        expect_width(text.ends_with("_BASE"), VmcsWidth::NATURAL);
    }
    EXPECT_TRUE(is_read_only(VmcsField::EXIT_REASON));
    EXPECT_FALSE(is_read_only(VmcsField::VMCS_LINK_POINTER));
}

TEST(VmcsField, DoesNotKnowOtherEncodings) {
    EXPECT_EQ(name(static_cast<VmcsField>(0x0001)), nullptr);
    EXPECT_EQ(name(static_cast<VmcsField>(0x482c)), nullptr);
    EXPECT_EQ(name(static_cast<VmcsField>(0x10000)), nullptr);
}

}  // namespace
}  // namespace vtless::x86
