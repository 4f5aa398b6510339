// SPDX-License-Identifier: MIT
#include "vmm/timing_profile.h"

#include <gmock/gmock.h>

#include "tests/vmm/temporary_file.h"
#include "vmm/embedded_profiles.h"

namespace vtless::vmm {
namespace {

using ::testing::HasSubstr;

std::string with(const std::string& from, const std::string& to) {
    for (const EmbeddedProfile& each : embedded_timing_profiles()) {
        std::string text = each.text;
        if (std::string(each.name) != "westmere") continue;
        const size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return text.replace(at, from.size(), to);
    }
    return {};
}
std::string refusal(const std::string& text) {
    const auto profile = parse_timing_profile(text, "x.json");
    return profile ? "" : profile.error().message;
}

TEST(TimingProfiles, EachNumberHasASourceOrSaysThatItIsFree) {
    EXPECT_EQ(timing_profile_names().size(), 12u);
    for (const std::string& name : timing_profile_names()) {
        const auto profile = load_timing_profile(name);
        ASSERT_TRUE(profile) << profile.error().message;
        EXPECT_EQ(profile->name, name);
        EXPECT_NE(profile->instructions_source, "") << name;
        EXPECT_EQ(profile->instructions.empty(), name == "sapphire-rapids") << name;
        EXPECT_EQ(profile->numbers.size(), 9u) << name;
        for (const TimingNumber& number : profile->numbers) EXPECT_NE(number.source, "") << name;
        for (const TimingCheck& check : profile->checks) EXPECT_NE(check.source, "") << name;
    }
}

TEST(TimingProfiles, TheDefaultIsWhatAnEngineDoesUnasked) {
    sim::EngineConfig config;
    const sim::EngineConfig before;
    const auto profile = load_timing_profile(kDefaultTiming);
    ASSERT_TRUE(profile && apply(*profile, config));
    EXPECT_EQ(config.transitions, before.transitions);
    EXPECT_EQ(config.costs.carried_out, before.costs.carried_out);
}

TEST(TimingProfiles, ARoundTripIsSplitWithoutALoss) {
    sim::EngineConfig config;
    auto profile = load_timing_profile("westmere");
    ASSERT_TRUE(profile && apply(*profile, config));
    EXPECT_EQ(config.transitions.vm_exit + config.transitions.vm_entry, 761u);
    profile = parse_timing_profile(with("\"value\": 50", "\"value\": 100"), "all of it");
    ASSERT_TRUE(profile && apply(*profile, config));
    EXPECT_EQ(config.transitions.vm_exit, 761u);
    EXPECT_EQ(config.transitions.vm_entry, 0u);
}

TEST(TimingProfiles, AnUnknownNumberIsNamedWhenItIsNeeded) {
    sim::EngineConfig config;
    const auto profile = load_timing_profile("sapphire-rapids");
    ASSERT_TRUE(profile);
    EXPECT_FALSE(profile->number("vm_exit_round_trip").value);
    const auto applied = apply(*profile, config);
    ASSERT_FALSE(applied);
    EXPECT_THAT(applied.error().message, HasSubstr("sapphire-rapids: vm_exit_round_trip is unknown"));
}

TEST(TimingProfiles, AnUnknownModelOfInstructionsIsNamedWhenItIsNeeded) {
    sim::EngineConfig config;
    const auto profile = parse_timing_profile(with("\"sandybridge\"", "\"unknown\""), "x.json");
    ASSERT_TRUE(profile) << profile.error().message;
    const auto applied = apply(*profile, config);
    ASSERT_FALSE(applied);
    EXPECT_THAT(applied.error().message, HasSubstr("the model of its instructions is unknown"));
}

TEST(TimingProfiles, AFileOfTheUsersIsOne) {
    const TemporaryFile file(with("761", "812"));
    const auto profile = load_timing_profile(file.path());
    ASSERT_TRUE(profile) << profile.error().message;
    EXPECT_EQ(profile->number("vm_exit_round_trip").value, 812u);
}

TEST(TimingProfiles, WhatIsWrongIsNamed) {
    EXPECT_EQ(refusal(with("761", "762")), "");
    EXPECT_THAT(refusal("{"), HasSubstr("x.json: not JSON"));
    EXPECT_THAT(refusal("[]"), HasSubstr("expected a JSON object"));
    EXPECT_THAT(refusal(with("\"processor\"", "\"part\"")), HasSubstr("unknown key \"part\""));
    EXPECT_THAT(refusal(with("\"westmere\"", "5")), HasSubstr("\"name\": expected a text"));
    EXPECT_THAT(refusal(with("761", "-1")),
                HasSubstr("\"vm_exit_round_trip\": expected a whole number up to 1000000"));
    EXPECT_THAT(refusal(with("\"value\": 50", "\"value\": 101")), HasSubstr("up to 100"));
    EXPECT_THAT(refusal(with("event_delivery", "event_delight")),
                HasSubstr("\"event_delight\" is no number"));
    EXPECT_THAT(refusal(with("\"source\": \"Agesen", "\"origin\": \"Agesen")),
                HasSubstr("\"source\": expected a text"));
    const std::string known = R"("instructions": {"value": "haswell", "source": "c"})";
    EXPECT_THAT(refusal(R"({"name": "a", "processor": "b", )" + known + R"(, "numbers": {}})"),
                HasSubstr("\"vm_exit_round_trip\" is missing"));
    EXPECT_THAT(refusal(R"({"name": "a", "processor": "b", "numbers": {}})"),
                HasSubstr("\"instructions\": expected value and source"));
    EXPECT_THAT(
        refusal(with("\"sandybridge\"", "\"i486\"")),
        HasSubstr("no model \"i486\"; there are sandybridge, haswell, broadwell, skylake, skylake-avx512"));
    const auto unknown = load_timing_profile("pentium");
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message,
                HasSubstr("no timing profile \"pentium\"; there are nehalem, westmere"));
}

}  // namespace
}  // namespace vtless::vmm
