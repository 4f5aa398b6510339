// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "tests/docs/support_table.h"

namespace vtless::docs {
namespace {

constexpr const char* kIntroduction =
    R"(# What the processor supports

Every VMX control, exit reason and VMCS field of the SDM: with the tests that show it, or why it is not advertised.
This page is generated from the processor's own tables ([feature_names.cc](../sim/vmx/feature_names.cc),
[not_advertised.h](../sim/vmx/not_advertised.h)) and from the choice of tests in
[shown_by.cc](../tests/docs/shown_by.cc):

    cmake --build --preset release --target docs_support

A test fails when it is out of date, when something supported has no test, and when a test that it names is gone.
"Supported" is what the engine can do; a processor advertises that as far as [its profile](profiles.md) has it
(`vtless doctor --cpu NAME`), and what is not advertised is refused. Where what is supported differs from silicon:
[DEVIATIONS.md](../sim/DEVIATIONS.md).
)";

std::string tests_cell(const std::vector<std::string>& tests, const TestFiles& files) {
    std::string cell;
    for (const std::string& test : tests) {
        if (!cell.empty()) cell += ", ";
        const auto file = files.find(test);
        cell += file == files.end() ? test : fmt::format("[{}](../{})", test, file->second);
    }
    return cell;
}

const char* number_heading(ItemKind kind) {
    switch (kind) {
        case ItemKind::Feature:
            return "bit";
        case ItemKind::Exit:
            return "number";
        case ItemKind::Field:
            return "encoding";
    }
    return "";
}

std::string heading(const std::vector<SupportRow>& rows, const SupportRow& first) {
    const auto of_group = [&](const SupportRow& row) { return row.group == first.group; };
    const auto supported = [&](const SupportRow& row) { return of_group(row) && row.supported; };
    std::string title = first.group;
    title[0] = static_cast<char>(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    return fmt::format(
        "\n## {}\n\n{} of {} supported.\n\n| {} | name | shown by | or why not |\n|---|---|---|---|\n", title,
        std::count_if(rows.begin(), rows.end(), supported), std::count_if(rows.begin(), rows.end(), of_group),
        number_heading(first.kind));
}

}  // namespace

std::string support_page(const std::vector<SupportRow>& rows, const TestFiles& files) {
    std::string page = kIntroduction;
    std::string group;
    for (const SupportRow& row : rows) {
        if (row.group != group) {
            group = row.group;
            page += heading(rows, row);
            if (row.kind == ItemKind::Field)
                page.insert(page.rfind("\n\n| "),
                            " 64-bit ones have a HIGH access too "
                            "(`VmxProcessorTest.VmreadOfTheHighHalfGivesTheUpperBits`).");
        }
        page += fmt::format("| {} | {} | {} | {} |\n", row.number, row.name, tests_cell(row.tests, files),
                            row.why);
    }
    return page;
}

}  // namespace vtless::docs
