// SPDX-License-Identifier: MIT
#include "vcpu/exit.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "vcpu/error.h"

namespace vtless {
namespace {

static_assert(sizeof(VmExit) == 64);
static_assert(sizeof(Result<VmExit>) == 72);
static_assert(std::is_trivially_copyable_v<Result<VmExit>>);

// One exit of each kind, in the order of ExitKind, each field with a value of its own.
std::vector<VmExit> all_exits() {
    return {
        VmExit::Hypercall{1, {2, 3, 4, 5, 6, 7}},
        VmExit::MmioRead{Gpa(0xfee00020), AccessWidth::Dword, AccessWidth::Qword, true, 9},
        VmExit::MmioWrite{Gpa(0xfee000b0), AccessWidth::Dword, 0x11},
        VmExit::SysRegRead{0xc0000080, 2},
        VmExit::SysRegWrite{0x10, 0x1234567890},
        VmExit::IoRead{0x3fd, AccessWidth::Byte},
        VmExit::IoWrite{0x3f8, AccessWidth::Byte, 'A'},
        VmExit::ExternalInterrupt{0x20},
        VmExit::NestedPageFault{Gpa(0x80000000), {.read = true, .write = false, .execute = true}},
        VmExit::Halt{},
        VmExit::CpuUp{1, Gpa(0x8000), 5},
        VmExit::CpuDown{3},
        VmExit::SystemDown{},
        VmExit::Nothing{},
        VmExit::FailEntry{33},
        VmExit::SendIPI{1, 2, false, true, 0xfd},
        VmExit::PreemptionTimer{},
        VmExit::Unhandled{70, 0x55},
    };
}

TEST(VmExit, HasAllReasonsOfAxVCpuUnderTheirNames) {
    const std::vector<std::string> expected = {
        "Hypercall",  "MmioRead",          "MmioWrite",       "SysRegRead", "SysRegWrite", "IoRead",
        "IoWrite",    "ExternalInterrupt", "NestedPageFault", "Halt",       "CpuUp",       "CpuDown",
        "SystemDown", "Nothing",           "FailEntry",       "SendIPI"};
    const std::vector<VmExit> exits = all_exits();
    ASSERT_EQ(exits.size(), kExitKinds);
    for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(name(exits[i].kind()), expected[i]);
    }
}

TEST(VmExit, KindsAndNamesAreDistinct) {
    std::set<std::string> names;
    size_t index = 0;
    for (const VmExit& exit : all_exits()) {
        EXPECT_EQ(static_cast<size_t>(exit.kind()), index++);
        names.insert(name(exit.kind()));
    }
    EXPECT_EQ(names.size(), kExitKinds);
}

TEST(VmExit, VisitPassesThePayloadOfItsKind) {
    for (const VmExit& exit : all_exits()) {
        exit.visit([&exit](const auto& payload) {
            EXPECT_EQ(payload.kKind, exit.kind());
            EXPECT_EQ(VmExit(payload), exit);
        });
    }
}

TEST(VmExit, IsEqualOnlyToTheSameKindAndPayload) {
    const std::vector<VmExit> exits = all_exits();
    for (size_t i = 0; i < exits.size(); ++i) {
        for (size_t j = 0; j < exits.size(); ++j) {
            EXPECT_EQ(exits[i] == exits[j], i == j) << name(exits[i].kind()) << " " << name(exits[j].kind());
        }
    }
    EXPECT_FALSE(VmExit(VmExit::Hypercall{1, {0, 0, 0, 0, 0, 7}}) == VmExit(VmExit::Hypercall{1, {}}));
    EXPECT_FALSE(VmExit(VmExit::IoRead{0x60}) == VmExit(VmExit::IoRead{0x64}));
}

TEST(VmExit, GetIfAnswersOnlyForItsKind) {
    VmExit exit = VmExit::IoWrite{0x402, AccessWidth::Byte, 'x'};
    ASSERT_NE(exit.get_if<VmExit::IoWrite>(), nullptr);
    EXPECT_EQ(exit.get_if<VmExit::IoWrite>()->data, uint64_t{'x'});
    EXPECT_EQ(exit.get_if<VmExit::IoRead>(), nullptr);
    EXPECT_TRUE(exit.is<VmExit::IoWrite>());
    EXPECT_FALSE(exit.is<VmExit::Halt>());
    exit.get_if<VmExit::IoWrite>()->data = 'y';
    EXPECT_EQ(exit.get<VmExit::IoWrite>().data, uint64_t{'y'});
}

TEST(VmExit, CopiesAreWhole) {
    for (const VmExit& exit : all_exits()) {
        const VmExit copy = exit;
        EXPECT_EQ(copy, exit);
        VmExit assigned = VmExit::Halt{};
        assigned = exit;
        EXPECT_EQ(assigned, exit);
    }
}

TEST(VmExitDeathTest, GetOfAnotherKindStopsTheProgram) {
    const VmExit exit = VmExit::Halt{};
    EXPECT_DEATH((void)exit.get<VmExit::Hypercall>(), "check failed");
}

}  // namespace
}  // namespace vtless
