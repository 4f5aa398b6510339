// SPDX-License-Identifier: MIT
#include "lab/timing_validation.h"

#include <gmock/gmock.h>

#include <cmath>

namespace vtless::lab {
namespace {

TEST(TimingValidation, AnInputIsMet) {
    for (const std::string& name : vmm::timing_profile_names()) {
        const auto profile = vmm::load_timing_profile(name);
        ASSERT_TRUE(profile);
        const auto& number = profile->number("vm_exit_round_trip");
        const auto rows = validate(*profile);
        ASSERT_EQ(rows.has_value(), number.value.has_value()) << name;
        if (!rows) continue;
        ASSERT_FALSE(rows->empty());
        EXPECT_TRUE(rows->front().input);
        EXPECT_EQ(rows->front().model, *number.value) << name;
        EXPECT_EQ(rows->size(), 1 + profile->checks.size());
    }
}

TEST(TimingValidation, AChecksErrorIsItsOwn) {
    const auto profile = vmm::load_timing_profile("nehalem");
    const auto rows = validate(*profile);
    ASSERT_TRUE(rows && rows->size() == 2);
    const Validated& check = rows->back();
    EXPECT_FALSE(check.input);
    EXPECT_EQ(check.published, 933u);
    EXPECT_NEAR(check.error_percent(), 100 * (1009.0 - 933) / 933, 1e-9);
}

// A number that the guest does not measure is not compared with what it does.
TEST(TimingValidation, OtherNumbersHaveNoRow) {
    auto profile = vmm::load_timing_profile("nehalem");
    ASSERT_TRUE(profile);
    for (vmm::TimingNumber& number : profile->numbers) number.free = false;
    profile->checks.push_back({"event_delivery", 610, "a measurement"});
    const auto rows = validate(*profile);
    ASSERT_TRUE(rows);
    EXPECT_EQ(rows->size(), 2u);
    for (const Validated& row : *rows) EXPECT_EQ(row.number, "vm_exit_round_trip");
}

}  // namespace
}  // namespace vtless::lab
