// SPDX-License-Identifier: MIT
#include "vmm/devices/rtc.h"

#include <gtest/gtest.h>

#include "tests/vmm/fake_lines.h"

namespace vtless::vmm {
namespace {

class RtcTest : public ::testing::Test {
  protected:
    RtcTest() { rtc.attach(bus); }
    uint32_t read(unsigned index) {
        bus.write(0x70, AccessWidth::Byte, index);
        return bus.read(0x71, AccessWidth::Byte);
    }
    void write(unsigned index, uint32_t value) {
        bus.write(0x70, AccessWidth::Byte, index);
        bus.write(0x71, AccessWidth::Byte, value);
    }
    void at(uint64_t cycles) {
        clock.advance_to(cycles);
        if (rtc.next_event() <= cycles) rtc.advance(cycles);
    }

    Clock clock;
    FakeLines lines;
    PortBus bus;
    Rtc rtc{clock, lines};
};

TEST_F(RtcTest, StartsAtAFixedDateInBcd) {
    EXPECT_EQ(read(0x32), 0x20u);
    EXPECT_EQ(read(0x09), 0x26u);
    EXPECT_EQ(read(0x08), 0x01u);
    EXPECT_EQ(read(0x07), 0x01u);
    EXPECT_EQ(read(0x06), 5u) << "2026-01-01 is a Thursday";
    EXPECT_EQ(read(0x04), 0x00u);
}

TEST_F(RtcTest, MovesWithSimulatedTime) {
    at((((23ull * 60 + 59) * 60) + 58) * kDefaultTscHz);
    EXPECT_EQ(read(0x04), 0x23u);
    EXPECT_EQ(read(0x02), 0x59u);
    EXPECT_EQ(read(0x00), 0x58u);
    at(86400ull * 60 * kDefaultTscHz);
    EXPECT_EQ(read(0x08), 0x03u) << "31 days of January, 28 of February";
    EXPECT_EQ(read(0x07), 0x02u);
}

TEST_F(RtcTest, BinaryAndTwelveHourFormats) {
    at(13ull * 3600 * kDefaultTscHz + 42 * kDefaultTscHz);
    write(0x0b, 0x06);
    EXPECT_EQ(read(0x00), 42u);
    EXPECT_EQ(read(0x04), 13u);
    write(0x0b, 0x00);
    EXPECT_EQ(read(0x04), 0x81u) << "1 PM";
}

TEST_F(RtcTest, TimeCanBeSet) {
    at(10 * kDefaultTscHz);
    write(0x0b, 0x82);
    for (auto [index, value] : {std::pair{0x00u, 0x30u},
                                {0x02u, 0x15u},
                                {0x04u, 0x12u},
                                {0x07u, 0x29u},
                                {0x08u, 0x02u},
                                {0x09u, 0x24u}}) {
        write(index, value);
    }
    at(20 * kDefaultTscHz);
    EXPECT_EQ(read(0x00), 0x30u) << "stands still while SET";
    write(0x0b, 0x02);
    at(25 * kDefaultTscHz);
    EXPECT_EQ(read(0x00), 0x35u);
    EXPECT_EQ(read(0x07), 0x29u);
    EXPECT_EQ(read(0x09), 0x24u);
    EXPECT_EQ(read(0x06), 5u);
}

TEST_F(RtcTest, UpdateInProgressPrecedesEachSecond) {
    EXPECT_EQ(read(0x0a), 0x26u);
    at(kDefaultTscHz - 2'000'000);
    EXPECT_EQ(read(0x0a), 0xa6u);
    at(kDefaultTscHz);
    EXPECT_EQ(read(0x0a), 0x26u);
}

TEST_F(RtcTest, PeriodicInterruptAtItsRate) {
    EXPECT_EQ(rtc.next_event(), kNever);
    write(0x0b, 0x42);
    const uint64_t period = clock.cycle_of(32, 32768);
    EXPECT_EQ(rtc.next_event(), period);
    at(period);
    EXPECT_TRUE(lines.levels[8]);
    EXPECT_EQ(rtc.next_event(), kNever) << "until the flag is read";
    EXPECT_EQ(read(0x0c), 0xc0u);
    EXPECT_FALSE(lines.levels[8]);
    EXPECT_EQ(read(0x0c), 0u);
    EXPECT_EQ(rtc.next_event(), clock.cycle_of(64, 32768));
}

TEST(Rtc, KeepsItsOwnTimeAtAnyRateOfTheTimeStampCounter) {
    constexpr uint64_t kHz = 2'893'437'000;
    Clock clock(kHz);
    FakeLines lines;
    PortBus bus;
    Rtc rtc(clock, lines);
    rtc.attach(bus);
    const auto write = [&](uint8_t index, uint8_t value) {
        bus.write(0x70, AccessWidth::Byte, index);
        bus.write(0x71, AccessWidth::Byte, value);
    };
    const auto read = [&](uint8_t index) {
        bus.write(0x70, AccessWidth::Byte, index);
        return bus.read(0x71, AccessWidth::Byte);
    };
    write(0x0b, 0x42);
    for (uint64_t period = 1; period <= 3 * 1024; ++period) {
        ASSERT_EQ(rtc.next_event(), clock.cycle_of(period * 32, 32768));
        clock.advance_to(rtc.next_event());
        rtc.advance(clock.now());
        ASSERT_EQ(read(0x0c), period % 1024 == 0 ? 0xd0u : 0xc0u);
    }
    EXPECT_EQ(clock.now(), 3 * kHz);
    EXPECT_EQ(read(0x00), 3u);
}

TEST_F(RtcTest, UpdateEndedAndAlarm) {
    write(0x01, 0x02);
    write(0x03, 0xff);
    write(0x05, 0xff);
    write(0x0b, 0x32);
    at(kDefaultTscHz);
    EXPECT_EQ(read(0x0c) & 0xb0u, 0x90u);
    at(2 * kDefaultTscHz);
    EXPECT_EQ(read(0x0c) & 0xb0u, 0xb0u);
    EXPECT_EQ(lines.rises[8], 2u);
}

TEST_F(RtcTest, TellsTheMemorySize) {
    rtc.set_memory(512u << 20, 3ull << 30);
    EXPECT_EQ(read(0x15) | read(0x16) << 8, 640u);
    EXPECT_EQ(read(0x30) | read(0x31) << 8, 0xffffu);
    EXPECT_EQ(read(0x34) | read(0x35) << 8, (496u << 20) / 65536);
    EXPECT_EQ(read(0x5b) | read(0x5c) << 8 | read(0x5d) << 16, (3ull << 30) / 65536);
    rtc.set_memory(8u << 20, 0);
    EXPECT_EQ(read(0x17) | read(0x18) << 8, 7u * 1024);
    EXPECT_EQ(read(0x34) | read(0x35) << 8, 0u);
}

TEST_F(RtcTest, CmosKeepsBytesAndStatusDIsReadOnly) {
    write(0x0f, 0x05);
    EXPECT_EQ(read(0x8f), 0x05u) << "bit 7 of the index is the NMI mask";
    write(0x0d, 0x00);
    EXPECT_EQ(read(0x0d), 0x80u);
}

}  // namespace
}  // namespace vtless::vmm
