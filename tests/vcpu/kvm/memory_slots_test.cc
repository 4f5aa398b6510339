// SPDX-License-Identifier: MIT
#include "vcpu/kvm/memory_slots.h"

#include <gtest/gtest.h>

#include "tests/vcpu/kvm/test_memory.h"

namespace vtless::kvm {
namespace {

namespace ept = x86::ept;

class MemorySlots : public ::testing::Test {
  protected:
    MemorySlots() : table_(std::move(*vmm::EptTable<TestMemory>::create(memory_))) {}

    void map(uint64_t guest, uint64_t host, uint64_t bytes, uint64_t rights = ept::RWX) {
        ASSERT_TRUE(table_.map({Gpa(guest), Hpa(host), bytes, rights}));
    }
    void change(uint64_t gpa, uint64_t entry) {
        memory_.store<uint64_t>(ept_entry(memory_, table_.root(), gpa), entry);
    }
    Result<std::vector<MemorySlot>> slots() {
        return memory_slots(table_.root(), HostMemoryMap::of(memory_), limits_);
    }
    uint8_t* at(uint64_t hpa) { return memory_.map(Hpa(hpa)); }
    // That the layout is refused, for this page.
    void expect_refusal(LayoutRefusal why, uint64_t page) {
        const auto result = slots();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, VCpuErrc::Unsupported);
        const auto detail = FailureDetail::decode(result.error().detail);
        EXPECT_EQ(detail.what, Failure::Layout);
        EXPECT_EQ(detail.refusal, why) << describe(result.error());
        EXPECT_EQ(detail.page, Gpa(page));
    }

    TestMemory memory_;
    vmm::EptTable<TestMemory> table_;
    SlotLimits limits_{32, true, {}};
};

TEST_F(MemorySlots, NothingMappedIsNoSlot) { EXPECT_TRUE(slots()->empty()); }

TEST_F(MemorySlots, ContiguousPagesOfEqualRightsAreOneSlot) {
    map(0, 0, 0x3000);
    map(0x3000, 0x3000, 0x1000);
    EXPECT_EQ(*slots(), (std::vector<MemorySlot>{{Gpa(0), 0x4000, at(0), false}}));
}

TEST_F(MemorySlots, AreSplitAtHolesJumpsAndRights) {
    map(0, 0, 0x2000);
    map(0x3000, 0x3000, 0x1000);                            // hole at 2000
    map(0x4000, 0x8000, 0x1000);                            // elsewhere in the host
    map(0x5000, 0x9000, 0x1000, ept::READ | ept::EXECUTE);  // read-only
    map(0x6000, 0xa000, 0x1000);
    EXPECT_EQ(*slots(), (std::vector<MemorySlot>{{Gpa(0), 0x2000, at(0), false},
                                                 {Gpa(0x3000), 0x1000, at(0x3000), false},
                                                 {Gpa(0x4000), 0x1000, at(0x8000), false},
                                                 {Gpa(0x5000), 0x1000, at(0x9000), true},
                                                 {Gpa(0x6000), 0x1000, at(0xa000), false}}));
}

TEST_F(MemorySlots, LargePagesJoinTheirNeighbours) {
    map(0x200000, 0x200000, 0x101000);
    map(0, 0, 0x200000);
    EXPECT_EQ(*slots(), (std::vector<MemorySlot>{{Gpa(0), 0x301000, at(0), false}}));
}

TEST_F(MemorySlots, RightsOfTheTablesAboveCount) {
    map(0, 0, 0x1000);
    const auto root = memory_.load<uint64_t>(table_.root().value());
    memory_.store<uint64_t>(table_.root().value(), root & ~ept::WRITE);
    EXPECT_EQ(*slots(), (std::vector<MemorySlot>{{Gpa(0), 0x1000, at(0), true}}));
}

TEST_F(MemorySlots, RefusesWhatKvmCannotExpress) {
    map(0, 0, 0x4000);
    const uint64_t page = 0x2000 | kWriteBack;
    change(0x2000, page | ept::READ | ept::WRITE);
    expect_refusal(LayoutRefusal::NoExecute, 0x2000);
    change(0x2000, page | ept::READ);
    expect_refusal(LayoutRefusal::NoExecute, 0x2000);
    change(0x2000, page | ept::EXECUTE);
    expect_refusal(LayoutRefusal::ExecuteOnly, 0x2000);
    change(0x2000, page | ept::WRITE);
    expect_refusal(LayoutRefusal::WriteWithoutRead, 0x2000);
    change(0x2000, page | ept::WRITE | ept::EXECUTE);
    expect_refusal(LayoutRefusal::WriteWithoutRead, 0x2000);
    change(0x2000, 0x2000 | ept::RWX);  // UC
    expect_refusal(LayoutRefusal::MemoryType, 0x2000);
    change(0x2000, 0x2000 | uint64_t{2} << 3 | ept::RWX);
    expect_refusal(LayoutRefusal::Misconfigured, 0x2000);
    change(0x2000, page | ept::RWX | uint64_t{1} << 48);
    expect_refusal(LayoutRefusal::Misconfigured, 0x2000);
}

TEST_F(MemorySlots, ModeBasedExecutionMustNotDiffer) {
    map(0, 0, 0x1000);
    limits_.features.mode_based_execute = true;
    expect_refusal(LayoutRefusal::SupervisorUserSplit, 0);
    limits_.features.mode_based_execute = false;
    EXPECT_TRUE(slots());
}

TEST_F(MemorySlots, MemoryThatIsNotThereIsRefused) {
    map(0, 0, 0x1000);
    map(0x5000, TestMemory::kBytes, 0x1000);
    expect_refusal(LayoutRefusal::NoHostMemory, 0x5000);
}

TEST_F(MemorySlots, TableThatIsNotThereIsRefused) {
    memory_.store<uint64_t>(table_.root().value() + 8, TestMemory::kBytes | ept::RWX);
    expect_refusal(LayoutRefusal::NoHostMemory, uint64_t{1} << 39);
}

TEST_F(MemorySlots, UnalignedHostMemoryIsRefused) {
    map(0, 0, 0x1000);
    const HostMemoryMap crooked{[](void* context, Hpa frame) -> uint8_t* {
                                    auto* memory = static_cast<TestMemory*>(context);
                                    return memory->map(frame) + (frame == Hpa(0) ? 8 : 0);
                                },
                                &memory_};
    const auto result = memory_slots(table_.root(), crooked, limits_);
    ASSERT_FALSE(result);
    EXPECT_EQ(FailureDetail::decode(result.error().detail).refusal, LayoutRefusal::Unaligned);
}

TEST_F(MemorySlots, MoreThanThereAreIsRefused) {
    for (uint64_t i = 0; i < 4; ++i) map(i * 0x2000, i * 0x2000, 0x1000);
    limits_.slots = 4;
    EXPECT_EQ(slots()->size(), 4u);
    limits_.slots = 3;
    expect_refusal(LayoutRefusal::TooManySlots, 0x6000);
}

TEST_F(MemorySlots, PageOfTheKernelsApicsIsRefused) {
    map(0xfedff000, 0, 0x3000);
    EXPECT_EQ(slots()->size(), 1u);
    limits_.kernel_apics = true;
    expect_refusal(LayoutRefusal::ApicPage, 0xfee00000);
}

TEST_F(MemorySlots, ReadOnlyNeedsTheCapability) {
    map(0, 0, 0x1000, ept::READ | ept::EXECUTE);
    limits_.read_only = false;
    expect_refusal(LayoutRefusal::ReadOnlyUnsupported, 0);
}

}  // namespace
}  // namespace vtless::kvm
