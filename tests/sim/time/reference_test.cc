// SPDX-License-Identifier: MIT
// Our costs beside llvm-mca's, of blocks of the benchmark guests, a SeaBIOS boot and a Linux boot.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "tests/sim/time/code.h"

namespace vtless::sim::test {
namespace {

struct Block {
    uint32_t ticks = 0;  // llvm-mca's
    unsigned bits = 0;
    std::vector<Instruction> run;
};

Instruction instruction_of(const std::string& hex) {
    Instruction result;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        result.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    return result;
}

std::vector<Block> reference() {
    std::ifstream file(VTLESS_REFERENCE_BLOCKS);
    std::vector<Block> result;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream words(line);
        Block block;
        words >> block.ticks >> block.bits;
        for (std::string hex; words >> hex;) block.run.push_back(instruction_of(hex));
        result.push_back(std::move(block));
    }
    return result;
}

double error_of(const Block& block) {
    const double reference = static_cast<double>(block.ticks) / kTicksPerCycle;
    return std::abs(cycles(block.run, block.bits) / reference - 1);
}

TEST(Reference, TheMedianErrorAgainstLlvmMcaIsAtMostAQuarter) {
    const std::vector<Block> blocks = reference();
    ASSERT_GE(blocks.size(), 400u);
    std::vector<double> errors(blocks.size());
    std::ranges::transform(blocks, errors.begin(), error_of);
    std::ranges::sort(errors);
    const auto quantile = [&](size_t percent) { return errors[errors.size() * percent / 100]; };
    std::cout << "error against llvm-mca, " << errors.size() << " blocks: quartiles " << quantile(25) << " "
              << quantile(50) << " " << quantile(75) << ", p90 " << quantile(90) << ", most " << errors.back()
              << '\n';
    EXPECT_LE(quantile(50), 0.25);
    EXPECT_LE(quantile(75), 0.40);
}

TEST(Reference, EachInstructionHasACost) {
    StraightLine line(table("haswell"), kFallbackCycles);
    for (const Block& block : reference()) {
        for (const Instruction& each : block.run) {
            line.append(each, block.bits);
            EXPECT_EQ(line.source(), CostSource::Table);
        }
    }
}

}  // namespace
}  // namespace vtless::sim::test
