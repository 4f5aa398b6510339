// SPDX-License-Identifier: MIT
#include "vcpu/vmx/failure.h"

#include <gtest/gtest.h>

#include <string>

#include "isa/x86/vmx_controls.h"

namespace vtless::vmx {
namespace {

std::string text(const VCpuError& error) {
    char buffer[300];
    const size_t length = describe(error, buffer, sizeof buffer);
    EXPECT_EQ(std::string(buffer).size(), length);
    return buffer;
}

TEST(FailureDetail, SurvivesItsEncoding) {
    const FailureDetail detail{Failure::UnmappedFrame, 0xabcd, 0xdeadbeef};
    EXPECT_EQ(FailureDetail::decode(detail.encode()), detail);
}

TEST(Describe, NamesTheMissingControls) {
    const uint32_t bits = x86::SecondaryControls::ENABLE_EPT | x86::SecondaryControls::UNRESTRICTED_GUEST;
    EXPECT_EQ(
        text(missing(ControlGroup::Secondary, bits).error()),
        "Unsupported: the processor lacks secondary controls 0x82 (\"enable EPT\", \"unrestricted guest\")");
}

TEST(Describe, GivesTheManualsReasonOfAFailedInstruction) {
    const auto error =
        instruction_failed(Instruction::VMPTRLD,
                           x86::VmxStatus::fail_valid(x86::VmInstructionError::VMPTRLD_INCORRECT_REVISION));
    EXPECT_EQ(text(error.error()).rfind("Backend: VMPTRLD: VMfailValid 0xb: The VMCS starts with", 0), 0u);
    const auto invalid = instruction_failed(Instruction::ENTRY, x86::VmxStatus::fail_invalid());
    EXPECT_EQ(text(invalid.error()), "Backend: VM entry: VMfailInvalid");
}

TEST(Describe, NamesTheRefusedField) {
    const auto error =
        fail_with(VCpuErrc::Backend, Failure::VmcsAccess, x86::encoding(x86::VmcsField::GUEST_RIP));
    EXPECT_EQ(text(error.error()), "Backend: the processor refused VMCS field GUEST_RIP, 0x681e");
}

TEST(Describe, KnowsEveryFailure) {
    for (unsigned what = 1; what <= static_cast<unsigned>(Failure::UnmappedFrame); ++what) {
        const auto error = fail_with(VCpuErrc::Backend, static_cast<Failure>(what), 1);
        EXPECT_EQ(text(error.error()).find(": detail"), std::string::npos) << what;
        EXPECT_GT(text(error.error()).size(), 15u);
    }
}

TEST(Describe, CutsToTheBuffer) {
    char buffer[8];
    EXPECT_EQ(describe(VCpuError::of(VCpuErrc::Unsupported), buffer, sizeof buffer), 7u);
    EXPECT_STREQ(buffer, "Unsuppo");
    EXPECT_EQ(describe(VCpuError::of(VCpuErrc::Unsupported), buffer, 0), 0u);
}

}  // namespace
}  // namespace vtless::vmx
