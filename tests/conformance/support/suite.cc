// SPDX-License-Identifier: MIT
#include "tests/conformance/support/suite.h"

#include <optional>

#include "tests/conformance/support/tally.h"
#include "traces/exit_text.h"

namespace vtless::conformance {
namespace {

// What a case saw under one variant; why it cannot run; or what failed.
struct Outcome {
    std::vector<Observed> observed;
    bool details_unchecked = false;
    const Deviation* deviation = nullptr;
    std::optional<CannotRun> refusal;
    std::optional<CaseFailed> failure;
};

std::string test_name() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::string suite = info->test_suite_name();
    return suite.substr(0, suite.find('/')) + "." + info->name();
}

Outcome run_variant(const BackendType& type, const Variant& variant, const Case& which) {
    Outcome outcome;
    try {
        auto backend = type.create(variant);
        EXPECT_EQ(backend->name(), type.name);
        EXPECT_STREQ(backend->capabilities().backend, type.arch);
        outcome.deviation = type.deviation(test_name(), *backend);
        Guest guest(std::move(backend));
        which.body(guest);
        EXPECT_FALSE(guest.record().empty()) << "the case ran nothing";
        outcome.observed = guest.record();
        outcome.details_unchecked = guest.left_details_unchecked();
    } catch (const CannotRun& refusal) {
        outcome.refusal = refusal;
    } catch (const CaseFailed& failure) {
        outcome.failure = failure;
    }
    return outcome;
}

void expect_same(const std::vector<Observed>& first, const std::vector<Observed>& other,
                 const Variant& variant) {
    ASSERT_EQ(first.size(), other.size()) << variant.name;
    for (size_t i = 0; i < first.size(); ++i) {
        const Registers& a = first[i].registers;
        const Registers& b = other[i].registers;
        ASSERT_EQ(traces::exit_text(first[i].exit), traces::exit_text(other[i].exit)) << "exit " << i;
        ASSERT_EQ(a.rip, b.rip) << "exit " << i;
        ASSERT_EQ(a.cycles, b.cycles) << "exit " << i;
        ASSERT_EQ(a.instructions, b.instructions) << "exit " << i;
        ASSERT_TRUE(first[i] == other[i]) << "exit " << i << ": registers differ";
    }
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void run_case(const BackendType& type, const Case& which) {
    std::vector<Observed> first;
    bool details_unchecked = false;
    for (const Variant& variant : type.variants) {
        SCOPED_TRACE(variant.name);
        const Outcome outcome = run_variant(type, variant, which);
        if (outcome.refusal) {
            if (!type.may_skip) FAIL() << "nothing is skipped here: " << outcome.refusal->why;
            Tally::of(type.name).skipped(outcome.refusal->why);
            GTEST_SKIP() << outcome.refusal->why;
        }
        if (outcome.failure && outcome.deviation != nullptr) {
            Tally::of(type.name).deviated();
            GTEST_SKIP() << "known deviation: " << outcome.deviation->why
                         << "\n  here: " << first_line(outcome.failure->story);
        }
        if (!outcome.failure && outcome.deviation != nullptr && outcome.deviation->always)
            ADD_FAILURE() << "passes, although it is a known deviation: " << outcome.deviation->why;
        if (outcome.failure) ADD_FAILURE_AT(which.file, outcome.failure->line) << outcome.failure->story;
        if (::testing::Test::HasFailure()) return Tally::of(type.name).failed();
        if (first.empty()) first = outcome.observed;
        expect_same(first, outcome.observed, variant);
        details_unchecked |= outcome.details_unchecked;
    }
    Tally::of(type.name).passed(details_unchecked);
}

}  // namespace vtless::conformance
