// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "vmm/guest_parts.h"
#include "vmm/memory/ept_table.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {
namespace {

// Frames from 0x100000 up.
class FakeMemory {
  public:
    explicit FakeMemory(size_t frames) : left_(frames) {}
    bool allocate_frame(Hpa& frame) {
        if (left_ == 0) return false;
        --left_;
        frame = next_;
        next_ += 4096;
        frames_[frame.value()] = std::make_unique<std::array<uint8_t, 4096>>();
        return true;
    }
    void free_frame(Hpa frame) {
        EXPECT_EQ(frames_.erase(frame.value()), 1u);
        ++left_;
    }
    uint8_t* map(Hpa frame) {
        const auto found = frames_.find(frame.page().value());
        return found == frames_.end() ? nullptr : found->second->data() + frame.page_offset();
    }
    size_t allocated() const { return frames_.size(); }

  private:
    std::map<uint64_t, std::unique_ptr<std::array<uint8_t, 4096>>> frames_;
    Hpa next_{0x100000};
    size_t left_;
};

// An independent walk by the manual: the host address, the rights and the size of the page; nothing if
// absent.
struct Walked {
    uint64_t host = 0;
    uint64_t rights = 0;
    uint64_t page = 0;
    bool present = false;
};

Walked walk(FakeMemory& memory, Hpa root, uint64_t gpa) {
    uint64_t table = root.value();
    for (int shift = 39;; shift -= 9) {
        uint64_t entry = 0;
        std::memcpy(&entry, memory.map(Hpa(table)) + (gpa >> shift & 511) * 8, 8);
        if ((entry & 7) == 0) return {};
        if (shift == 12 || (entry >> 7 & 1) != 0) {
            EXPECT_EQ(entry >> 3 & 7, 6u) << "write-back";
            const uint64_t page = uint64_t{1} << shift;
            return {(entry & 0xffffffffff000 & ~(page - 1)) | (gpa & (page - 1)), entry & 7, page, true};
        }
        EXPECT_EQ(entry & 0x7f, 7u) << "a table's entry grants everything and keeps its reserved bits clear";
        table = entry & 0xffffffffff000;
    }
}

TEST(EptTable, MapsNotToTheSameAddressWithLargePagesWhereAligned) {
    FakeMemory memory(100);
    auto table = EptTable<FakeMemory>::create(memory);
    ASSERT_TRUE(table);
    ASSERT_TRUE(table->map({Gpa(0x1ff000), Hpa(0x405ff000), 0x402000, x86::ept::RWX}));
    const Walked first = walk(memory, table->root(), 0x1ff123);
    EXPECT_EQ(first.host, 0x405ff123u);
    EXPECT_EQ(first.page, 0x1000u);
    const Walked middle = walk(memory, table->root(), 0x3fedcb);
    EXPECT_EQ(middle.host, 0x407fedcbu);
    EXPECT_EQ(middle.page, 0x200000u);
    EXPECT_EQ(walk(memory, table->root(), 0x600fff).host, 0x40a00fffu);
    EXPECT_FALSE(walk(memory, table->root(), 0x601000).present);
    EXPECT_FALSE(walk(memory, table->root(), 0x1fefff).present);
}

TEST(EptTable, UsesSmallPagesWhenOnlyOneAddressIsAligned) {
    FakeMemory memory(100);
    auto table = EptTable<FakeMemory>::create(memory);
    ASSERT_TRUE(table->map({Gpa(0x200000), Hpa(0x1000), 0x200000, x86::ept::RWX}));
    EXPECT_EQ(walk(memory, table->root(), 0x200000).page, 0x1000u);
    EXPECT_EQ(walk(memory, table->root(), 0x3ff008).host, 0x200008u);
}

TEST(EptTable, KeepsRights) {
    FakeMemory memory(100);
    auto table = EptTable<FakeMemory>::create(memory);
    ASSERT_TRUE(table->map({Gpa(0xfffc0000), Hpa(0x3000), 0x40000, x86::ept::READ | x86::ept::EXECUTE}));
    EXPECT_EQ(walk(memory, table->root(), 0xfffffff0).rights, 5u);
}

TEST(EptTable, RefusesOverlapsAndUnalignedAddresses) {
    FakeMemory memory(100);
    auto table = EptTable<FakeMemory>::create(memory);
    ASSERT_TRUE(table->map({Gpa(0), Hpa(0x200000), 0x200000, x86::ept::RWX}));
    EXPECT_FALSE(table->map({Gpa(0x1000), Hpa(0x1000), 0x1000, x86::ept::RWX})) << "under a large page";
    EXPECT_FALSE(table->map({Gpa(0), Hpa(0x400000), 0x200000, x86::ept::RWX}));
    EXPECT_FALSE(table->map({Gpa(0x400800), Hpa(0x1000), 0x1000, x86::ept::RWX}));
    EXPECT_FALSE(table->map({Gpa(0x400000), Hpa(0x1000), 0x800, x86::ept::RWX}));
    EXPECT_FALSE(table->map({Gpa(uint64_t{1} << 48), Hpa(0x1000), 0x1000, x86::ept::RWX}));
}

TEST(EptTable, GivesItsFramesBackAndSaysWhenThereAreNone) {
    FakeMemory memory(3);
    EXPECT_FALSE(EptTable<FakeMemory>::create(*std::make_unique<FakeMemory>(0)));
    {
        auto table = EptTable<FakeMemory>::create(memory);
        EXPECT_FALSE(table->map({Gpa(0x1000), Hpa(0x1000), 0x1000, x86::ept::RWX}))
            << "needs three tables more";
    }
    EXPECT_EQ(memory.allocated(), 0u);
}

class GuestMemoryTest : public ::testing::Test {
  protected:
    GuestMemoryTest() {
        std::iota(low.begin(), low.end(), uint8_t{0});
        EXPECT_TRUE(memory.add({Gpa(0x2000), high.size(), Hpa(0x9000), high.data(), false}));
        EXPECT_TRUE(memory.add({Gpa(0x1000), low.size(), Hpa(0x5000), low.data(), true}));
    }
    std::vector<uint8_t> low = std::vector<uint8_t>(0x1000);
    std::vector<uint8_t> high = std::vector<uint8_t>(0x1000, 0xee);
    GuestMemory memory;
};

TEST_F(GuestMemoryTest, KeepsRegionsInOrderAndApart) {
    EXPECT_EQ(memory.regions()[0].first, Gpa(0x1000));
    EXPECT_FALSE(memory.add({Gpa(0x1fff), 2, Hpa(), low.data(), true}));
    EXPECT_FALSE(memory.add({Gpa(0), 0x1001, Hpa(), low.data(), true}));
    EXPECT_FALSE(memory.add({Gpa(0x5000), 0, Hpa(), low.data(), true}));
    EXPECT_TRUE(memory.add({Gpa(0), 0x1000, Hpa(), low.data(), true}));
}

TEST_F(GuestMemoryTest, CrossesAdjacentRegionsAndNotesWrites) {
    std::vector<std::pair<uint64_t, uint64_t>> noted;
    memory.set_write_listener([&](Hpa first, uint64_t bytes) { noted.push_back({first.value(), bytes}); });
    const std::vector<uint8_t> data = {1, 2, 3, 4};
    ASSERT_TRUE(memory.write(Gpa(0x1ffe), data));
    EXPECT_EQ(noted, (std::vector<std::pair<uint64_t, uint64_t>>{{0x5ffe, 2}, {0x9000, 2}}));
    std::vector<uint8_t> back(4);
    ASSERT_TRUE(memory.read(Gpa(0x1ffe), back));
    EXPECT_EQ(back, data);
}

TEST_F(GuestMemoryTest, ChangesNothingWhenAnyByteIsOutside) {
    const std::vector<uint8_t> data(3);
    EXPECT_FALSE(memory.write(Gpa(0x2ffe), data));
    EXPECT_EQ(high[0xffe], 0xee);
    EXPECT_EQ(memory.available(Gpa(0x2ffe), 3), 2u);
    EXPECT_EQ(memory.available(Gpa(0), 3), 0u);
    EXPECT_EQ(memory.find(Gpa(0x3000)), nullptr);
}

TEST(MemoryLayout, PutsWhatIsAboveThreeGiBAtFour) {
    const MemoryLayout small(512 << 20);
    EXPECT_EQ(small.below_4g, 512u << 20);
    EXPECT_EQ(small.above_4g, 0u);
    const MemoryLayout large(uint64_t{5} << 30);
    EXPECT_EQ(large.below_4g, uint64_t{3} << 30);
    EXPECT_EQ(large.above_4g, uint64_t{2} << 30);
}

TEST(DeviceRanges, LoseAHole) {
    const auto left = [](const std::vector<vmx::MmioRange>& ranges) {
        std::vector<std::pair<uint64_t, uint64_t>> all;
        for (const auto& range : ranges_without(ranges, {Gpa(0x3000), 0x1000}))
            all.emplace_back(range.base.value(), range.bytes);
        return all;
    };
    using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;
    EXPECT_EQ(left({{Gpa(0), 0x10000}}), (Ranges{{0, 0x3000}, {0x4000, 0xc000}}));
    EXPECT_EQ(left({{Gpa(0), 0x3000}, {Gpa(0x4000), 1}}), (Ranges{{0, 0x3000}, {0x4000, 1}}));
    EXPECT_EQ(left({{Gpa(0x2fff), 2}, {Gpa(0x3fff), 2}}), (Ranges{{0x2fff, 1}, {0x4000, 1}}));
    EXPECT_EQ(left({{Gpa(0x3000), 0x1000}, {Gpa(0x3800), 8}}), Ranges{});
}

}  // namespace
}  // namespace vtless::vmm
