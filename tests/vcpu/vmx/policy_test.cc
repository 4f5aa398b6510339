// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using vmx::ExitContext;
using vmx::PolicyAction;

// Counts, and answers for CPUID and VMCALL itself.
struct Counting {
    int* seen = nullptr;
    PolicyAction on_exit(ExitContext<FakeHw>& exit) {
        ++*seen;
        switch (exit.reason().basic()) {
            case ExitReason::CPUID:
                exit.set_gpr(Gpr::RAX, 0x1234);
                exit.advance_rip();
                return PolicyAction::Handled;
            case ExitReason::VMCALL:
                exit.return_exit(VmExit::SystemDown{});
                return PolicyAction::Return;
            case ExitReason::RDTSC:
                return PolicyAction::Return;
            default:
                return PolicyAction::Pass;
        }
    }
};

struct PolicySeesExits : testing::Test {
    int seen = 0;
    MachineWith<Counting> machine{{}, Counting{&seen}};
};

TEST_F(PolicySeesExits, HandledReplacesTheBuiltInHandler) {
    EXPECT_TRUE(machine.run_exit(ExitReason::CPUID).is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RAX), 0x1234u);
    EXPECT_EQ(machine.rip(), 0x7c02u);
}

TEST_F(PolicySeesExits, ReturnGivesItsExitToTheCaller) {
    EXPECT_TRUE(machine.run_exit(ExitReason::VMCALL).is<VmExit::SystemDown>());
    EXPECT_EQ(machine.rip(), 0x7c00u);
    EXPECT_TRUE(machine.run_exit(ExitReason::RDTSC).is<VmExit::Nothing>());
}

TEST_F(PolicySeesExits, PassGoesOn) {
    EXPECT_TRUE(machine.run_exit(ExitReason::HLT).is<VmExit::Halt>());
    EXPECT_EQ(seen, 1);
}

TEST_F(PolicySeesExits, RawExitIsReadOnDemand) {
    machine.run_exit(ExitReason::TASK_SWITCH, 0x99);
    EXPECT_EQ(machine.vcpu().raw_exit().exit_qualification, 0x99u);
}

}  // namespace
}  // namespace vtless::test
