// SPDX-License-Identifier: MIT
#include "vmm/digest.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

#include "sim/mmu/host_memory.h"
#include "vmm/memory/touched_pages.h"

namespace vtless::vmm {
namespace {

constexpr uint64_t kSize = 64u << 20;

class MemoryDigest : public ::testing::Test {
  protected:
    uint64_t digest() {
        GuestMemory guest;
        EXPECT_TRUE(guest.add({Gpa(0), kSize, Hpa(0), memory.base()}));
        RunDigests digests;
        digests.add_memory(guest);
        return digests.digest();
    }

    sim::HostMemory memory = sim::HostMemory::create(kSize).value();
};

TEST_F(MemoryDigest, ChangesWithEachByteAndWhereItIs) {
    const uint64_t empty = digest();
    memory.base()[kSize - 1] = 1;
    const uint64_t last = digest();
    EXPECT_NE(last, empty);
    memory.base()[kSize - 1] = 0;
    memory.base()[kSize - 2] = 1;
    EXPECT_NE(digest(), last);
    memory.base()[kSize - 2] = 0;
    memory.base()[4095] = 1;
    EXPECT_NE(digest(), last) << "the same byte of another page";
}

TEST_F(MemoryDigest, DoesNotKnowWhetherZerosWereWritten) {
    memory.base()[5000] = 7;
    const uint64_t before = digest();
    std::memset(memory.base() + 8192, 0, 1 << 20);
    volatile const uint8_t* read = memory.base() + (32u << 20);
    EXPECT_EQ(*read, 0);
    EXPECT_EQ(digest(), before);
}

TEST(TouchedPages, AreAtLeastThoseThatAreNotZero) {
    sim::HostMemory memory = sim::HostMemory::create(kSize).value();
    memory.base()[4096 * 3 + 5] = 1;
    memory.base()[kSize - 1] = 1;
    size_t found = 0;
    for_each_touched_page({memory.base(), kSize}, [&](std::span<const uint8_t> page) {
        const auto at = static_cast<size_t>(page.data() - memory.base());
        if (at == 3 * size_t{4096} || at == kSize - 4096) ++found;
    });
    EXPECT_EQ(found, 2u);
}

// A part of a page at the end, and memory that begins within one.
TEST(TouchedPages, NeedNotBeWholePages) {
    alignas(4096) static uint8_t bytes[3 * 4096];
    std::memset(bytes, 1, sizeof bytes);
    for (const size_t begin : {0, 7}) {
        size_t seen = 0;
        for_each_touched_page({bytes + begin, 5000},
                              [&](std::span<const uint8_t> page) { seen += page.size(); });
        EXPECT_EQ(seen, 5000u);
    }
}

// A quarter of a million pages, of which hardly any is touched by whoever looks for them.
TEST(TouchedPages, UntouchedMemoryStaysSo) {
    constexpr uint64_t kLarge = uint64_t{1} << 30;
    sim::HostMemory memory = sim::HostMemory::create(kLarge).value();
    memory.base()[kLarge / 2] = 1;
    if (access("/proc/self/pagemap", R_OK) != 0)
        GTEST_SKIP() << "this kernel does not say which pages are touched";
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    size_t pages = 0;
    for_each_touched_page({memory.base(), kLarge}, [&](std::span<const uint8_t>) { ++pages; });
    getrusage(RUSAGE_SELF, &after);
    EXPECT_GE(pages, 1u);
    EXPECT_LE(pages, 512u) << "one page, or one large page";
    EXPECT_LT(after.ru_minflt - before.ru_minflt, 1000);
}

}  // namespace
}  // namespace vtless::vmm
