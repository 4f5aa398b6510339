// SPDX-License-Identifier: MIT
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

class VmcsRules : public SanitizerFixture {
  protected:
    VmcsRules() { code({0x0f, 0xa2, 0xf4}); }

    // Another processor on the same memory, in VMX operation.
    std::unique_ptr<VmxProcessor> second_processor() {
        auto created = VmxProcessor::create(memory, watched_by(sanitizer));
        EXPECT_TRUE(created.has_value());
        std::unique_ptr<VmxProcessor> second = std::move(created).value();
        Hpa vmxon;
        EXPECT_TRUE(memory.allocate_frame(vmxon));
        put_host<uint32_t>(vmxon, capability::kRevision);
        EXPECT_TRUE(second->write_cr4(second->read_cr4() | x86::cr4::VMXE).ok());
        EXPECT_TRUE(second->vmxon(vmxon).ok());
        return second;
    }
};

TEST_F(VmcsRules, ResumeBeforeLaunch) {
    EXPECT_FALSE(hw->vmresume(gprs).ok());
    EXPECT_TRUE(only("vmcs.launch-state"));
    EXPECT_TRUE(mentions("VMRESUME of a VMCS that is clear."));
}

TEST_F(VmcsRules, LaunchTwice) {
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_FALSE(hw->vmlaunch(gprs).ok());
    EXPECT_TRUE(only("vmcs.launch-state"));
    EXPECT_TRUE(mentions("VMLAUNCH of a launched VMCS."));
}

TEST_F(VmcsRules, LaunchOnceAndResume) {
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(skip(), Reason::HLT);
}

TEST_F(VmcsRules, OneThatIsActiveElsewhere) {
    const auto second = second_processor();
    EXPECT_TRUE(second->vmptrld(vmcs).ok());
    ASSERT_TRUE(only("vmcs.two-processors"));
    EXPECT_TRUE(mentions("VMPTRLD on processor 1, while it is active on processor 0.")) << details();
}

TEST_F(VmcsRules, OneThatWasClearedElsewhereMoves) {
    const auto second = second_processor();
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    EXPECT_TRUE(second->vmptrld(vmcs).ok());
    EXPECT_TRUE(second->vmclear(vmcs).ok());
    EXPECT_TRUE(hw->vmptrld(vmcs).ok());
}

TEST_F(VmcsRules, ClearedWhereItIsNotActive) {
    const auto second = second_processor();
    EXPECT_TRUE(second->vmclear(vmcs).ok());
    EXPECT_TRUE(only("vmcs.two-processors"));
}

TEST_F(VmcsRules, MemoryThatWasReused) {
    EXPECT_EQ(run(), Reason::CPUID);
    put_host<uint64_t>(vmcs + 0x100, 0x1122334455667788);
    EXPECT_EQ(skip(), Reason::HLT);
    ASSERT_TRUE(only("vmcs.memory-reused"));
    EXPECT_TRUE(mentions("0x1122334455667788")) << details();
    EXPECT_EQ(sanitizer.findings()[0].site.exits, 1u);
}

TEST_F(VmcsRules, MemoryThatWasFreedBeforeVmclear) {
    memory.free_frame(vmcs);
    Hpa again;
    ASSERT_TRUE(memory.allocate_frame(again));
    ASSERT_EQ(again, vmcs);
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    EXPECT_TRUE(only("vmcs.memory-reused"));
}

TEST_F(VmcsRules, MemoryThatIsWrittenAfterVmclear) {
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_TRUE(hw->vmclear(vmcs).ok());
    std::memset(memory.map(vmcs), 0, HostMemory::kFrameSize);
    put_host<uint32_t>(vmcs, capability::kRevision);
    EXPECT_TRUE(hw->vmptrld(vmcs).ok());
}

}  // namespace
}  // namespace vtless::sim
