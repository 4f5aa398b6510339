// SPDX-License-Identifier: MIT
// docs/support.md: every control bit, exit reason and VMCS field, and what shows that it works or why it is
// missing.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/docs/shown_by.h"

namespace vtless::docs {

// One line of the table. Of tests and why one is empty, unless the data lack something.
struct SupportRow {
    ItemKind kind;
    std::string group;   // the heading it stands under
    std::string number;  // bit, exit reason or encoding
    std::string name;
    std::string item;  // what shown_by() calls it
    bool supported = false;
    std::string why = {};
    std::vector<std::string> tests = {};
};

// By words, exits, fields.
std::vector<SupportRow> support_rows();

// "Suite.Name" to the file that holds it, relative to the root: every test that is built and not disabled.
using TestFiles = std::map<std::string, std::string>;
TestFiles find_tests(const std::string& root);

bool matches(std::string_view pattern, std::string_view item);
// The text of docs/support.md.
std::string support_page(const std::vector<SupportRow>& rows, const TestFiles& files);

}  // namespace vtless::docs
