// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "tests/isa/support/decode_judge.h"

namespace vtless::tests {
namespace {

class DecodeVersusCapstone : public testing::TestWithParam<x86::CodeMode> {};

TEST_P(DecodeVersusCapstone, AgreesOnEveryEncoding) {
    const JudgeResult result = judge_decoder(GetParam(), 100'000, 1);
    for (const auto& difference : result.differences) ADD_FAILURE() << difference;
    EXPECT_GT(result.decoded, result.encodings / 3);
    for (const auto& [reason, count] : result.excluded)
        EXPECT_LT(count, result.encodings / 100) << "excluded: " << reason;
}

INSTANTIATE_TEST_SUITE_P(Modes, DecodeVersusCapstone,
                         testing::Values(x86::CodeMode::BITS16, x86::CodeMode::BITS32, x86::CodeMode::BITS64),
                         [](const auto& mode) { return x86::name(mode.param); });

}  // namespace
}  // namespace vtless::tests
