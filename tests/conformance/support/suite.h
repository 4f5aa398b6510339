// SPDX-License-Identifier: MIT
// The type list of backends, and what makes a case a test of each of them.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/conformance/support/guest.h"
#include "tests/conformance/support/layout.h"
#include "tests/conformance/support/vmx_on_sim.h"

namespace vtless::conformance {

// A new backend is one more type here.
using Backends = ::testing::Types<VmxOnSim>;

template <class B>
class Conformance : public ::testing::Test {};

// What a case saw under one variant, or why it cannot run on this processor.
struct Outcome {
    std::vector<Observed> observed;
    std::string skipped;
};
Outcome run_variant(std::unique_ptr<Backend> backend, const char* file, void (*body)(Guest&));
void expect_same(const std::vector<Observed>& first, const std::vector<Observed>& other,
                 const Variant& variant);

// Runs the case under every variant of the backend: each must do as the first did, registers, cycles and all.
template <class B>
void run_case(const char* file, void (*body)(Guest&)) {
    const std::string type = ::testing::UnitTest::GetInstance()->current_test_info()->type_param();
    std::vector<Observed> first;
    for (const Variant& variant : B::kVariants) {
        SCOPED_TRACE(variant.name);
        auto backend = B::create(variant);
        ASSERT_EQ(type.substr(type.rfind(':') + 1), backend->name());
        const Outcome outcome = run_variant(std::move(backend), file, body);
        if (::testing::Test::HasFailure()) return;
        if (!outcome.skipped.empty()) GTEST_SKIP() << outcome.skipped;
        if (first.empty()) first = outcome.observed;
        expect_same(first, outcome.observed, variant);
    }
}

}  // namespace vtless::conformance

// Once in each file of cases: CONFORMANCE_SUITE(Exits); then CONFORMANCE_CASE(Exits, Cpuid) {
// guest.start(...); ... }
#define CONFORMANCE_SUITE(suite)                                                        \
    template <class B> /* NOLINTNEXTLINE(bugprone-macro-parentheses): a class's name */ \
    class suite : public ::vtless::conformance::Conformance<B> {};                      \
    TYPED_TEST_SUITE(suite, ::vtless::conformance::Backends)

#define CONFORMANCE_CASE(suite, name)                                                                        \
    static void suite##_##name##_case(::vtless::conformance::Guest& guest);                                  \
    TYPED_TEST(suite, name) { ::vtless::conformance::run_case<TypeParam>(__FILE__, suite##_##name##_case); } \
    static void suite##_##name##_case(::vtless::conformance::Guest& guest)
