// SPDX-License-Identifier: MIT
#include "isa/x86/exit_qualification.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace vtless::x86 {
namespace {

// Layouts from SDM Vol. 3C tables 28-1 to 28-7.
static_assert(IoQualification::decode(0x03f80048) == IoQualification{1, true, false, false, true, 0x3f8});
static_assert(IoQualification::decode(0x01f00031) == IoQualification{2, false, true, true, false, 0x1f0});
static_assert(CrAccessQualification::decode(0x0703) ==
              CrAccessQualification{3, CrAccessType::MOV_TO, false, Gpr::RDI, 0});
static_assert(CrAccessQualification::decode(0xfff10070) ==
              CrAccessQualification{0, CrAccessType::LMSW, true, Gpr::RAX, 0xfff1});
static_assert(DrAccessQualification::decode(0xb17) == DrAccessQualification{7, true, Gpr::R11});
static_assert(TaskSwitchQualification::decode(0xc0000028) ==
              TaskSwitchQualification{0x28, TaskSwitchSource::IDT_TASK_GATE});
static_assert(DebugQualification::decode(0x4002) == DebugQualification{2, false, false, true, false});
static_assert(ApicAccessQualification::decode(0x1300) ==
              ApicAccessQualification{0x300, ApicAccessType::LINEAR_WRITE, false});

template <class Qualification>
void expect_round_trips(uint64_t defined) {
    const std::initializer_list<uint64_t> patterns = {0, ~uint64_t{0}, 0xa5a5a5a5a5a5a5a5,
                                                      0x5a5a5a5a5a5a5a5a};
    for (uint64_t raw : patterns) {
        raw &= defined;
        EXPECT_EQ(Qualification::decode(raw).encode(), raw);
        EXPECT_EQ(Qualification::decode(raw | ~defined).encode(), raw) << "undefined bits must be ignored";
    }
}

TEST(ExitQualification, EncodesWhatItDecoded) {
    expect_round_trips<IoQualification>(0xffff007f);
    expect_round_trips<CrAccessQualification>(0xffff0f7f);
    expect_round_trips<DrAccessQualification>(0xf17);
    expect_round_trips<TaskSwitchQualification>(0xc000ffff);
    expect_round_trips<DebugQualification>(0x1680f);
    expect_round_trips<ApicAccessQualification>(0x1ffff);
    expect_round_trips<EptViolationQualification>(0x1ffff);
}

TEST(EptViolationQualification, NamesEachBit) {
    const auto write = EptViolationQualification::decode(0x18a);
    EXPECT_FALSE(write.read());
    EXPECT_TRUE(write.write());
    EXPECT_FALSE(write.fetch());
    EXPECT_TRUE(write.readable());
    EXPECT_FALSE(write.writable());
    EXPECT_FALSE(write.executable());
    EXPECT_FALSE(write.user_executable());
    EXPECT_TRUE(write.gla_valid());
    EXPECT_TRUE(write.final_translation());
    EXPECT_FALSE(write.nmi_unblocking());
    EXPECT_TRUE(EptViolationQualification::decode(0x1000).nmi_unblocking());
}

}  // namespace
}  // namespace vtless::x86
