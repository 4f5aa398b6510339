// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/docs/support_table.h"

namespace vtless::docs {
namespace {

std::string read_text(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// "Suite.Name" of a line that begins a test; else "".
std::string test_of(const std::string& line) {
    for (const std::string macro : {"TEST(", "TEST_F(", "TEST_P(", "TYPED_TEST(", "CONFORMANCE_CASE("}) {
        if (line.compare(0, macro.size(), macro) != 0) continue;
        const size_t comma = line.find(", "), end = line.find(')');
        if (comma == std::string::npos || end == std::string::npos || comma > end) continue;
        return line.substr(macro.size(), comma - macro.size()) + "." +
               line.substr(comma + 2, end - comma - 2);
    }
    return "";
}

}  // namespace

TestFiles find_tests(const std::string& root) {
    TestFiles found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root + "/tests")) {
        const std::filesystem::path& path = entry.path();
        if (path.extension() != ".cc") continue;
        const std::string built = read_text(path.parent_path() / "CMakeLists.txt");
        if (built.find(path.filename().string()) == std::string::npos) continue;
        std::ifstream text(path);
        for (std::string line; std::getline(text, line);)
            if (const std::string test = test_of(line); !test.empty())
                found[test] = std::filesystem::relative(path, root).string();
    }
    return found;
}

}  // namespace vtless::docs
