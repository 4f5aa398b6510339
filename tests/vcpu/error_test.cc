// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>

#include "vcpu/error.h"
#include "vcpu/error_text.h"

namespace vtless {
namespace {

static_assert(sizeof(VCpuError) == 16);
static_assert(std::is_trivially_copyable_v<Result<uint64_t>>);
static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);

TEST(Result, HoldsAValue) {
    const Result<int> result = 7;
    ASSERT_TRUE(result.has_value());
    EXPECT_TRUE(static_cast<bool>(result));
    EXPECT_EQ(*result, 7);
    EXPECT_EQ(result.value(), 7);
}

TEST(Result, HoldsAnError) {
    const Result<int> result = fail(VCpuErrc::InvalidInput, 42);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), VCpuError::of(VCpuErrc::InvalidInput, 42));
}

TEST(Result, OfVoidHoldsNothingOrAnError) {
    const Result<void> fine;
    EXPECT_TRUE(fine);
    fine.value();
    const Result<void> failed = fail(VCpuErrc::Unsupported);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, VCpuErrc::Unsupported);
}

TEST(Result, MovesWhatCannotBeCopiedAndDestroysItOnce) {
    auto shared = std::make_shared<int>(1);
    {
        Result<std::shared_ptr<int>, std::string> a = shared;
        Result<std::shared_ptr<int>, std::string> b = std::move(a);
        EXPECT_EQ(shared.use_count(), 2);
        b = Result<std::shared_ptr<int>, std::string>(
            Unexpected(std::string("a text too long to be kept inline")));
        EXPECT_EQ(shared.use_count(), 1);
        EXPECT_EQ(b.error(), "a text too long to be kept inline");
        b = Result<std::shared_ptr<int>, std::string>(shared);
        EXPECT_EQ(shared.use_count(), 2);
    }
    EXPECT_EQ(shared.use_count(), 1);
}

TEST(Result, BuildsTheValueInPlace) {
    struct Immovable {
        explicit Immovable(int v) : value(v) {}
        Immovable(Immovable&&) = delete;
        int value;
    };
    const auto make = [](int v) { return Result<Immovable>(std::in_place, v); };
    EXPECT_EQ(make(3)->value, 3);
}

TEST(ResultDeathTest, TheValueOfAnErrorStopsTheProgram) {
    const Result<int> failed = fail(VCpuErrc::NoMemory);
    EXPECT_DEATH((void)failed.value(), "check failed");
    const Result<int> fine = 1;
    EXPECT_DEATH((void)fine.error(), "check failed");
}

TEST(VCpuError, SaysFromToAndActual) {
    EXPECT_EQ(to_string(VCpuError::bad_state(VCpuState::Free, VCpuState::Ready, VCpuState::Created)),
              "BadState: from Free to Ready, but actual Created");
}

TEST(VCpuError, SaysWhatTheDetailIs) {
    EXPECT_EQ(to_string(VCpuError::of(VCpuErrc::Nested, 3)), "Nested: vCPU 3 is current");
    EXPECT_EQ(to_string(VCpuError::of(VCpuErrc::InvalidInput, 16)), "InvalidInput: 16");
    EXPECT_EQ(to_string(VCpuError::of(VCpuErrc::NotInitialized)), "NotInitialized");
}

}  // namespace
}  // namespace vtless
