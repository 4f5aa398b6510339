// SPDX-License-Identifier: MIT
// VMX instructions outside VM entry, and their numbered errors. SDM Vol. 3C "VMX Instruction Reference" (31).
#include "sim/vmx/vmx_operation.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sim/vmx/capability.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::Vector;
using x86::VmInstructionError;
using x86::VmxStatus;

class VmxOperationTest : public ::testing::Test {
  protected:
    VmxOperationTest() {
        for (Hpa* region : {&vmxon_region, &first, &second}) {
            EXPECT_TRUE(memory.allocate_frame(*region));
            set_header(*region, capability::kRevision);
        }
        root.cr4 |= x86::cr4::VMXE;
        operation.set_feature_control(capability::kFeatureControl);
    }

    void set_header(Hpa region, uint32_t value) { std::memcpy(memory.map(region), &value, sizeof value); }
    void turn_on() { ASSERT_TRUE(operation.vmxon(vmxon_region).ok()); }
    void make_current(Hpa region) { ASSERT_TRUE(operation.vmptrld(region).ok()); }
    uint64_t error_field() { return operation.current()->get(F::VM_INSTRUCTION_ERROR); }

    HostMemory memory = HostMemory::create(1 << 20).value();
    RootState root;
    VmxCapabilities capabilities = kEngineCapabilities;
    VmxOperation operation{memory, root, capabilities};
    Hpa vmxon_region, first, second;
};

TEST_F(VmxOperationTest, InstructionsBeforeVmxonAreUndefined) {
    Hpa stored;
    const VmxStatus undefined = VmxStatus::fault(Vector::UD);
    EXPECT_EQ(operation.vmxoff(), undefined);
    EXPECT_EQ(operation.vmclear(first), undefined);
    EXPECT_EQ(operation.vmptrld(first), undefined);
    EXPECT_EQ(operation.vmptrst(stored), undefined);
    EXPECT_EQ(operation.check_vmread(F::GUEST_RIP), undefined);
    EXPECT_EQ(operation.check_vmwrite(F::GUEST_RIP), undefined);
}

TEST_F(VmxOperationTest, VmxonWithoutVmxeIsUndefined) {
    root.cr4 &= ~x86::cr4::VMXE;
    EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fault(Vector::UD));
}

TEST_F(VmxOperationTest, VmxonWithWrongFixedBitsIsGeneralProtection) {
    root.cr0 &= ~x86::cr0::NE;
    EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fault(Vector::GP));
}

TEST_F(VmxOperationTest, VmxonNeedsFeatureControlLockedAndEnabled) {
    for (const uint64_t value :
         {uint64_t{0}, x86::feature_control::LOCK, x86::feature_control::VMX_OUTSIDE_SMX}) {
        operation.set_feature_control(value);
        EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fault(Vector::GP));
    }
}

TEST_F(VmxOperationTest, VmxonOfABadRegionFailsInvalid) {
    EXPECT_EQ(operation.vmxon(vmxon_region + 8), VmxStatus::fail_invalid());
    EXPECT_EQ(operation.vmxon(Hpa(uint64_t{1} << 40)), VmxStatus::fail_invalid());
    set_header(vmxon_region, capability::kRevision + 1);
    EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fail_invalid());
}

TEST_F(VmxOperationTest, VmxonInRootOperationIsError15) {
    turn_on();
    EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fail_invalid());  // no current VMCS to hold a number
    make_current(first);
    EXPECT_EQ(operation.vmxon(vmxon_region), VmxStatus::fail_valid(VmInstructionError::VMXON_IN_VMX_ROOT));
    EXPECT_EQ(error_field(), 15);
}

TEST_F(VmxOperationTest, VmptrstGivesAllOnesWithoutCurrentVmcs) {
    turn_on();
    Hpa stored;
    ASSERT_TRUE(operation.vmptrst(stored).ok());
    EXPECT_EQ(stored.value(), ~uint64_t{0});
    make_current(first);
    ASSERT_TRUE(operation.vmptrst(stored).ok());
    EXPECT_EQ(stored, first);
}

TEST_F(VmxOperationTest, VmptrldErrorsAre9To11) {
    turn_on();
    make_current(first);
    EXPECT_EQ(operation.vmptrld(second + 4),
              VmxStatus::fail_valid(VmInstructionError::VMPTRLD_INVALID_PHYSICAL_ADDRESS));
    EXPECT_EQ(operation.vmptrld(vmxon_region),
              VmxStatus::fail_valid(VmInstructionError::VMPTRLD_VMXON_POINTER));
    set_header(second, capability::kRevision + 1);
    EXPECT_EQ(operation.vmptrld(second),
              VmxStatus::fail_valid(VmInstructionError::VMPTRLD_INCORRECT_REVISION));
    EXPECT_EQ(error_field(), 11);
    EXPECT_EQ(operation.current()->address(), first);
}

TEST_F(VmxOperationTest, VmclearErrorsAre2And3) {
    turn_on();
    make_current(first);
    EXPECT_EQ(operation.vmclear(Hpa(1)),
              VmxStatus::fail_valid(VmInstructionError::VMCLEAR_INVALID_PHYSICAL_ADDRESS));
    EXPECT_EQ(operation.vmclear(vmxon_region),
              VmxStatus::fail_valid(VmInstructionError::VMCLEAR_VMXON_POINTER));
}

TEST_F(VmxOperationTest, VmclearKeepsTheDataAndClearsTheLaunchState) {
    turn_on();
    make_current(first);
    operation.current()->set(F::GUEST_RIP, 0x1234);
    operation.current()->set_launched(true);
    ASSERT_TRUE(operation.vmclear(first).ok());
    EXPECT_EQ(operation.current(), nullptr);
    make_current(first);
    EXPECT_EQ(operation.current()->get(F::GUEST_RIP), 0x1234);
    EXPECT_FALSE(operation.current()->launched());
}

TEST_F(VmxOperationTest, AnActiveVmcsKeepsItsLaunchStateWhileAnotherIsCurrent) {
    turn_on();
    make_current(first);
    operation.current()->set_launched(true);
    make_current(second);
    EXPECT_FALSE(operation.current()->launched());
    make_current(first);
    EXPECT_TRUE(operation.current()->launched());
}

TEST_F(VmxOperationTest, ARegionThatVmclearNeverWroteReadsAsZero) {
    turn_on();
    std::memset(memory.map(first) + 8, 0xa5, 4088);
    make_current(first);
    for (unsigned i = 0; i < kSupportedFieldCount; ++i)
        EXPECT_EQ(operation.current()->get(kSupportedFields[i]), 0);
}

TEST_F(VmxOperationTest, AccessWithoutCurrentVmcsFailsInvalid) {
    turn_on();
    EXPECT_EQ(operation.check_vmread(F::GUEST_RIP), VmxStatus::fail_invalid());
}

TEST_F(VmxOperationTest, UnsupportedFieldsAreError12) {
    turn_on();
    make_current(first);
    const auto unsupported = VmxStatus::fail_valid(VmInstructionError::UNSUPPORTED_VMCS_COMPONENT);
    EXPECT_EQ(operation.check_vmread(F::XSS_EXITING_BITMAP), unsupported);
    EXPECT_EQ(operation.check_vmread(static_cast<F>(0x6840)), unsupported);
    EXPECT_EQ(operation.check_vmread(static_cast<F>(x86::encoding(F::GUEST_RIP) | 1)), unsupported);
    EXPECT_EQ(operation.check_vmread(static_cast<F>(x86::encoding(F::GUEST_RIP) | 1u << 12)), unsupported);
    EXPECT_EQ(operation.check_vmwrite(static_cast<F>(0x80000000)), unsupported);
    EXPECT_EQ(error_field(), 12);
}

TEST_F(VmxOperationTest, EverySupportedFieldCanBeRead) {
    turn_on();
    make_current(first);
    unsigned supported = 0;
    for (const F field : x86::all_vmcs_fields())
        supported += operation.check_vmread(field).ok() && !x86::access_high(field);
    EXPECT_EQ(supported, kSupportedFieldCount);
}

// SDM Vol. 3D "Miscellaneous Data" (A.6): IA32_VMX_MISC bit 29.
TEST_F(VmxOperationTest, WritingAReadOnlyFieldIsError13UnlessTheProcessorAllowsIt) {
    turn_on();
    make_current(first);
    EXPECT_TRUE(operation.check_vmwrite(F::EXIT_REASON).ok());
    capabilities.misc.raw &= ~x86::VmxMisc::kVmwriteAnyField;
    EXPECT_EQ(operation.check_vmwrite(F::EXIT_REASON),
              VmxStatus::fail_valid(VmInstructionError::VMWRITE_READ_ONLY_COMPONENT));
    EXPECT_TRUE(operation.check_vmread(F::EXIT_REASON).ok());
}

TEST_F(VmxOperationTest, AShadowIsOneThatItsRegionSaysIsOne) {
    turn_on();
    set_header(second, capability::kRevision | kShadowIndicator);
    make_current(second);
    EXPECT_TRUE(operation.current()->is_shadow());
    make_current(first);
    EXPECT_FALSE(operation.current()->is_shadow());
    ASSERT_TRUE(operation.vmclear(second).ok());
    set_header(second, capability::kRevision);
    make_current(second);
    EXPECT_FALSE(operation.current()->is_shadow());
}

TEST_F(VmxOperationTest, VmxoffLeavesVmxOperation) {
    turn_on();
    make_current(first);
    ASSERT_TRUE(operation.vmxoff().ok());
    EXPECT_FALSE(operation.on());
    EXPECT_EQ(operation.vmptrld(first), VmxStatus::fault(Vector::UD));
}

TEST(Capability, ControlWordsAllowNoBitThatMustBeOneToBeZero) {
    namespace cap = capability;
    const auto consistent = [](auto word) { return (word.allowed0() & ~word.allowed1()) == 0; };
    EXPECT_TRUE(consistent(cap::kPin));
    EXPECT_TRUE(consistent(cap::kPrimary));
    EXPECT_TRUE(consistent(cap::kSecondary));
    EXPECT_TRUE(consistent(cap::kExit));
    EXPECT_TRUE(consistent(cap::kEntry));
}

TEST(Capability, VmcsEnumNamesTheHighestIndex) {
    // TSC multiplier, 2032H.
    EXPECT_EQ(kEngineCapabilities.read(x86::Msr::IA32_VMX_VMCS_ENUM), uint64_t{0x19} << 1);
    EXPECT_EQ(kEngineCapabilities.read(x86::Msr::IA32_VMX_VMFUNC), 1u);
}

}  // namespace
}  // namespace vtless::sim
