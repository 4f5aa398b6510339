// SPDX-License-Identifier: MIT
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

class FieldRules : public SanitizerFixture {
  protected:
    FieldRules() { code({0x0f, 0xa2, 0xf4}); }
};

TEST_F(FieldRules, AReadOfWhatWasNeverWritten) {
    (void)read(F::TSC_OFFSET);
    ASSERT_TRUE(only("field.read-unwritten"));
    EXPECT_TRUE(mentions("Field: TSC_OFFSET.")) << details();
    (void)read(F::TSC_OFFSET);
    EXPECT_EQ(sanitizer.findings()[0].count, 2u);
}

TEST_F(FieldRules, AReadOfTheUpperHalfIsARead) {
    (void)read(F::TSC_OFFSET_HIGH);
    EXPECT_TRUE(only("field.read-unwritten"));
}

TEST_F(FieldRules, ExitInformationBeforeAnyExit) {
    (void)read(F::EXIT_REASON);
    EXPECT_TRUE(only("field.read-unwritten"));
}

TEST_F(FieldRules, AnExitWritesItsInformationAndTheGuestsState) {
    EXPECT_EQ(run(), Reason::CPUID);
    for (const F field : {F::EXIT_QUALIFICATION, F::GUEST_LINEAR_ADDRESS, F::GUEST_RIP, F::GUEST_LDTR_BASE,
                          F::GUEST_IA32_DEBUGCTL, F::VM_INSTRUCTION_ERROR})
        (void)read(field);
}

TEST_F(FieldRules, WhoeverShowsAFailedEntryReadsItAll) {
    write(F::GUEST_RFLAGS, 0);
    (void)hw->vmlaunch(gprs);
    for (const F field : {F::EXIT_REASON, F::EXIT_QUALIFICATION, F::GUEST_LINEAR_ADDRESS}) (void)read(field);
}

TEST_F(FieldRules, ClearKeepsWhatWasWritten) {
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    EXPECT_TRUE(hw->vmptrld(vmcs).ok());
    EXPECT_EQ(read(F::VPID), 1u);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(FieldRules, ANewRegionHoldsNothing) {
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    std::memset(memory.map(vmcs), 0, HostMemory::kFrameSize);
    put_host<uint32_t>(vmcs, capability::kRevision);
    EXPECT_TRUE(hw->vmptrld(vmcs).ok());
    (void)read(F::VPID);
    EXPECT_TRUE(only("field.read-unwritten"));
}

TEST_F(FieldRules, ARegionThatWasCopiedHoldsWhatTheOtherHeld) {
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    Hpa copy;
    ASSERT_TRUE(memory.allocate_frame(copy));
    std::memcpy(memory.map(copy), memory.map(vmcs), HostMemory::kFrameSize);
    EXPECT_TRUE(hw->vmptrld(copy).ok());
    EXPECT_EQ(read(F::VPID), 1u);
}

TEST_F(FieldRules, AnEntryUsesWhatTheControlsSay) {
    set_primary(x86::PrimaryControls::USE_TSC_OFFSETTING);
    EXPECT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(only("field.used-unwritten"));
    EXPECT_EQ(found().size(), 1u);
    EXPECT_TRUE(mentions("Field: TSC_OFFSET.")) << details();
}

TEST_F(FieldRules, AFieldThatIsWrittenMayBeUsed) {
    set_primary(x86::PrimaryControls::USE_TSC_OFFSETTING);
    write(F::TSC_OFFSET, 0);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(FieldRules, AnErrorCodeIsUsedWithItsEvent) {
    inject(x86::EventInfo::exception(x86::Vector::GP));
    EXPECT_EQ(run(), Reason::HLT);
    ASSERT_TRUE(only("field.used-unwritten"));
    EXPECT_TRUE(mentions("VM_ENTRY_EXCEPTION_ERROR_CODE")) << details();
}

}  // namespace
}  // namespace vtless::sim
