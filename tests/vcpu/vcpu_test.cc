// SPDX-License-Identifier: MIT
#include "vcpu/vcpu.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/vcpu/fake_vcpu.h"

namespace vtless::testing {
namespace {

using S = VCpuState;
using Calls = std::vector<std::string>;

static_assert(!std::is_copy_constructible_v<VCpu<FakeVCpu>>);
static_assert(std::is_move_constructible_v<VCpu<FakeVCpu>>);

struct VCpuTest : ::testing::Test {
    PhysCpu cpu{0};
    FakeLog log;
};

TEST_F(VCpuTest, CreateMakesTheBackendWithItsIds) {
    const auto vcpu = VCpu<FakeVCpu>::create(
        cpu, {.vm_id = 4, .vcpu_id = 2, .favor_phys_cpu = 3, .phys_cpu_set = 0b1010}, {&log});
    ASSERT_TRUE(vcpu);
    EXPECT_EQ(log.calls, Calls{"create(4,2)"});
    EXPECT_EQ(vcpu->vm_id(), 4u);
    EXPECT_EQ(vcpu->id(), 2u);
    EXPECT_EQ(vcpu->favor_phys_cpu(), 3u);
    EXPECT_EQ(vcpu->phys_cpu_set(), std::optional<size_t>(0b1010));
    EXPECT_EQ(&vcpu->phys_cpu(), &cpu);
    EXPECT_EQ(vcpu->state(), S::Created);
}

TEST_F(VCpuTest, CreateReturnsTheBackendsError) {
    log.fail_in = "create";
    const auto vcpu = VCpu<FakeVCpu>::create(cpu, {}, {&log});
    ASSERT_FALSE(vcpu);
    EXPECT_EQ(vcpu.error(), VCpuError::of(VCpuErrc::Backend, kFakeFailure));
}

TEST_F(VCpuTest, IsBspOnlyWithId0) {
    EXPECT_TRUE(make_vcpu(cpu, log, S::Created, 0).is_bsp());
    EXPECT_FALSE(make_vcpu(cpu, log, S::Created, 1).is_bsp());
}

TEST_F(VCpuTest, WithoutASetMayRunAnywhere) {
    EXPECT_EQ(make_vcpu(cpu, log, S::Created).phys_cpu_set(), std::nullopt);
}

TEST_F(VCpuTest, SetupCallsEntryEptRootAndSetupInThisOrder) {
    auto vcpu = make_vcpu(cpu, log, S::Created);
    EXPECT_TRUE(vcpu.setup(Gpa(16), Hpa(32), {48}));
    EXPECT_EQ(log.calls, (Calls{"set_entry(16)", "set_ept_root(32)", "setup(48)"}));
    EXPECT_EQ(vcpu.state(), S::Free);
}

TEST_F(VCpuTest, SetupStopsAtTheFirstError) {
    const Calls all = {"set_entry(16)", "set_ept_root(32)", "setup(48)"};
    const char* failing[] = {"set_entry", "set_ept_root", "setup"};
    for (size_t i = 0; i < 3; ++i) {
        auto vcpu = make_vcpu(cpu, log, S::Created);
        log.fail_in = failing[i];
        const Result<void> result = vcpu.setup(Gpa(16), Hpa(32), {48});
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().detail, kFakeFailure);
        EXPECT_EQ(log.calls, Calls(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i) + 1));
        EXPECT_EQ(vcpu.state(), S::Invalid);
        log.fail_in.clear();
    }
}

TEST_F(VCpuTest, GoesThroughItsWholeLifeTwice) {
    auto vcpu = make_vcpu(cpu, log, S::Created);
    ASSERT_TRUE(vcpu.setup(Gpa(0), Hpa(0), {}));
    log.calls.clear();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(vcpu.bind());
        EXPECT_EQ(vcpu.state(), S::Ready);
        ASSERT_TRUE(vcpu.run());
        ASSERT_TRUE(vcpu.run());
        ASSERT_TRUE(vcpu.unbind());
        EXPECT_EQ(vcpu.state(), S::Free);
    }
    EXPECT_EQ(log.calls, (Calls{"bind", "run", "run", "unbind", "bind", "run", "run", "unbind"}));
}

TEST_F(VCpuTest, RunReturnsTheBackendsExitUnchanged) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.exit = VmExit::Hypercall{1, {2, 3, 4, 5, 6, 7}};
    const Result<VmExit> exit = vcpu.run();
    ASSERT_TRUE(exit);
    EXPECT_EQ(*exit, log.exit);
}

TEST_F(VCpuTest, IsRunningWhileItsBackendRuns) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    S inside = S::Invalid;
    log.during = [&](const std::string&) { inside = vcpu.state(); };
    ASSERT_TRUE(vcpu.run());
    EXPECT_EQ(inside, S::Running);
    EXPECT_EQ(vcpu.state(), S::Ready);
}

TEST_F(VCpuTest, GivesItsBackendInAnyState) {
    auto vcpu = make_vcpu(cpu, log, S::Invalid);
    EXPECT_TRUE(vcpu.get_arch_vcpu().inject_interrupt(40));
    EXPECT_EQ(log.calls, Calls{"inject_interrupt(40)"});
    EXPECT_EQ(vcpu.state(), S::Invalid);
}

TEST_F(VCpuTest, MovingLeavesAVCpuThatRefusesEverything) {
    auto vcpu = make_vcpu(cpu, log, S::Ready, 6);
    VCpu<FakeVCpu> moved = std::move(vcpu);
    EXPECT_EQ(moved.state(), S::Ready);
    EXPECT_EQ(moved.id(), 6u);
    EXPECT_TRUE(moved.run());
    // NOLINTNEXTLINE(bugprone-use-after-move): what is left is what is tested
    EXPECT_EQ(vcpu.state(), S::Invalid);
    EXPECT_FALSE(vcpu.run());
}

TEST_F(VCpuTest, MayMoveBetweenThreadsWhileNotRunning) {
    PhysCpu other(1);  // outlives the vCPU that is bound to it
    auto vcpu = make_vcpu(cpu, log, S::Free);
    std::thread first([&] { EXPECT_TRUE(vcpu.bind() && vcpu.run() && vcpu.unbind()); });
    first.join();
    std::thread second([&] { EXPECT_TRUE(vcpu.bind(other) && vcpu.run() && vcpu.unbind()); });
    second.join();
    EXPECT_EQ(log.calls, (Calls{"bind", "run", "unbind", "bind", "run", "unbind"}));
    EXPECT_EQ(&vcpu.phys_cpu(), &other);
}

using VCpuDeathTest = VCpuTest;

TEST_F(VCpuDeathTest, MovingDuringAnOperationStopsTheProgram) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.during = [&](const std::string&) { VCpu<FakeVCpu> moved = std::move(vcpu); };
    EXPECT_DEATH((void)vcpu.run(), "check failed");
}

}  // namespace
}  // namespace vtless::testing
