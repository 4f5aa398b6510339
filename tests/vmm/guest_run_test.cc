// SPDX-License-Identifier: MIT
#include "vmm/guest_run.h"

#include <capstone/capstone.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>

#include "tests/vmm/temporary_file.h"

namespace vtless::vmm {
namespace {

// xor eax, eax; inc eax; cpuid; out 0xf4, al: leaf 1, all of it in registers at the exit.
const std::string kCpuid("\x66\x31\xc0\x66\x40\x0f\xa2\xe6\xf4", 9);

GuestRunResult run(const std::string& guest, const std::function<void(GuestRunConfig&)>& change = {}) {
    const TemporaryFile image(guest);
    GuestRunConfig config;
    config.guest = FlatGuest{image.path(), Gpa(0x8000), Gpa(0x8000)};
    config.memory = 1 << 20;
    if (change) change(config);
    auto result = run_guest(config);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : GuestRunResult{};
}

TEST(GuestRun, OneCpuidBitChangesBothDigests) {
    const auto first = run(kCpuid);
    const auto again = run(kCpuid);
    EXPECT_EQ(first.outcome.kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(first.statistics.digest, again.statistics.digest);
    EXPECT_EQ(first.statistics.time_digest, again.statistics.time_digest);

    const auto flipped = run(kCpuid, [](GuestRunConfig& config) {
        config.cpuid_hook.function = [](void*, uint32_t, uint32_t, x86::CpuidResult& result) {
            result.ecx ^= 1u << 23;
        };
    });
    EXPECT_NE(flipped.statistics.digest, first.statistics.digest);
    EXPECT_NE(flipped.statistics.time_digest, first.statistics.time_digest);
    EXPECT_EQ(flipped.statistics.cycles, first.statistics.cycles);
}

// Whatever the guest does, the process survives: noise as code, in memory that it also writes.
TEST(GuestRun, NoiseAsCodeEndsByItselfOrAtItsLimit) {
    for (uint32_t seed = 1; seed <= 24; ++seed) {
        std::mt19937 noise(seed);
        std::string image(4096, '\0');
        for (char& byte : image) byte = static_cast<char>(noise());
        const auto result = run(image, [](GuestRunConfig& config) {
            config.limits.max_exits = 500;
            config.limits.max_cycles = 20000;
        });
        EXPECT_NE(result.statistics.digest, 0u) << seed;
    }
}

// inc eax; inc eax; rdtsc; out 0xf4, al: the guest sees what its instructions cost.
TEST(GuestRun, OneInstructionsCostChangesBothDigests) {
    const std::string guest("\x66\x40\x66\x40\x0f\x31\xe6\xf4", 8);
    const auto first = run(guest);
    EXPECT_EQ(first.outcome.kind, Outcome::Kind::DebugExit);
    const auto dearer = run(guest, [](GuestRunConfig& config) {
        config.processor.engine.costs = {.changed_id = X86_INS_INC, .changed_cycles = 2};
    });
    EXPECT_EQ(dearer.statistics.cycles, first.statistics.cycles + 2);
    EXPECT_EQ(dearer.statistics.instructions, first.statistics.instructions);
    EXPECT_NE(dearer.statistics.digest, first.statistics.digest);
    EXPECT_NE(dearer.statistics.time_digest, first.statistics.time_digest);

    const auto of_another = run(guest, [](GuestRunConfig& config) {
        config.processor.engine.costs = {.changed_id = X86_INS_DIV, .changed_cycles = 2};
    });
    EXPECT_EQ(of_another.statistics.digest, first.statistics.digest);
    EXPECT_EQ(of_another.statistics.time_digest, first.statistics.time_digest);
}

// Firmware that this machine has; an empty path if it has none.
std::string firmware() {
    for (const char* path : {VTLESS_GUESTS "/bios-256k.bin", "/usr/share/seabios/bios-256k.bin"}) {
        if (access(path, R_OK) == 0) return path;
    }
    return "";
}

TEST(Firmware, RunsToItsEndTheSameWhateverTheEngineFlushes) {
    if (firmware().empty()) GTEST_SKIP() << "no SeaBIOS image here: scripts/fetch-guests gets one";
    auto boot = [](uint64_t flush_seed) {
        GuestRunConfig config;
        const TemporaryFile log;
        config.guest = FirmwareGuest{firmware()};
        config.memory = 32 << 20;
        config.debug_console = log.path();
        config.processor.engine.flush_seed = flush_seed;
        auto result = run_guest(config);
        EXPECT_TRUE(result) << result.error().message;
        std::ifstream file(log.path());
        const std::string text(std::istreambuf_iterator<char>(file), {});
        EXPECT_NE(text.find("No bootable device."), std::string::npos) << text;
        return result ? std::move(*result) : GuestRunResult{};
    };
    const auto calm = boot(0);
    const auto flushed = boot(12345);
    EXPECT_EQ(calm.outcome.kind, Outcome::Kind::Reset);
    EXPECT_EQ(calm.statistics.digest, flushed.statistics.digest);
    EXPECT_EQ(calm.statistics.time_digest, flushed.statistics.time_digest);
}

}  // namespace
}  // namespace vtless::vmm
