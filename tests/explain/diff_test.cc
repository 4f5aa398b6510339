// SPDX-License-Identifier: MIT
#include "explain/diff.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vtless::explain {
namespace {

using F = x86::VmcsField;

std::string text(const Dump& before, const Dump& after) { return text_diff(diff(before, after)); }

TEST(VmcsDiff, IsEmptyForTheSame) {
    Dump dump;
    dump.fields[F::GUEST_RIP] = 1;
    EXPECT_EQ(text(dump, dump), "");
}

TEST(VmcsDiff, NamesBitsAndParts) {
    Dump before, after;
    before.fields = {{F::GUEST_CR0, 0x31}, {F::GUEST_CS_ACCESS_RIGHTS, 0xa09b}, {F::GUEST_RIP, 1}};
    after.fields = {{F::GUEST_CR0, 0x80000011}, {F::GUEST_CS_ACCESS_RIGHTS, 0xa0f3}, {F::GUEST_RIP, 2}};
    EXPECT_EQ(text(before, after),
              "GUEST_CS_ACCESS_RIGHTS 0xa09b -> 0xa0f3; type 0xb to 0x3; DPL 0x0 to 0x3\n"
              "GUEST_CR0 0x31 -> 0x80000011; set PG (bit 31); cleared NE (bit 5)\n"
              "GUEST_RIP 0x1 -> 0x2\n");
}

TEST(VmcsDiff, ShowsWhatOnlyOneHas) {
    Dump before, after;
    after.fields[F::VPID] = 7;
    EXPECT_EQ(text(before, after), "VPID unknown -> 0x7\n");
    EXPECT_EQ(text(after, before), "VPID 0x7 -> unknown\n");
}

TEST(VmcsDiff, JsonHasTheSame) {
    Dump before, after;
    before.fields = {{F::GUEST_CR0, 0x31}, {F::GUEST_RIP, 1}};
    after.fields = {{F::GUEST_CR0, 0x11}, {F::VPID, 7}};
    const auto list = nlohmann::json::parse(json_diff(diff(before, after)));
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[0],
              nlohmann::json::parse(R"({"field": "VPID", "before": null, "after": "0x7", "changes": []})"));
    EXPECT_EQ(list[1]["field"], "GUEST_CR0");
    EXPECT_EQ(list[1]["changes"], nlohmann::json::array({"cleared NE (bit 5)"}));
    EXPECT_TRUE(list[2]["after"].is_null());
    EXPECT_EQ(json_diff({}), "[]\n");
}

}  // namespace
}  // namespace vtless::explain
