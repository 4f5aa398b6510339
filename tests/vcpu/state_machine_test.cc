// SPDX-License-Identifier: MIT
// Every operation in every state, under both policies.
#include <gtest/gtest.h>

#include "tests/vcpu/fake_vcpu.h"
#include "vcpu/error_text.h"

namespace vtless::testing {
namespace {

using S = VCpuState;
constexpr S kStates[] = {S::Invalid, S::Created, S::Free, S::Ready, S::Running, S::Blocked};

template <class V>
struct Operation {
    const char* name;
    S from;   // the only state in which it is legal
    S to;     // what a refusal says it leads to
    S after;  // where success leaves the vCPU
    const char* last_backend_call;
    Result<void> (*call)(V&);
};

template <class V>
Result<void> call_run(V& vcpu) {
    const Result<VmExit> exit = vcpu.run();
    return exit ? Result<void>() : Result<void>(Unexpected(exit.error()));
}

template <class V>
const Operation<V> kOperations[] = {
    {"setup", S::Created, S::Free, S::Free, "setup", [](V& v) { return v.setup(Gpa(1), Hpa(2), {3}); }},
    {"bind", S::Free, S::Ready, S::Ready, "bind", [](V& v) { return v.bind(); }},
    {"run", S::Ready, S::Running, S::Ready, "run", [](V& v) { return call_run(v); }},
    {"unbind", S::Ready, S::Free, S::Free, "unbind", [](V& v) { return v.unbind(); }},
    {"transition_state", S::Ready, S::Blocked, S::Blocked, "",
     [](V& v) { return v.transition_state(S::Ready, S::Blocked); }},
    {"wake", S::Blocked, S::Ready, S::Ready, "",
     [](V& v) { return v.transition_state(S::Blocked, S::Ready); }},
    {"manipulate_arch_vcpu", S::Free, S::Running, S::Running, "bind",
     [](V& v) {
         return v.manipulate_arch_vcpu(S::Free, S::Running, [](FakeVCpu& arch) { return arch.bind(); });
     }},
};

template <class Policy>
class StateMachine : public ::testing::Test {};
using Policies = ::testing::Types<policy::AxVCpu03, policy::Successor>;
TYPED_TEST_SUITE(StateMachine, Policies);

TYPED_TEST(StateMachine, EachOperationIsLegalInOneStateOnly) {
    using V = VCpu<FakeVCpu, TypeParam>;
    for (const Operation<V>& operation : kOperations<V>) {
        for (const S state : kStates) {
            SCOPED_TRACE(std::string(operation.name) + " in " + name(state));
            PhysCpu cpu(0);
            FakeLog log;
            V vcpu = make_vcpu<TypeParam>(cpu, log, state);
            const Result<void> result = operation.call(vcpu);
            EXPECT_EQ(result.has_value(), state == operation.from);
            if (result) {
                EXPECT_EQ(vcpu.state(), operation.after);
                continue;
            }
            EXPECT_EQ(result.error(), VCpuError::bad_state(operation.from, operation.to, state));
            EXPECT_EQ(vcpu.state(), TypeParam::kRefusalInvalidates ? S::Invalid : state);
            EXPECT_TRUE(log.calls.empty());
            EXPECT_FALSE(cpu.has_current_vcpu());
        }
    }
}

TYPED_TEST(StateMachine, AFailureOfTheBackendLeavesInvalidAndIsReturned) {
    using V = VCpu<FakeVCpu, TypeParam>;
    for (const Operation<V>& operation : kOperations<V>) {
        if (*operation.last_backend_call == '\0') {
            continue;
        }
        SCOPED_TRACE(operation.name);
        PhysCpu cpu(0);
        FakeLog log;
        V vcpu = make_vcpu<TypeParam>(cpu, log, operation.from);
        log.fail_in = operation.last_backend_call;
        const Result<void> result = operation.call(vcpu);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error(), VCpuError::of(VCpuErrc::Backend, kFakeFailure));
        EXPECT_EQ(vcpu.state(), S::Invalid);
        EXPECT_FALSE(cpu.has_current_vcpu());
    }
}

TYPED_TEST(StateMachine, RegisterCallsWorkInEveryStateAndNeverChangeIt) {
    using V = VCpu<FakeVCpu, TypeParam>;
    for (const char* failing : {"", "set_entry", "set_gpr", "inject_interrupt"}) {
        for (const S state : kStates) {
            PhysCpu cpu(0);
            FakeLog log;
            V vcpu = make_vcpu<TypeParam>(cpu, log, state);
            log.fail_in = failing;
            EXPECT_EQ(vcpu.set_entry(Gpa(5)).has_value(), log.fail_in != "set_entry");
            EXPECT_EQ(vcpu.set_gpr(3, 8).has_value(), log.fail_in != "set_gpr");
            EXPECT_EQ(vcpu.inject_interrupt(32).has_value(), log.fail_in != "inject_interrupt");
            EXPECT_TRUE(vcpu.set_return_value(9).has_value());
            EXPECT_EQ(vcpu.state(), state);
            EXPECT_EQ(log.calls, (std::vector<std::string>{"set_entry(5)", "set_gpr(3,8)",
                                                           "inject_interrupt(32)", "set_return_value(9)"}));
        }
    }
}

TYPED_TEST(StateMachine, OnlySetStateLeadsOutOfInvalid) {
    PhysCpu cpu(0);
    FakeLog log;
    auto vcpu = make_vcpu<TypeParam>(cpu, log, S::Invalid);
    for (const S to : kStates) {
        const Result<void> result = vcpu.transition_state(S::Invalid, to);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error(), VCpuError::bad_state(S::Invalid, to, S::Invalid));
        EXPECT_EQ(vcpu.state(), S::Invalid);
    }
    vcpu.set_state(S::Ready);
    EXPECT_TRUE(vcpu.run());
}

TYPED_TEST(StateMachine, TheStateInsideATransitionCanBeRead) {
    PhysCpu cpu(0);
    FakeLog log;
    auto vcpu = make_vcpu<TypeParam>(cpu, log, S::Free);
    S inside = S::Invalid;
    const Result<int> result = vcpu.with_state_transition(S::Free, S::Blocked, [&]() -> Result<int> {
        inside = vcpu.state();
        return 5;
    });
    EXPECT_EQ(result.value(), 5);
    EXPECT_EQ(inside, S::Free);
    EXPECT_EQ(vcpu.state(), S::Blocked);
}

TYPED_TEST(StateMachine, AVCpuMadeInvalidInsideATransitionStaysInvalid) {
    PhysCpu cpu(0);
    FakeLog log;
    auto vcpu = make_vcpu<TypeParam>(cpu, log, S::Ready);
    log.during = [&](const std::string&) { vcpu.set_state(S::Invalid); };
    EXPECT_TRUE(vcpu.run());
    EXPECT_EQ(vcpu.state(), S::Invalid);
}

TYPED_TEST(StateMachine, AnExceptionInsideATransitionLeavesInvalid) {
    PhysCpu cpu(0);
    FakeLog log;
    auto vcpu = make_vcpu<TypeParam>(cpu, log, S::Ready);
    log.during = [](const std::string&) { throw 1; };
    EXPECT_THROW((void)vcpu.run(), int);
    EXPECT_EQ(vcpu.state(), S::Invalid);
}

// Upstream overwrites the state before it formats the message, which therefore always ends in "but Invalid".
TEST(StateMachineMessage, TellsTheStateThatWasFound) {
    PhysCpu cpu(0);
    FakeLog log;
    auto vcpu = make_vcpu(cpu, log, S::Created);
    const Result<void> result = vcpu.bind();
    EXPECT_EQ(to_string(result.error()), "BadState: from Free to Ready, but actual Created");
    EXPECT_EQ(vcpu.state(), S::Invalid);
}

}  // namespace
}  // namespace vtless::testing
