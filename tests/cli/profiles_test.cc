// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/command.h"

namespace vtless::cli {
namespace {

TEST(Profiles, AreListedShownAndValidated) {
    const auto list = run_command({"profiles"});
    EXPECT_EQ(list.status, 0);
    EXPECT_TRUE(
        contains(list.out, "cascade-lake      Cascade Lake, 2019        VM exit and entry     439 cycles"));
    EXPECT_TRUE(contains(list.out, "VM exit and entry unknown cycles")) << list.out;
    const auto shown = run_command({"profiles", "show", "westmere"});
    EXPECT_EQ(shown.status, 0);
    EXPECT_TRUE(contains(shown.out, "vm_exit_round_trip             761  Agesen")) << shown.out;
    EXPECT_TRUE(contains(shown.out, "free parameter: no source")) << shown.out;
    const auto validated = run_command({"profiles", "validate"});
    EXPECT_EQ(validated.status, 0);
    EXPECT_TRUE(contains(validated.out, "+8.1%  check")) << validated.out;
    EXPECT_TRUE(contains(validated.out, "sapphire-rapids  has unknown numbers")) << validated.out;
}

TEST(Profiles, WhatIsNotThereIsNamed) {
    expect_refused({"profiles", "show", "pentium"}, "no timing profile \"pentium\"");
    expect_refused({"profiles", "show"}, "NAME|FILE is required");
    expect_refused({"profiles", "fit"}, "fit");
    const std::vector<std::string> flat = {"run",    "--flat",  "/dev/null", "--load",
                                           "0x8000", "--entry", "0x8000"};
    const auto with = [&](const std::string& profile) {
        auto arguments = flat;
        arguments.insert(arguments.end(), {"--profile", profile});
        return arguments;
    };
    expect_refused(with("sapphire-rapids"),
                   "--profile: timing profile sapphire-rapids: vm_exit_round_trip is unknown");
    expect_refused(with("/nonexistent.json"), "--profile: /nonexistent.json");
    auto on_kvm = with("westmere");
    on_kvm.insert(on_kvm.end(), {"--backend", "kvm"});
    expect_refused(on_kvm, "not on --backend kvm: --profile");
    expect_refused({"machine", "/dev/null", "--profile", "sapphire-rapids"}, "vm_exit_round_trip is unknown");
}

}  // namespace
}  // namespace vtless::cli
