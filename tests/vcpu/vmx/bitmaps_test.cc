// SPDX-License-Identifier: MIT
#include "vcpu/vmx/bitmaps.h"

#include <gtest/gtest.h>

#include <array>

namespace vtless::vmx {
namespace {

using Page = std::array<uint8_t, 4096>;

bool get(const Page& page, unsigned index) { return (page[index / 8] >> (index % 8) & 1) != 0; }

bool exits(const Page& a, const Page& b, unsigned port) { return get(port < 0x8000 ? a : b, port % 0x8000); }

TEST(IoBitmaps, InterceptAllButThePassedPorts) {
    SetupConfig config;
    config.passed_ports.push_back({0x7ffe, 0x8001});
    config.passed_ports.push_back({0xffff, 0xffff});
    Page a, b;
    fill_io_bitmaps(config, a.data(), b.data());
    for (unsigned port = 0; port <= 0xffff; ++port)
        EXPECT_EQ(exits(a, b, port), !((port >= 0x7ffe && port <= 0x8001) || port == 0xffff)) << port;
}

TEST(IoBitmaps, PassingAllStillCatchesPowerOff) {
    SetupConfig config;
    config.pass_all_ports = true;
    Page a, b;
    fill_io_bitmaps(config, a.data(), b.data());
    for (unsigned port = 0; port <= 0xffff; ++port) EXPECT_EQ(exits(a, b, port), port == 0x604) << port;
}

// Upstream cannot tell reads from writes.
TEST(MsrBitmap, SplitsReadsAndWrites) {
    MsrPassThroughList passed;
    passed.push_back({x86::Msr{0x10}, true, false});
    passed.push_back({x86::Msr{0xc0001fff}, false, true});
    passed.push_back({x86::Msr{0x1fff}, true, true});
    Page page;
    ASSERT_TRUE(fill_msr_bitmap(passed, page.data()));
    const auto index = [](uint32_t msr, bool write) {
        return (write ? 0x4000u : 0u) + (msr >= 0xc0000000 ? 0x2000u : 0u) + (msr & 0x1fff);
    };
    EXPECT_FALSE(get(page, index(0x10, false)));
    EXPECT_TRUE(get(page, index(0x10, true)));
    EXPECT_TRUE(get(page, index(0xc0001fff, false)));
    EXPECT_FALSE(get(page, index(0xc0001fff, true)));
    EXPECT_FALSE(get(page, index(0x1fff, false)));
    EXPECT_TRUE(get(page, index(0xc0000010, false)));
    unsigned clear = 0;
    for (unsigned i = 0; i < 0x8000; ++i) clear += get(page, i) ? 0u : 1u;
    EXPECT_EQ(clear, 4u);
}

// Upstream panics.
TEST(MsrBitmap, RefusesWhatNoBitmapCovers) {
    for (uint32_t msr : {0x2000u, 0x40000000u, 0xbfffffffu, 0xc0002000u, 0xffffffffu}) {
        MsrPassThroughList passed;
        passed.push_back({x86::Msr{msr}, true, true});
        Page page;
        const auto done = fill_msr_bitmap(passed, page.data());
        ASSERT_FALSE(done) << msr;
        EXPECT_EQ(done.error(), VCpuError::of(VCpuErrc::InvalidInput, msr));
    }
}

TEST(MsrBitmap, DefaultPassesWhatIsSwitched) {
    const auto list = default_msr_pass_through();
    for (const auto& item : list) EXPECT_NE(item.msr, x86::Msr::IA32_APIC_BASE);
    EXPECT_EQ(without(list, x86::Msr::IA32_PAT).size(), list.size() - 1);
}

}  // namespace
}  // namespace vtless::vmx
