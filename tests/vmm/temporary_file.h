// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace vtless::vmm {

// A file of the test's own that goes away with it.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& content = "") {
        static int number = 0;
        const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
        path_ = ::testing::TempDir() + "vtless-" + test->test_suite_name() + "-" + test->name() + "-" +
                std::to_string(number++);
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~TemporaryFile() { std::remove(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace vtless::vmm
