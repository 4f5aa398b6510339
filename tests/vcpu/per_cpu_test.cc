// SPDX-License-Identifier: MIT
#include "vcpu/per_cpu.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtless {
namespace {

using Calls = std::vector<std::string>;

struct FakePerCpu {
    struct CreateConfig {
        Calls* calls = nullptr;
        bool fail_create = false;
        bool fail_disable = false;
    };

    static Result<FakePerCpu> create(size_t cpu_id, const CreateConfig& config) {
        config.calls->push_back("create(" + std::to_string(cpu_id) + ")");
        if (config.fail_create) {
            return fail(VCpuErrc::Unsupported);
        }
        return FakePerCpu{config, false};
    }
    bool is_enabled() const { return enabled; }
    Result<void> hardware_enable() {
        config.calls->push_back("enable");
        if (enabled) {
            return fail(VCpuErrc::ResourceBusy);
        }
        enabled = true;
        return {};
    }
    Result<void> hardware_disable() {
        config.calls->push_back("disable");
        if (config.fail_disable) {
            return fail(VCpuErrc::Backend);
        }
        enabled = false;
        return {};
    }

    CreateConfig config;
    bool enabled = false;
};

struct FiveLevelPerCpu : FakePerCpu {
    static Result<FiveLevelPerCpu> create(size_t, const CreateConfig& config) {
        return FiveLevelPerCpu{{config}};
    }
    size_t max_guest_page_table_levels() const { return 5; }
};

TEST(PerCpu, StartsUninitialized) {
    PerCpu<FakePerCpu> per_cpu;
    EXPECT_FALSE(per_cpu.is_initialized());
    EXPECT_FALSE(per_cpu.is_enabled());
    EXPECT_EQ(per_cpu.cpu_id(), std::nullopt);
    EXPECT_EQ(per_cpu.arch_checked(), nullptr);
    EXPECT_EQ(per_cpu.hardware_enable().error().code, VCpuErrc::NotInitialized);
    EXPECT_EQ(per_cpu.hardware_disable().error().code, VCpuErrc::NotInitialized);
}

// Upstream panics here: its destructor asks an uninitialized state whether it is enabled.
TEST(PerCpu, NeverInitializedIsDestroyedQuietly) { const PerCpu<FakePerCpu> per_cpu; }

TEST(PerCpu, InitSucceedsOnce) {
    Calls calls;
    PerCpu<FakePerCpu> per_cpu;
    EXPECT_TRUE(per_cpu.init(3, {&calls}));
    EXPECT_TRUE(per_cpu.is_initialized());
    EXPECT_EQ(per_cpu.cpu_id(), std::optional<size_t>(3));
    EXPECT_NE(per_cpu.arch_checked(), nullptr);
    EXPECT_EQ(per_cpu.init(4, {&calls}).error().code, VCpuErrc::AlreadyInitialized);
    EXPECT_EQ(per_cpu.cpu_id(), std::optional<size_t>(3));
    EXPECT_EQ(calls, Calls{"create(3)"});
}

// Upstream stores the id first, so that its destructor then reads memory never written.
TEST(PerCpu, AFailedInitLeavesItUninitialized) {
    Calls calls;
    {
        PerCpu<FakePerCpu> per_cpu;
        EXPECT_EQ(per_cpu.init(3, {&calls, true}).error().code, VCpuErrc::Unsupported);
        EXPECT_FALSE(per_cpu.is_initialized());
        EXPECT_FALSE(per_cpu.is_enabled());
        EXPECT_EQ(per_cpu.cpu_id(), std::nullopt);
        EXPECT_TRUE(per_cpu.init(3, {&calls}));
    }
    EXPECT_EQ(calls, (Calls{"create(3)", "create(3)"}));
}

TEST(PerCpu, EnablesAndDisables) {
    Calls calls;
    PerCpu<FakePerCpu> per_cpu;
    ASSERT_TRUE(per_cpu.init(0, {&calls}));
    EXPECT_FALSE(per_cpu.is_enabled());
    EXPECT_TRUE(per_cpu.hardware_enable());
    EXPECT_TRUE(per_cpu.is_enabled());
    EXPECT_EQ(per_cpu.hardware_enable().error().code, VCpuErrc::ResourceBusy);
    EXPECT_TRUE(per_cpu.hardware_disable());
    EXPECT_FALSE(per_cpu.is_enabled());
}

TEST(PerCpu, DestructionDisablesOnlyWhatIsEnabled) {
    Calls calls;
    {
        PerCpu<FakePerCpu> enabled;
        PerCpu<FakePerCpu> disabled;
        ASSERT_TRUE(enabled.init(0, {&calls}) && disabled.init(1, {&calls}) && enabled.hardware_enable());
        calls.clear();
    }
    EXPECT_EQ(calls, Calls{"disable"});
}

TEST(PerCpu, PageTablesHaveFourLevelsUnlessTheBackendSaysOtherwise) {
    Calls calls;
    PerCpu<FakePerCpu> four;
    EXPECT_EQ(four.max_guest_page_table_levels(), 4u);
    PerCpu<FiveLevelPerCpu> five;
    EXPECT_EQ(five.max_guest_page_table_levels(), 4u);
    ASSERT_TRUE(five.init(0, {&calls}));
    EXPECT_EQ(five.max_guest_page_table_levels(), 5u);
}

TEST(PerCpuDeathTest, ADestructorThatCannotDisableStopsTheProgram) {
    const auto die = [] {
        Calls calls;
        PerCpu<FakePerCpu> per_cpu;
        (void)per_cpu.init(0, {&calls, false, true}).has_value();
        (void)per_cpu.hardware_enable().has_value();
    };
    EXPECT_DEATH(die(), "check failed");
}

}  // namespace
}  // namespace vtless
