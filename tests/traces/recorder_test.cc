// SPDX-License-Identifier: MIT
#include "traces/recorder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "traces/exit_text.h"
#include "vcpu/vcpu.h"

namespace vtless::traces {
namespace {

// A backend that plays one kind of exit, then fails.
struct Fake {
    struct CreateConfig {
        int exits = 0;
    };
    struct SetupConfig {};
    static Result<Fake> create(VmId, VCpuId, const CreateConfig& config) {
        if (config.exits < 0) return fail(VCpuErrc::InvalidInput, 7);
        return Fake{config.exits, {}};
    }
    Result<void> set_entry(Gpa entry) { return note("entry", entry.value()); }
    Result<void> set_ept_root(Hpa root) { return note("root", root.value()); }
    Result<void> setup(const SetupConfig&) { return note("setup", 0); }
    Result<VmExit> run() {
        if (left == 0) return fail(VCpuErrc::Backend, 9);
        --left;
        return VmExit(VmExit::IoRead{0x70, AccessWidth::Byte});
    }
    Result<void> bind() { return note("bind", 0); }
    Result<void> unbind() { return note("unbind", 0); }
    Result<void> set_gpr(size_t index, uint64_t value) { return note("gpr", index * 100 + value); }
    Result<void> inject_interrupt(size_t vector) { return note("interrupt", vector); }
    void set_return_value(uint64_t value) { (void)note("return", value); }

    Result<void> note(const char* what, uint64_t value) {
        calls.push_back(what + std::to_string(value));
        return {};
    }
    int left = 0;
    std::vector<std::string> calls;
};

struct Sink {
    void operator()(Fake& fake, const VmExit& exit) {
        seen->push_back(exit_text(exit) + std::to_string(fake.left));
    }
    std::vector<std::string>* seen = nullptr;
};

using Recorded = Recorder<Fake, Sink>;
static_assert(ArchVCpu<Recorded>);

TEST(Recorder, ShowsEachExitAndPassesEverythingOn) {
    std::vector<std::string> seen;
    PhysCpu cpu(0);
    auto vcpu = VCpu<Recorded>::create(cpu, {}, {{2}, {&seen}});
    ASSERT_TRUE(vcpu);
    ASSERT_TRUE(vcpu->setup(Gpa(1), Hpa(2), {}));
    ASSERT_TRUE(vcpu->bind());
    ASSERT_TRUE(vcpu->set_gpr(3, 4));
    ASSERT_TRUE(vcpu->inject_interrupt(5));
    ASSERT_TRUE(vcpu->set_return_value(6));
    EXPECT_TRUE(vcpu->run());
    EXPECT_TRUE(vcpu->run());
    EXPECT_EQ(seen, (std::vector<std::string>{"IoRead,port=0x70,width=0x11", "IoRead,port=0x70,width=0x10"}));
    EXPECT_EQ(
        vcpu->get_arch_vcpu().inner().calls,
        (std::vector<std::string>{"entry1", "root2", "setup0", "bind0", "gpr304", "interrupt5", "return6"}));
}

TEST(Recorder, ErrorsArePassedOnAndNotRecorded) {
    std::vector<std::string> seen;
    PhysCpu cpu(0);
    const auto refused = VCpu<Recorded>::create(cpu, {}, {{-1}, {&seen}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, 7u);
    auto vcpu = VCpu<Recorded>::create(cpu, {}, {{0}, {&seen}});
    ASSERT_TRUE(vcpu->setup(Gpa(), Hpa(), {}));
    ASSERT_TRUE(vcpu->bind());
    const auto failed = vcpu->run();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().detail, 9u);
    EXPECT_TRUE(seen.empty());
}

}  // namespace
}  // namespace vtless::traces
