// SPDX-License-Identifier: MIT
#include "tests/docs/support_table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace vtless::docs {
namespace {

const std::string kRoot = VTLESS_SOURCE_DIR;

TEST(SupportTable, WhatIsSupportedHasTestsAndWhatIsNotAReason) {
    for (const SupportRow& row : support_rows()) {
        const std::string name = row.group + ", " + row.number + " " + row.name;
        if (row.supported) {
            EXPECT_FALSE(row.tests.empty())
                << name << " is supported: say in tests/docs/shown_by.cc which test shows \"" << row.item
                << '"';
        } else {
            EXPECT_FALSE(row.why.empty()) << name << " is not supported: say in sim/vmx/not_advertised.h why";
        }
    }
}

TEST(SupportTable, TheTestsExist) {
    const TestFiles files = find_tests(kRoot);
    ASSERT_GT(files.size(), 1000u);
    for (const ShownBy& each : shown_by()) {
        std::istringstream tests(each.tests);
        for (std::string test; tests >> test;)
            EXPECT_EQ(files.count(test), 1u)
                << each.item << ": no test " << test << " is built, or it is disabled";
    }
}

TEST(SupportTable, EachChoiceIsOfSomethingSupported) {
    const auto rows = support_rows();
    for (const ShownBy& each : shown_by()) {
        bool used = false;
        for (const SupportRow& row : rows)
            used = used || (row.supported && row.kind == each.kind && matches(each.item, row.item));
        EXPECT_TRUE(used) << each.item << " of tests/docs/shown_by.cc is not supported or does not exist";
    }
}

TEST(SupportTable, PatternsHaveOneStar) {
    EXPECT_TRUE(matches("GUEST_*_BASE", "GUEST_FS_BASE"));
    EXPECT_TRUE(matches("HOST_*", "HOST_RIP"));
    EXPECT_FALSE(matches("GUEST_*_BASE", "GUEST_FS_LIMIT"));
    EXPECT_FALSE(matches("GUEST_*_BASE", "GUEST_BASE")) << "the underscores are two";
    EXPECT_FALSE(matches("EXIT", "EXIT_REASON"));
}

TEST(SupportTable, ThePageIsUpToDate) {
    std::ostringstream page;
    page << std::ifstream(kRoot + "/docs/support.md", std::ios::binary).rdbuf();
    const bool same = page.str() == support_page(support_rows(), find_tests(kRoot));
    EXPECT_TRUE(same) << "docs/support.md is out of date: "
                         "cmake --build --preset release --target docs_support writes it";
}

}  // namespace
}  // namespace vtless::docs
