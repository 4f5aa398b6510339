// SPDX-License-Identifier: MIT
// The tables of numbers that have names.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "isa/x86/exit_reason.h"
#include "isa/x86/msr.h"
#include "isa/x86/vmx_error.h"

namespace vtless::x86 {
namespace {

static_assert(static_cast<int>(ExitReason::CPUID) == 10 && static_cast<int>(ExitReason::HLT) == 12);
static_assert(static_cast<int>(ExitReason::IO_INSTRUCTION) == 30 &&
              static_cast<int>(ExitReason::EPT_VIOLATION) == 48);
static_assert(static_cast<int>(ExitReason::PREEMPTION_TIMER) == 52 &&
              static_cast<int>(ExitReason::WRMSRLIST) == 79);
static_assert(ExitReasonField{0x80000021}.entry_failure());
static_assert(ExitReasonField{0x80000021}.basic() == ExitReason::ENTRY_FAILURE_GUEST_STATE);

static_assert(static_cast<uint32_t>(Msr::IA32_VMX_EPT_VPID_CAP) == 0x48c);
static_assert(static_cast<uint32_t>(Msr::IA32_VMX_EXIT_CTLS2) == 0x493);
static_assert(static_cast<uint32_t>(Msr::IA32_MTRR_PHYSMASK9) == 0x213);
static_assert(static_cast<uint32_t>(Msr::IA32_MTRR_FIX4K_F8000) == 0x26f);
static_assert(static_cast<uint32_t>(Msr::IA32_X2APIC_IRR7) == 0x827);
static_assert(is_x2apic(Msr::IA32_X2APIC_APICID) && !is_x2apic(Msr::IA32_XSS));
static_assert(is_valid_pat(kPatReset) && !is_valid_pat(2) && !is_valid_pat(0x0300) &&
              !is_valid_pat(8ull << 56));

TEST(ExitReason, NamesEveryReasonDifferently) {
    std::set<std::string> names;
    for (const ExitReason reason : all_exit_reasons()) names.insert(name(reason));
    EXPECT_EQ(names.size(), all_exit_reasons().size());
    EXPECT_EQ(name(static_cast<ExitReason>(35)), nullptr);
    EXPECT_EQ(name(static_cast<ExitReason>(0xffff)), nullptr);
    EXPECT_STREQ(name(ExitReason::EPT_MISCONFIGURATION), "EPT_MISCONFIGURATION");
}

TEST(VmInstructionError, DescribesEveryNumberInASentence) {
    std::set<std::string> sentences;
    for (const VmInstructionError error : all_vm_instruction_errors()) {
        ASSERT_NE(name(error), nullptr);
        const std::string sentence = describe(error);
        EXPECT_EQ(sentence.back(), '.') << sentence;
        sentences.insert(sentence);
    }
    // SDM Vol. 3C 31.4: 1 to 28 without 14, 21 and 27.
    EXPECT_EQ(sentences.size(), 25u);
    for (const uint32_t undefined : {0u, 14u, 21u, 27u, 29u})
        EXPECT_EQ(describe(static_cast<VmInstructionError>(undefined)), nullptr);
}

TEST(Msr, HasNoNameForAnUnknownAddress) {
    EXPECT_STREQ(name(Msr::IA32_EFER), "IA32_EFER");
    EXPECT_EQ(name(static_cast<Msr>(0xc0011029)), nullptr);
}

}  // namespace
}  // namespace vtless::x86
