// SPDX-License-Identifier: MIT
// What the fuzzer starts from, and what it has found: each does the same every time, and no two do the same.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

#include "tests/fuzz/vmx_input.h"

namespace vtless::sim {
namespace {

TEST(FuzzCorpus, EachDoesTheSameTwiceAndSomethingOfItsOwn) {
    std::map<uint64_t, std::string> seen;
    for (const auto& entry : std::filesystem::directory_iterator(VTLESS_FUZZ_CORPUS)) {
        SCOPED_TRACE(entry.path());
        std::ifstream file(entry.path(), std::ios::binary);
        const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
        const std::vector<uint8_t> bytes(text.begin(), text.end());
        const uint64_t digest = vmx_input_digest(bytes);
        EXPECT_EQ(digest, vmx_input_digest(bytes));
        EXPECT_TRUE(seen.emplace(digest, entry.path()).second) << "as " << seen[digest];
    }
    EXPECT_GE(seen.size(), 8u);
}

}  // namespace
}  // namespace vtless::sim
