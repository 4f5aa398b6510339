// SPDX-License-Identifier: MIT
#include "tests/conformance/support/tally.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace vtless::conformance {
namespace {

std::map<std::string, Tally>& tallies() {
    static std::map<std::string, Tally> all;
    return all;
}

class Report : public ::testing::Environment {
  public:
    void TearDown() override {
        for (const auto& [backend, tally] : tallies())
            std::printf("%s: %s", backend.c_str(), tally.text().c_str());
    }
};
[[maybe_unused]] const ::testing::Environment* const kReport =
    ::testing::AddGlobalTestEnvironment(new Report);

}  // namespace

Tally& Tally::of(const std::string& backend) { return tallies()[backend]; }

void Tally::passed(bool details_unchecked) {
    ++passed_;
    if (details_unchecked) ++details_unchecked_;
}

std::string Tally::text() const {
    unsigned skipped = 0;
    for (const auto& [why, count] : skipped_) skipped += count;
    std::string all = fmt::format("{} passed", passed_);
    if (details_unchecked_ != 0)
        all += fmt::format(" ({} of them without the details of VMX)", details_unchecked_);
    all +=
        fmt::format(", {} failed, {} skipped as known deviations, {} skipped\n", failed_, deviated_, skipped);
    for (const auto& [why, count] : skipped_) all += fmt::format("  {:4} skipped: {}\n", count, why);
    return all;
}

}  // namespace vtless::conformance
