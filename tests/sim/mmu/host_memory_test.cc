// SPDX-License-Identifier: MIT
#include "sim/mmu/host_memory.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace vtless::sim {
namespace {

HostMemory make(uint64_t frames) {
    auto memory = HostMemory::create(frames * HostMemory::kFrameSize);
    return std::move(memory).value();
}

TEST(HostMemory, CreateRefusesSizesThatAreNoRam) {
    for (const uint64_t size : {uint64_t{0}, uint64_t{4096}, uint64_t{8193}, uint64_t{4095}}) {
        const auto memory = HostMemory::create(size);
        ASSERT_FALSE(memory.has_value()) << size;
        EXPECT_EQ(memory.error(), EINVAL);
    }
    EXPECT_FALSE(HostMemory::create(uint64_t{1} << 60).has_value()) << "more than a host can map";
}

TEST(HostMemory, FramesComeInOrderNeverFrameZeroUntilNoneIsLeft) {
    HostMemory memory = make(4);
    EXPECT_EQ(memory.free_frames(), 3u);
    Hpa frame;
    for (const uint64_t expected : {0x1000u, 0x2000u, 0x3000u}) {
        ASSERT_TRUE(memory.allocate_frame(frame));
        EXPECT_EQ(frame, Hpa(expected));
    }
    EXPECT_EQ(memory.free_frames(), 0u);
    EXPECT_FALSE(memory.allocate_frame(frame));
    EXPECT_EQ(frame, Hpa(0x3000)) << "unchanged by the failure";
}

TEST(HostMemory, FreedFrameComesBackZeroed) {
    HostMemory memory = make(4);
    Hpa frame;
    ASSERT_TRUE(memory.allocate_frame(frame));
    memory.map(frame)[17] = 0xaa;
    memory.free_frame(frame);
    Hpa again;
    ASSERT_TRUE(memory.allocate_frame(again));
    EXPECT_EQ(again, frame);
    EXPECT_EQ(memory.map(again)[17], 0);
}

TEST(HostMemory, ContiguousFramesAreAlignedAndTheSkippedOnesAreUsedLater) {
    HostMemory memory = make(64);
    Hpa first;
    ASSERT_TRUE(memory.allocate_frames(16, 0x10000, first));
    EXPECT_EQ(first, Hpa(0x10000));
    EXPECT_EQ(memory.free_frames(), 63u - 16u);
    Hpa skipped;
    ASSERT_TRUE(memory.allocate_frame(skipped));
    EXPECT_LT(skipped, first);
    EXPECT_FALSE(memory.allocate_frames(64, 4096, first));
    EXPECT_FALSE(memory.allocate_frames(~uint64_t{0}, 4096, first));
}

TEST(HostMemory, MapAndContainsStopAtTheEnd) {
    HostMemory memory = make(4);
    EXPECT_EQ(memory.map(Hpa(0)), memory.base());
    EXPECT_EQ(memory.map(Hpa(0x3fff)), memory.base() + 0x3fff);
    EXPECT_EQ(memory.map(Hpa(0x4000)), nullptr);
    EXPECT_EQ(memory.map(Hpa(~uint64_t{0})), nullptr);
    EXPECT_TRUE(memory.contains(Hpa(0x3ff8), 8));
    EXPECT_FALSE(memory.contains(Hpa(0x3ff9), 8));
    EXPECT_FALSE(memory.contains(Hpa(~uint64_t{0} - 3), 8));
}

TEST(HostMemory, NoteWriteTellsEachListenerUntilItIsRemoved) {
    HostMemory memory = make(4);
    memory.note_write(Hpa(1), 1);  // nobody listens
    struct Seen {
        Hpa first;
        uint64_t bytes = 0;
    } one, other;
    const auto listen = [](void* context, Hpa first, uint64_t bytes) {
        *static_cast<Seen*>(context) = {first, bytes};
    };
    memory.add_write_listener(listen, &one);
    memory.add_write_listener(listen, &other);
    memory.note_write(Hpa(0x1234), 8);
    for (const Seen& seen : {one, other}) {
        EXPECT_EQ(seen.first, Hpa(0x1234));
        EXPECT_EQ(seen.bytes, 8u);
    }
    memory.remove_write_listener(&one);
    memory.note_write(Hpa(0x2000), 4);
    EXPECT_EQ(one.bytes, 8u);
    EXPECT_EQ(other.bytes, 4u);
}

TEST(HostMemory, MovesWithItsContents) {
    HostMemory memory = make(4);
    memory.base()[5] = 42;
    HostMemory other = std::move(memory);
    EXPECT_EQ(other.map(Hpa(5))[0], 42);
    memory = std::move(other);
    EXPECT_EQ(memory.map(Hpa(5))[0], 42);
}

}  // namespace
}  // namespace vtless::sim
