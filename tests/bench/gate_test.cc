// SPDX-License-Identifier: MIT
// What the gate is for: a VMWRITE, an exit and a walk too many are each seen, and named.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>

#include "bench/exact/boot_slice.h"
#include "bench/exact/operations.h"
#include "lab/bench_compare.h"
#include "sim/vmx/not_advertised.h"

namespace vtless::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Operation& operation(const std::string& name) {
    for (const Operation& each : operations())
        if (name == each.name) return each;
    ADD_FAILURE() << "no operation " << name;
    return operations().front();
}

lab::BenchResult result_of(const std::string& name, const std::function<void(CountedGuest&)>& planted = {}) {
    const auto guest = guest_of(operation(name));
    lab::BenchResult result;
    result.rows["exact/" + name] = {count(operation(name), *guest, planted), {}};
    return result;
}

std::string difference(const std::string& name, const std::function<void(CountedGuest&)>& planted) {
    const auto comparison = lab::compare(result_of(name), result_of(name, planted));
    EXPECT_FALSE(comparison.equal());
    return lab::text(comparison);
}

TEST(Gate, EveryOperationCountsTheSameAgain) {
    for (const Operation& each : operations()) {
        const auto comparison = lab::compare(result_of(each.name), result_of(each.name));
        EXPECT_TRUE(comparison.equal()) << lab::text(comparison);
    }
}

// The engine's own TLB is no part of the processor.
TEST(Gate, RandomTlbFlushesChangeNoCounter) {
    for (const Operation& each : operations()) {
        const auto guest = guest_of(each, 7);
        lab::BenchResult flushed;
        flushed.rows[std::string("exact/") + each.name] = {count(each, *guest), {}};
        const auto comparison = lab::compare(result_of(each.name), flushed);
        EXPECT_TRUE(comparison.equal()) << lab::text(comparison);
    }
}

// In each preset: optimisation level, compiler and sanitizers make no difference.
TEST(Gate, EveryOperationCountsWhatTheBaselineSays) {
    const auto baseline = lab::read_bench_result(VTLESS_BASELINE);
    ASSERT_TRUE(baseline) << baseline.error();
    lab::BenchResult now;
    for (const Operation& each : operations()) now.rows.merge(result_of(each.name).rows);
    const auto comparison = lab::compare(*baseline, now);
    EXPECT_TRUE(comparison.equal()) << lab::text(comparison);
}

TEST(Gate, TheFirmwaresBootCountsWhatTheBaselineSays) {
    const auto baseline = lab::read_bench_result(VTLESS_BASELINE);
    ASSERT_TRUE(baseline) << baseline.error();
    size_t known = 0;
    for (const BootSlice& slice : boot_slices()) {
        const auto row = baseline->rows.find("exact/" + slice.name);
        if (row == baseline->rows.end()) continue;
        ++known;
        const auto counters = count(slice);
        ASSERT_TRUE(counters) << counters.error().message;
        lab::BenchResult now, before;
        now.rows[row->first] = {*counters, {}};
        before.rows.insert(*row);
        const auto comparison = lab::compare(before, now);
        EXPECT_TRUE(comparison.equal()) << lab::text(comparison);
    }
    if (known == 0)
        GTEST_SKIP() << "the firmware here is not the one that the baseline knows, or there is none";
}

// Of those that a guest can cause: docs/support.md.
TEST(Gate, EveryExitReasonIsThere) {
    const auto baseline = lab::read_bench_result(VTLESS_BASELINE);
    ASSERT_TRUE(baseline) << baseline.error();
    std::set<std::string> counted;
    for (const auto& [name, row] : baseline->rows)
        for (const auto& [counter, value] : row.counters) counted.insert(counter);
    for (const x86::ExitReason reason : x86::all_exit_reasons()) {
        if (std::ranges::find(sim::kMissingExits, reason, &sim::MissingExit::reason) !=
            std::end(sim::kMissingExits))
            continue;
        EXPECT_TRUE(counted.contains(std::string("exit ") + x86::name(reason))) << x86::name(reason);
    }
}

// Not some average: each operation does the same.
// Of cycles, of sixteenths.
TEST(Gate, EveryCounterIsAWholeNumber) {
    for (const Operation& each : operations()) {
        const lab::BenchResult result = result_of(each.name);
        for (const auto& [counter, value] : result.rows.begin()->second.counters) {
            const double units = counter == "cycles" ? value * sim::kTicksPerCycle : value;
            EXPECT_EQ(units, static_cast<double>(static_cast<uint64_t>(units)))
                << each.name << ' ' << counter;
        }
    }
}

TEST(Gate, CountingChangesNothing) {
    const auto code = operation("hlt").code;
    CountedGuest counted(code);
    VcpuGuest plain(code);
    for (int i = 0; i < 50; ++i) {
        counted->run_to<VmExit::Halt>();
        plain.run_to<VmExit::Halt>();
    }
    EXPECT_EQ(counted->processor().rdtsc(), plain.processor().rdtsc());
    EXPECT_EQ(counted.counts().instructions, plain.processor().engine().instructions());
    const auto halts = static_cast<size_t>(x86::ExitReason::HLT);
    EXPECT_EQ(counted.counts().vmx.exits[halts], 50u);
}

TEST(Gate, AVmwriteTooManyIsNamed) {
    const auto write = [](CountedGuest& guest) {
        guest->backend().write_field(x86::VmcsField::EXCEPTION_BITMAP, 0);
    };
    EXPECT_THAT(difference("hlt", write), AllOf(HasSubstr("exact/hlt"), HasSubstr("vmwrite EXCEPTION_BITMAP"),
                                                HasSubstr("+1  handler")));
}

TEST(Gate, AVmreadTooManyIsNamed) {
    const auto read = [](CountedGuest& guest) {
        (void)guest->backend().read_field(x86::VmcsField::GUEST_CR3);
    };
    EXPECT_THAT(difference("cpuid", read), AllOf(HasSubstr("vmread GUEST_CR3"), HasSubstr("+1  handler")));
}

TEST(Gate, AnExitTooManyIsNamed) {
    const auto run_again = [](CountedGuest& guest) { guest->run_to<VmExit::Halt>(); };
    EXPECT_THAT(difference("hlt", run_again), AllOf(HasSubstr("exit HLT"), HasSubstr("+1  VM exits")));
}

TEST(Gate, AWalkTooManyIsNamed) {
    const auto flush = [](CountedGuest& guest) {
        guest->processor().mmu().flush_page(Gva(GuestLayout::kCode));
    };
    EXPECT_THAT(difference("walk_after_invlpg", flush),
                AllOf(HasSubstr("walks"), HasSubstr("walk references"), HasSubstr("page walks")));
}

// A cycle more is one, although nothing else has changed.
TEST(Gate, ACycleTooManyIsNamed) {
    const auto wait = [](CountedGuest& guest) { guest->processor().engine().add_cycles(1); };
    EXPECT_THAT(difference("vmcall", wait), AllOf(HasSubstr("cycles"), HasSubstr("+1  all")));
}

}  // namespace
}  // namespace vtless::bench
