// SPDX-License-Identifier: MIT
// vtless run --profile-cycles
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/lab/elf_image.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

class ProfileCycles : public testing::Test {
  protected:
    std::vector<std::string> command(const std::vector<std::string>& more) const {
        std::vector<std::string> all = {
            "run",      "--flat", image.path(), "--load", "0x8000",   "--entry", "0x8000",
            "--memory", "2M",     "--debugcon", "",       "--serial", ""};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::string run(const std::vector<std::string>& more) const {
        const CommandResult result = run_command(command(more));
        EXPECT_EQ(result.status, 0x07 << 1 | 1) << result.err;
        return result.out;
    }
    static uint64_t sum(const std::string& folded, const std::string& first = "") {
        std::istringstream lines(folded);
        uint64_t total = 0;
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(first)) total += std::stoull(line.substr(line.rfind(' ') + 1));
        return total;
    }

    // Halts, and takes an interrupt.
    const TemporaryFile image{guests::kTimer};
};

TEST_F(ProfileCycles, StacksSumToTheRunsCycles) {
    const std::string text = run({"--stats", "json", "--profile-cycles", "folded"});
    const size_t end = text.find('\n');
    const auto statistics = nlohmann::json::parse(text.substr(0, end));
    const std::string folded = text.substr(end + 1);
    EXPECT_EQ(sum(folded) / 16, statistics["cycles"]) << folded;
    EXPECT_EQ(sum(folded, "idle;HLT") / 16, statistics["idle_cycles"]);
    EXPECT_EQ(sum(folded, "injection;"), 1600u);
}

TEST_F(ProfileCycles, NothingIsOtherwiseWithIt) {
    const auto digests = [&](const std::vector<std::string>& more) {
        const std::string text = run(more);
        auto json = nlohmann::json::parse(text.substr(0, text.find('\n')));
        return std::vector<std::string>{json["digest"], json["time_digest"], json["cycles"].dump()};
    };
    EXPECT_EQ(digests({"--stats", "json"}),
              digests({"--stats", "json", "--profile-cycles", "benchmark=/dev/null"}));
}

TEST_F(ProfileCycles, IsTheSameWhateverTheTlbForgets) {
    const std::string calm = run({"--profile-cycles", "folded"});
    EXPECT_FALSE(calm.empty());
    for (const char* seed : {"1", "7", "123456789"})
        EXPECT_EQ(run({"--profile-cycles", "folded", "--flush-seed", seed}), calm);
}

TEST_F(ProfileCycles, SeveralOutputsGoWhereTheyAreSent) {
    const TemporaryFile table;
    const TemporaryFile json;
    EXPECT_EQ(
        run({"--profile-cycles", "table=" + table.path(), "--profile-cycles", "benchmark=" + json.path()}),
        "");
    std::ostringstream text;
    text << std::ifstream(table.path()).rdbuf();
    EXPECT_TRUE(contains(text.str(), "cycles by VM exit")) << text.str();
    EXPECT_TRUE(contains(text.str(), "0x8000-0x8fff (no paging)")) << text.str();
    // Against itself, host times and all, it has not changed.
    const auto same = run_command({"bench", "compare", json.path(), json.path()});
    EXPECT_EQ(same.status, 0) << same.out << same.err;
}

TEST_F(ProfileCycles, SymbolsNameTheGuestsCode) {
    const lab::ElfImage<false> elf({{"setup", 0x1000, 0x40}, {"handler", 0x1040, 0x10}});
    const TemporaryFile symbols(elf.bytes());
    const std::string folded = run({"--profile-cycles", "folded", "--symbols", symbols.path() + "@0x7000"});
    EXPECT_TRUE(contains(folded, "guest;no paging;setup ")) << folded;
    EXPECT_TRUE(contains(folded, "guest;no paging;handler ")) << folded;
    EXPECT_FALSE(contains(folded, "0x8000-0x8fff")) << folded;
}

TEST_F(ProfileCycles, WhatCannotBeUsedIsRefused) {
    const auto refused = [&](const std::vector<std::string>& more, const std::string& message) {
        expect_refused(command(more), message);
    };
    refused({"--profile-cycles", "svg"}, "\"svg\"");
    refused({"--profile-cycles", "table="}, "names no file");
    refused({"--profile-cycles", "table=/no/such/folder/x"}, "/no/such/folder/x");
    refused({"--profile-cycles", "table=/tmp"}, "directory");
    refused({"--symbols", image.path()}, "--symbols belongs to --profile-cycles");
    refused({"--profile-cycles", "table", "--symbols", image.path()}, image.path());
    refused({"--profile-cycles", "table", "--symbols", "/no/such/file"}, "/no/such/file");
    refused({"--profile-cycles", "table", "--symbols", "vmlinux@high"}, "high");
    lab::ElfImage<true> elf({{"f", 0x1000, 0x10}});
    elf.sections[3].sh_size = ~uint64_t{0};
    const TemporaryFile broken(elf.bytes());
    refused({"--profile-cycles", "table", "--symbols", broken.path()}, "outside the file");
    refused({"--profile-cycles", "table", "--backend", "kvm"}, "not on --backend kvm: --profile-cycles");
}

}  // namespace
}  // namespace vtless::cli
