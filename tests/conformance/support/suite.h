// SPDX-License-Identifier: MIT
// The type list of backends, and what makes a case a test of each of them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>

#include "tests/conformance/support/guest.h"
#include "tests/conformance/support/kvm_on_linux.h"
#include "tests/conformance/support/layout.h"
#include "tests/conformance/support/vmx_on_sim.h"

namespace vtless::conformance {

// A new backend is one more type here, last: the first is */0 for gtest, and so on.
using Backends = ::testing::Types<VmxOnSim, KvmOnLinux>;

template <class B>
class Conformance : public ::testing::Test {};

// A type of the list.
struct BackendType {
    const char* name;
    const char* arch;  // Capabilities::backend
    std::span<const Variant> variants;
    // Throws CannotRun where the backend is absent.
    std::unique_ptr<Backend> (*create)(const Variant& variant);
    bool may_skip;
    const Deviation* (*deviation)(const std::string& test, const Backend& backend);
};

struct Case {
    const char* file;
    void (*body)(Guest&);
};

// Runs the case under every variant of the backend: each must do as the first did, registers, cycles and all.
void run_case(const BackendType& type, const Case& which);

template <class B>
void run_case(const Case& which) {
    const std::string type = ::testing::UnitTest::GetInstance()->current_test_info()->type_param();
    ASSERT_EQ(type.substr(type.rfind(':') + 1), B::kName);
    run_case({B::kName, B::kArch, B::kVariants, B::create, B::may_skip(), B::deviation}, which);
}

}  // namespace vtless::conformance

// Once in each file of cases: CONFORMANCE_SUITE(Exits); then CONFORMANCE_CASE(Exits, Cpuid) {
// guest.start(...); ... }
#define CONFORMANCE_SUITE(suite)                                                        \
    template <class B> /* NOLINTNEXTLINE(bugprone-macro-parentheses): a class's name */ \
    class suite : public ::vtless::conformance::Conformance<B> {};                      \
    TYPED_TEST_SUITE(suite, ::vtless::conformance::Backends)

#define CONFORMANCE_CASE(suite, name)                                                  \
    static void suite##_##name##_case(::vtless::conformance::Guest& guest);            \
    TYPED_TEST(suite, name) {                                                          \
        ::vtless::conformance::run_case<TypeParam>({__FILE__, suite##_##name##_case}); \
    }                                                                                  \
    static void suite##_##name##_case(::vtless::conformance::Guest& guest)
