// SPDX-License-Identifier: MIT
// Which vCPU is current on a physical CPU, and what is refused while one is.
#include <gtest/gtest.h>

#include "tests/vcpu/fake_vcpu.h"

namespace vtless::testing {
namespace {

using S = VCpuState;

struct CurrentVCpuTest : ::testing::Test {
    PhysCpu cpu{7};
    FakeLog log;
    FakeLog other_log;
};

TEST_F(CurrentVCpuTest, IsSetAroundEachBackendCallAndClearedAfter) {
    auto vcpu = make_vcpu(cpu, log, S::Created);
    std::vector<std::string> seen;
    log.during = [&](const std::string& call) {
        EXPECT_EQ(get_current_vcpu<FakeVCpu>(cpu).value(), &vcpu) << call;
        seen.push_back(call);
    };
    const auto none = [&] { return cpu.current_vcpu<FakeVCpu, policy::AxVCpu03>().value() == nullptr; };
    EXPECT_TRUE(vcpu.setup(Gpa(0), Hpa(0), {}) && none());
    EXPECT_TRUE(vcpu.bind() && none());
    EXPECT_TRUE(vcpu.run() && none());
    EXPECT_TRUE(vcpu.set_entry(Gpa(0)) && none());
    EXPECT_TRUE(vcpu.set_gpr(0, 0) && none());
    EXPECT_TRUE(vcpu.inject_interrupt(32) && none());
    EXPECT_TRUE(vcpu.set_return_value(0) && none());
    EXPECT_TRUE(vcpu.unbind() && none());
    EXPECT_EQ(seen,
              (std::vector<std::string>{"set_entry", "set_ept_root", "setup", "bind", "run", "set_entry",
                                        "set_gpr", "inject_interrupt", "set_return_value", "unbind"}));
}

TEST_F(CurrentVCpuTest, IsClearedAfterAFailure) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.fail_in = "run";
    EXPECT_FALSE(vcpu.run());
    EXPECT_FALSE(cpu.has_current_vcpu());
}

TEST_F(CurrentVCpuTest, IsClearedAfterAnException) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.during = [](const std::string&) { throw 1; };
    EXPECT_THROW((void)vcpu.run(), int);
    EXPECT_FALSE(cpu.has_current_vcpu());
    EXPECT_THROW((void)vcpu.set_gpr(0, 0), int);
    EXPECT_FALSE(cpu.has_current_vcpu());
    EXPECT_THROW((void)vcpu.with_current_cpu_set([]() -> Result<void> { throw 1; }), int);
    EXPECT_FALSE(cpu.has_current_vcpu());
}

TEST_F(CurrentVCpuTest, AskedForWithAnotherBackendOrPolicyIsAnError) {
    auto vcpu = make_vcpu(cpu, log, S::Ready, 5);
    log.during = [&](const std::string&) {
        EXPECT_EQ(get_current_vcpu<OtherFakeVCpu>(cpu).error(), VCpuError::of(VCpuErrc::OtherBackend, 5));
        EXPECT_FALSE((get_current_vcpu<FakeVCpu, policy::Successor>(cpu)));
    };
    EXPECT_TRUE(vcpu.run());
    EXPECT_EQ(get_current_vcpu<OtherFakeVCpu>(cpu).value(), nullptr);
}

TEST_F(CurrentVCpuTest, RunningAnotherInsideIsRefusedAndInvalidatesIt) {
    auto outer = make_vcpu(cpu, log, S::Ready, 1);
    auto inner = make_vcpu<policy::AxVCpu03, OtherFakeVCpu>(cpu, other_log, S::Ready, 2);
    log.during = [&](const std::string&) {
        EXPECT_EQ(inner.run().error(), VCpuError::of(VCpuErrc::Nested, 1));
    };
    EXPECT_TRUE(outer.run());
    EXPECT_EQ(inner.state(), S::Invalid);
    EXPECT_EQ(outer.state(), S::Ready);
    EXPECT_TRUE(other_log.calls.empty());
}

TEST_F(CurrentVCpuTest, UnderTheSuccessorsPolicyARefusedNestingChangesNothing) {
    auto outer = make_vcpu<policy::Successor>(cpu, log, S::Ready, 1);
    auto inner = make_vcpu<policy::Successor>(cpu, other_log, S::Ready, 2);
    log.during = [&](const std::string&) { EXPECT_EQ(inner.run().error().code, VCpuErrc::Nested); };
    EXPECT_TRUE(outer.run());
    EXPECT_EQ(inner.state(), S::Ready);
    EXPECT_TRUE(inner.run());
}

TEST_F(CurrentVCpuTest, TheStateIsCheckedBeforeTheNesting) {
    auto outer = make_vcpu(cpu, log, S::Ready, 1);
    auto inner = make_vcpu(cpu, other_log, S::Created, 2);
    log.during = [&](const std::string&) {
        EXPECT_EQ(inner.run().error(), VCpuError::bad_state(S::Ready, S::Running, S::Created));
    };
    EXPECT_TRUE(outer.run());
}

TEST_F(CurrentVCpuTest, RunningItselfInsideItsRunIsRefused) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.during = [&](const std::string&) {
        EXPECT_EQ(vcpu.run().error(), VCpuError::bad_state(S::Ready, S::Running, S::Running));
    };
    EXPECT_TRUE(vcpu.run());
    EXPECT_EQ(vcpu.state(), S::Invalid);

    log.during = nullptr;
    auto mild = make_vcpu<policy::Successor>(cpu, log, S::Ready);
    log.during = [&](const std::string&) { EXPECT_EQ(mild.run().error().code, VCpuErrc::BadState); };
    EXPECT_TRUE(mild.run());
    EXPECT_EQ(mild.state(), S::Ready);
}

TEST_F(CurrentVCpuTest, ItsOwnRegistersMayBeSetInsideItsRun) {
    auto vcpu = make_vcpu(cpu, log, S::Ready);
    log.during = [&](const std::string& call) {
        if (call == "run") {
            EXPECT_TRUE(vcpu.inject_interrupt(33));
            EXPECT_EQ(get_current_vcpu<FakeVCpu>(cpu).value(), &vcpu);
        }
    };
    EXPECT_TRUE(vcpu.run());
    EXPECT_EQ(log.calls, (std::vector<std::string>{"run", "inject_interrupt(33)"}));
}

TEST_F(CurrentVCpuTest, AnothersRegistersMayNotBeSetInsideARun) {
    auto outer = make_vcpu(cpu, log, S::Ready, 1);
    auto inner = make_vcpu(cpu, other_log, S::Ready, 2);
    log.during = [&](const std::string&) {
        for (const Result<void>& result : {inner.set_gpr(0, 0), inner.inject_interrupt(32),
                                           inner.set_return_value(0), inner.set_entry(Gpa(0))}) {
            EXPECT_EQ(result.error(), VCpuError::of(VCpuErrc::Nested, 1));
        }
    };
    EXPECT_TRUE(outer.run());
    EXPECT_EQ(inner.state(), S::Ready);
    EXPECT_TRUE(other_log.calls.empty());
}

TEST_F(CurrentVCpuTest, WithCurrentCpuSetNestsOnlyOnTheSameVCpuUnderTheSuccessorsPolicy) {
    auto strict = make_vcpu(cpu, log, S::Ready, 3);
    const auto nest = [](auto& outer, auto& inner) {
        return outer.with_current_cpu_set(
            [&] { return inner.with_current_cpu_set([] { return Result<int>(1); }); });
    };
    EXPECT_EQ(nest(strict, strict).error(), VCpuError::of(VCpuErrc::Nested, 3));
    EXPECT_EQ(strict.state(), S::Ready);
    auto mild = make_vcpu<policy::Successor>(cpu, log, S::Ready);
    EXPECT_EQ(nest(mild, mild).value(), 1);
    auto another = make_vcpu<policy::Successor>(cpu, log, S::Ready);
    EXPECT_EQ(nest(mild, another).error().code, VCpuErrc::Nested);
    EXPECT_FALSE(cpu.has_current_vcpu());
}

TEST_F(CurrentVCpuTest, EachPhysicalCpuHasItsOwnOnOneThread) {
    PhysCpu second(8);
    auto outer = make_vcpu(cpu, log, S::Ready, 1);
    auto inner = make_vcpu(second, other_log, S::Ready, 2);
    log.during = [&](const std::string&) { EXPECT_TRUE(inner.run()); };
    other_log.during = [&](const std::string&) {
        EXPECT_EQ(get_current_vcpu<FakeVCpu>(cpu).value(), &outer);
        EXPECT_EQ(get_current_vcpu<FakeVCpu>(second).value(), &inner);
    };
    EXPECT_TRUE(outer.run());
    EXPECT_EQ(other_log.calls.size(), 1u);
}

TEST_F(CurrentVCpuTest, BindNamesThePhysicalCpu) {
    PhysCpu second(8);
    auto vcpu = make_vcpu(cpu, log, S::Free);
    log.during = [&](const std::string&) {
        EXPECT_FALSE(cpu.has_current_vcpu());
        EXPECT_TRUE(second.has_current_vcpu());
    };
    EXPECT_TRUE(vcpu.bind(second));
    EXPECT_TRUE(vcpu.run());
}

TEST_F(CurrentVCpuTest, BindElsewhereIsRefusedWhenBoundOrDuringAnOperation) {
    PhysCpu second(8);
    auto ready = make_vcpu(cpu, log, S::Ready);
    EXPECT_EQ(ready.bind(second).error(), VCpuError::bad_state(S::Free, S::Ready, S::Ready));
    EXPECT_EQ(&ready.phys_cpu(), &cpu);
    auto free = make_vcpu<policy::Successor>(cpu, log, S::Free);
    EXPECT_EQ(free.with_current_cpu_set([&] { return free.bind(second); }).error().code, VCpuErrc::Nested);
    EXPECT_EQ(free.state(), S::Free);
    EXPECT_EQ(&free.phys_cpu(), &cpu);
}

}  // namespace
}  // namespace vtless::testing
