// SPDX-License-Identifier: MIT
#include "vmm/devices/pit.h"

#include <gtest/gtest.h>

#include "tests/vmm/fake_lines.h"

namespace vtless::vmm {
namespace {

class PitTest : public ::testing::Test {
  protected:
    PitTest() { pit.attach(bus); }
    void out(uint16_t port, uint32_t value) { bus.write(port, AccessWidth::Byte, value); }
    uint32_t in(uint16_t port) { return bus.read(port, AccessWidth::Byte); }
    // Control word for both bytes of a counter, then its count.
    void program(unsigned counter, unsigned mode, unsigned count) {
        out(0x43, counter << 6 | 0x30 | mode << 1);
        out(static_cast<uint16_t>(0x40 + counter), count & 0xff);
        out(static_cast<uint16_t>(0x40 + counter), count >> 8);
    }
    unsigned count_of(unsigned counter) {
        out(0x43, counter << 6);
        const auto port = static_cast<uint16_t>(0x40 + counter);
        const unsigned low = in(port);
        return low | in(port) << 8;
    }
    void at_tick(uint64_t tick) {
        clock.advance_to(clock.cycle_of(tick, Pit::kHz));
        if (pit.next_event() <= clock.now()) pit.advance(clock.now());
    }

    Clock clock;
    FakeLines lines;
    PortBus bus;
    Pit pit{clock, lines};
};

TEST_F(PitTest, Mode2InterruptsEachPeriod) {
    EXPECT_EQ(pit.next_event(), kNever);
    program(0, 2, 1000);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(1000, Pit::kHz));
    at_tick(999);
    EXPECT_EQ(lines.rises[0], 0u);
    at_tick(1000);
    EXPECT_EQ(lines.rises[0], 1u);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(2000, Pit::kHz));
    at_tick(5500);
    EXPECT_EQ(lines.rises[0], 2u) << "edges that nobody saw are one";
    EXPECT_EQ(pit.next_event(), clock.cycle_of(6000, Pit::kHz));
}

TEST_F(PitTest, Mode0InterruptsOnceAndReloadsWithoutControlWord) {
    program(0, 0, 100);
    at_tick(100);
    EXPECT_TRUE(lines.levels[0]);
    EXPECT_EQ(pit.next_event(), kNever);
    out(0x40, 50);
    EXPECT_EQ(pit.next_event(), kNever) << "stopped by the first byte";
    out(0x40, 0);
    EXPECT_FALSE(lines.levels[0]);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(150, Pit::kHz));
}

TEST_F(PitTest, Mode4StrobesAfterTheCount) {
    program(0, 4, 10);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(11, Pit::kHz));
    at_tick(11);
    EXPECT_EQ(lines.rises[0], 1u);
    EXPECT_EQ(pit.next_event(), kNever);
}

TEST_F(PitTest, CountsDownByOneInMode2AndByTwoInMode3) {
    program(0, 2, 1000);
    at_tick(10);
    EXPECT_EQ(count_of(0), 990u);
    program(0, 3, 1000);
    at_tick(20);
    EXPECT_EQ(count_of(0), 980u);
    at_tick(10 + 499);
    EXPECT_EQ(count_of(0), 2u);
    at_tick(10 + 501);
    EXPECT_EQ(count_of(0), 998u) << "second half";
}

TEST_F(PitTest, ZeroCountsAs65536) {
    program(0, 2, 0);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(65536, Pit::kHz));
    at_tick(1);
    EXPECT_EQ(count_of(0), 65535u);
}

TEST_F(PitTest, LatchedCountStandsUntilRead) {
    program(0, 2, 1000);
    out(0x43, 0x00);
    at_tick(500);
    out(0x43, 0x00);
    EXPECT_EQ(in(0x40), 1000u & 0xff) << "a second latch is ignored";
    EXPECT_EQ(in(0x40), 1000u >> 8);
    EXPECT_EQ(in(0x40), 500u & 0xff);
}

TEST_F(PitTest, ReadBackGivesStatusThenCount) {
    program(0, 2, 1000);
    out(0x43, 0xc2);  // count and status of counter 0
    EXPECT_EQ(in(0x40), 0x80u | 0x34u);
    EXPECT_EQ(in(0x40), 1000u & 0xff);
    EXPECT_EQ(in(0x40), 1000u >> 8);
    out(0x43, 0x30);
    out(0x43, 0xe2);
    EXPECT_EQ(in(0x40), 0x40u | 0x30u) << "null count, output low in mode 0";
}

TEST_F(PitTest, SingleByteAccessModes) {
    out(0x43, 0x14);  // counter 0, low byte, mode 2
    out(0x40, 100);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(100, Pit::kHz));
    out(0x43, 0x24);  // high byte
    out(0x40, 1);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(256, Pit::kHz));
    EXPECT_EQ(in(0x40), 1u);
}

TEST_F(PitTest, CountsInDecimal) {
    out(0x43, 0x35);  // counter 0, both bytes, mode 2, BCD
    out(0x40, 0x00);
    out(0x40, 0x10);
    EXPECT_EQ(pit.next_event(), clock.cycle_of(1000, Pit::kHz));
    at_tick(1);
    EXPECT_EQ(count_of(0), 0x0999u);
}

TEST_F(PitTest, Counter2IsGatedAndSeenThroughPort61) {
    program(2, 0, 100);
    at_tick(200);
    EXPECT_EQ(in(0x61) & 0x20u, 0u) << "the gate is closed";
    EXPECT_EQ(count_of(2), 100u);
    out(0x61, 0x01);
    at_tick(299);
    EXPECT_EQ(in(0x61) & 0x23u, 0x01u);
    at_tick(300);
    EXPECT_EQ(in(0x61) & 0x23u, 0x21u);
}

TEST_F(PitTest, Mode1IsTriggeredByTheGate) {
    program(2, 1, 50);
    EXPECT_EQ(in(0x61) & 0x20u, 0x20u);
    out(0x61, 0x01);
    EXPECT_EQ(in(0x61) & 0x20u, 0u);
    at_tick(50);
    EXPECT_EQ(in(0x61) & 0x20u, 0x20u);
    out(0x61, 0x00);
    out(0x61, 0x01);
    EXPECT_EQ(in(0x61) & 0x20u, 0u) << "triggered again";
}

TEST_F(PitTest, RefreshBitToggles) {
    const uint32_t first = in(0x61) & 0x10;
    at_tick(18);
    EXPECT_NE(in(0x61) & 0x10, first);
    at_tick(36);
    EXPECT_EQ(in(0x61) & 0x10, first);
}

TEST(Clock, TicksAndCyclesAreInverse) {
    for (const uint64_t hz : {kDefaultTscHz, uint64_t{2'893'437'000}}) {
        const Clock clock(hz);
        for (uint64_t tick : {0ull, 1ull, 999ull, 1193182ull, 1ull << 40}) {
            const uint64_t cycles = clock.cycle_of(tick, Pit::kHz);
            EXPECT_EQ(clock.ticks_at(cycles, Pit::kHz), tick);
            if (cycles != 0) {
                EXPECT_EQ(clock.ticks_at(cycles - 1, Pit::kHz), tick - 1);
            }
        }
    }
}

TEST(Clock, NeverGoesBack) {
    Clock clock;
    clock.advance_to(100);
    clock.advance_to(50);
    EXPECT_EQ(clock.now(), 100u);
}

}  // namespace
}  // namespace vtless::vmm
