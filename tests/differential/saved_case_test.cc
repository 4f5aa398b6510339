// SPDX-License-Identifier: MIT
#include "tests/differential/saved_case.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/rom/run.h"
#include "vcpu/exit.h"

namespace vtless::differential {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::string path() { return rom::scratch("saved-case") + "/case.json"; }

SavedCase some_case() {
    SavedCase saved;
    saved.mode = Mode::Long64;
    saved.seed = 0x8000'0000'0000'0001;
    saved.code = {0xf0, 0xf6, 0x1c, 0x25, 0x6c, 0x94, 0x00, 0x00};
    saved.found = "seed 1";
    saved.rule = "because";
    saved.expected.end = {static_cast<uint64_t>(ExitKind::IoWrite), 1, 2};
    saved.expected.rip = 0x1028;
    saved.expected.gprs[15] = ~uint64_t{0};
    saved.expected.memory = {3, 4, 5};
    return saved;
}

// What is wrong with a case after the change.
std::string refusal(const std::function<void(Json&)>& change) {
    EXPECT_TRUE(save_case(some_case(), path()));
    Json json = Json::parse(std::ifstream(path()));
    change(json);
    std::ofstream(path()) << json;
    const auto loaded = load_case(path());
    return loaded ? "" : loaded.error();
}

TEST(SavedCase, IsReadAsItWasWritten) {
    const SavedCase saved = some_case();
    ASSERT_TRUE(save_case(saved, path()));
    const auto loaded = load_case(path());
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(loaded->mode, saved.mode);
    EXPECT_EQ(loaded->seed, saved.seed);
    EXPECT_EQ(loaded->code, saved.code);
    EXPECT_EQ(loaded->found, saved.found);
    EXPECT_EQ(loaded->rule, saved.rule);
    EXPECT_EQ(loaded->expected, saved.expected);
}

TEST(SavedCase, SaysWhatItsInstructionsAre) {
    const SavedCase saved = some_case();
    const auto lines = disassemble(saved.mode, saved.program());
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_THAT(lines[0], HasSubstr("lock neg byte ptr [0x946c]"));
    const std::vector<uint8_t> cut = {0x90, 0xf0};
    EXPECT_EQ(disassemble(Mode::Real16, Program(Mode::Real16, cut)).at(1), ".byte f0");
}

TEST(SavedCase, WhatCannotBeReadIsNamed) {
    EXPECT_THAT(load_case("/nowhere/case.json").error(), HasSubstr("/nowhere/case.json: cannot be read"));
    EXPECT_EQ(refusal([](Json&) {}), "");
    EXPECT_THAT(refusal([](Json& json) { json["mode"] = "big"; }),
                HasSubstr("none of real, protected, long"));
    EXPECT_THAT(refusal([](Json& json) { json["seed"] = "12"; }), HasSubstr("\"seed\": \"12\""));
    EXPECT_THAT(refusal([](Json& json) { json["code"] = "f"; }), HasSubstr("\"code\""));
    EXPECT_THAT(refusal([](Json& json) { json["code"] = "0x"; }), HasSubstr("\"code\""));
    EXPECT_THAT(refusal([](Json& json) { json["code"] = std::string(1026, '0'); }), HasSubstr("\"code\""));
    EXPECT_THAT(refusal([](Json& json) { json["expected"]["exit"] = "Crash"; }), HasSubstr("no exit"));
    EXPECT_THAT(refusal([](Json& json) { json["expected"].erase("RAX"); }), HasSubstr("RAX"));
    EXPECT_THAT(refusal([](Json& json) { json.erase("rule"); }), HasSubstr("rule"));
}

TEST(SavedCase, CannotBeWrittenWhereNoFolderIs) {
    EXPECT_THAT(save_case(some_case(), "/nowhere/case.json").error(), HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace vtless::differential
