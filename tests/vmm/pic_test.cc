// SPDX-License-Identifier: MIT
#include "vmm/devices/pic.h"

#include <gtest/gtest.h>

namespace vtless::vmm {
namespace {

constexpr uint8_t kEoi = 0x20;

class PicTest : public ::testing::Test {
  protected:
    PicTest() {
        pic.attach(bus);
        initialize(0x01);
    }
    // As PC firmware does: master at vector 8, slave at 0x70, nothing masked.
    void initialize(uint8_t icw4) {
        out(0x20, 0x11);
        out(0x21, 0x08);
        out(0x21, 0x04);
        out(0x21, icw4);
        out(0xa0, 0x11);
        out(0xa1, 0x70);
        out(0xa1, 0x02);
        out(0xa1, icw4);
    }
    void out(uint16_t port, uint32_t value) { bus.write(port, AccessWidth::Byte, value); }
    uint32_t in(uint16_t port) { return bus.read(port, AccessWidth::Byte); }
    void raise(unsigned line) {
        pic.set_line(line, false);
        pic.set_line(line, true);
    }

    PortBus bus;
    PicPair pic;
};

TEST_F(PicTest, DeliversAnEdgeOnce) {
    EXPECT_FALSE(pic.output());
    raise(0);
    ASSERT_TRUE(pic.output());
    EXPECT_EQ(pic.acknowledge(), 8);
    EXPECT_FALSE(pic.output());
    out(0x20, kEoi);
    EXPECT_FALSE(pic.output()) << "the line is still high, but there was no new edge";
    raise(0);
    EXPECT_TRUE(pic.output());
}

TEST_F(PicTest, MaskedRequestWaits) {
    out(0x21, 0x01);
    EXPECT_EQ(in(0x21), 0x01u);
    raise(0);
    EXPECT_FALSE(pic.output());
    out(0x21, 0x00);
    EXPECT_TRUE(pic.output());
}

TEST_F(PicTest, LineThatFallsTakesItsRequestAlong) {
    raise(4);
    ASSERT_TRUE(pic.output());
    pic.set_line(4, false);
    EXPECT_FALSE(pic.output());
}

TEST_F(PicTest, AcknowledgeWithoutRequestIsSpurious7) {
    EXPECT_EQ(pic.acknowledge(), 8 + 7);
    out(0x20, 0x0b);
    EXPECT_EQ(in(0x20), 0u) << "a spurious interrupt is not in service";
}

TEST_F(PicTest, HigherPriorityInterruptsLowerAndNotTheOtherWay) {
    raise(3);
    EXPECT_EQ(pic.acknowledge(), 8 + 3);
    raise(5);
    EXPECT_FALSE(pic.output());
    raise(1);
    ASSERT_TRUE(pic.output());
    EXPECT_EQ(pic.acknowledge(), 8 + 1);
    out(0x20, kEoi);
    EXPECT_FALSE(pic.output()) << "3 is still in service";
    out(0x20, kEoi);
    EXPECT_EQ(pic.acknowledge(), 8 + 5);
}

TEST_F(PicTest, SlaveComesThroughInput2) {
    raise(8);
    ASSERT_TRUE(pic.output());
    EXPECT_EQ(pic.acknowledge(), 0x70);
    out(0x20, 0x0b);
    EXPECT_EQ(in(0x20), 0x04u);
    raise(12);
    EXPECT_FALSE(pic.output());
    out(0xa0, kEoi);
    EXPECT_FALSE(pic.output()) << "the master still serves the slave";
    out(0x20, kEoi);
    ASSERT_TRUE(pic.output());
    EXPECT_EQ(pic.acknowledge(), 0x74);
}

TEST_F(PicTest, SpecialFullyNestedModeLetsTheSlaveInterruptItself) {
    initialize(0x11);
    raise(12);
    EXPECT_EQ(pic.acknowledge(), 0x74);
    raise(8);
    ASSERT_TRUE(pic.output());
    EXPECT_EQ(pic.acknowledge(), 0x70);
}

TEST_F(PicTest, SpecificEoiEndsTheNamedOne) {
    raise(3);
    (void)pic.acknowledge();
    raise(1);
    (void)pic.acknowledge();
    out(0x20, 0x63);
    out(0x20, 0x0b);
    EXPECT_EQ(in(0x20), 0x02u);
}

TEST_F(PicTest, RotationMakesTheServedLowest) {
    raise(0);
    (void)pic.acknowledge();
    out(0x20, 0xa0);  // rotate on nonspecific EOI
    raise(0);
    raise(1);
    EXPECT_EQ(pic.acknowledge(), 8 + 1);
}

TEST_F(PicTest, SetPriorityNamesTheLowest) {
    out(0x20, 0xc3);
    raise(3);
    raise(4);
    EXPECT_EQ(pic.acknowledge(), 8 + 4);
}

TEST_F(PicTest, AutomaticEoiLeavesNothingInService) {
    initialize(0x03);
    raise(6);
    EXPECT_EQ(pic.acknowledge(), 8 + 6);
    out(0x20, 0x0b);
    EXPECT_EQ(in(0x20), 0u);
}

TEST_F(PicTest, SpecialMaskModeLetsLowerOnesThrough) {
    raise(0);
    (void)pic.acknowledge();
    raise(5);
    EXPECT_FALSE(pic.output());
    out(0x20, 0x68);
    EXPECT_TRUE(pic.output());
    out(0x20, 0x48);
    EXPECT_FALSE(pic.output());
}

TEST_F(PicTest, PollAcknowledges) {
    raise(4);
    out(0x20, 0x0c);
    EXPECT_EQ(in(0x20), 0x84u);
    EXPECT_FALSE(pic.output());
    out(0x20, 0x0c);
    EXPECT_EQ(in(0x20) & 0x80u, 0u);
}

TEST_F(PicTest, LevelTriggeredLineAsksAgainAfterEoi) {
    out(0x4d0, 0xff);
    EXPECT_EQ(in(0x4d0), 0xf8u) << "lines 0 to 2 cannot be level triggered";
    pic.set_line(5, true);
    EXPECT_EQ(pic.acknowledge(), 8 + 5);
    out(0x20, kEoi);
    EXPECT_TRUE(pic.output());
    pic.set_line(5, false);
    EXPECT_FALSE(pic.output());
}

TEST_F(PicTest, ReadsRequestAndServiceRegisters) {
    out(0x21, 0xff);
    raise(6);
    out(0x20, 0x0a);
    EXPECT_EQ(in(0x20), 0x40u);
}

}  // namespace
}  // namespace vtless::vmm
