// SPDX-License-Identifier: MIT
#include "vmm/devices/serial.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "tests/vmm/fake_lines.h"

namespace vtless::vmm {
namespace {

class SerialTest : public ::testing::Test {
  protected:
    SerialTest() {
        serial.attach(bus, 0x3f8);
        out(4, 0x08);  // OUT2: interrupts reach the line
    }
    void out(unsigned index, uint32_t value) {
        bus.write(static_cast<uint16_t>(0x3f8 + index), AccessWidth::Byte, value);
    }
    uint32_t in(unsigned index) { return bus.read(static_cast<uint16_t>(0x3f8 + index), AccessWidth::Byte); }

    FakeLines lines;
    CharacterOutput output;
    PortBus bus;
    Serial16550 serial{lines, 4, output};
};

TEST_F(SerialTest, TransmitsAndIsAtOnceReadyAgain) {
    output.watch_for("ok");
    out(0, 'o');
    EXPECT_EQ(in(5), 0x60u);
    EXPECT_FALSE(output.seen());
    out(0, 'k');
    EXPECT_TRUE(output.seen());
    EXPECT_EQ(output.characters(), 2u);
}

TEST_F(SerialTest, EnablingTransmitterInterruptRaisesIt) {
    EXPECT_FALSE(lines.levels[4]);
    out(1, 0x02);
    EXPECT_TRUE(lines.levels[4]);
    EXPECT_EQ(in(2), 0x02u);
    EXPECT_FALSE(lines.levels[4]) << "reading the identification clears it";
    EXPECT_EQ(in(2), 0x01u);
    out(1, 0x02);
    EXPECT_FALSE(lines.levels[4]) << "only a change enables";
}

TEST_F(SerialTest, EachCharacterIsAnEdge) {
    out(1, 0x02);
    EXPECT_EQ(lines.rises[4], 1u);
    out(0, 'a');
    out(0, 'b');
    EXPECT_EQ(lines.rises[4], 3u);
    out(1, 0x00);
    EXPECT_FALSE(lines.levels[4]);
}

TEST_F(SerialTest, Out2DisconnectsTheLine) {
    out(4, 0x00);
    out(1, 0x02);
    EXPECT_FALSE(lines.levels[4]);
    out(4, 0x08);
    EXPECT_TRUE(lines.levels[4]);
}

TEST_F(SerialTest, DivisorHidesBehindItsAccessBit) {
    out(3, 0x83);
    out(0, 0x34);
    out(1, 0x12);
    EXPECT_EQ(in(0), 0x34u);
    EXPECT_EQ(in(1), 0x12u);
    out(3, 0x03);
    EXPECT_EQ(in(1), 0x00u);
    EXPECT_EQ(output.characters(), 0u);
}

TEST_F(SerialTest, ReceivesWithInterruptAndOverrun) {
    out(1, 0x05);
    EXPECT_TRUE(serial.receive('x'));
    EXPECT_TRUE(lines.levels[4]);
    EXPECT_EQ(in(2), 0x04u);
    EXPECT_FALSE(serial.receive('y')) << "without FIFOs there is room for one";
    EXPECT_EQ(in(2), 0x06u) << "line status comes first";
    EXPECT_EQ(in(5), 0x63u);
    EXPECT_EQ(in(5), 0x61u) << "reading clears the overrun";
    EXPECT_EQ(in(0), static_cast<uint32_t>('x'));
    EXPECT_EQ(in(5), 0x60u);
    EXPECT_FALSE(lines.levels[4]);
}

TEST_F(SerialTest, FifoHoldsSixteenAndSaysSo) {
    out(2, 0x81);  // trigger at eight
    out(1, 0x01);
    for (int i = 0; i < 16; ++i) EXPECT_TRUE(serial.receive(static_cast<uint8_t>(i)));
    EXPECT_FALSE(serial.receive(16));
    EXPECT_EQ(in(2), 0xc4u);
    for (unsigned i = 0; i < 9; ++i) EXPECT_EQ(in(0), i);
    EXPECT_EQ(in(2), 0xccu) << "below the trigger level: time-out";
    out(2, 0x03);
    EXPECT_EQ(in(5) & 1u, 0u) << "cleared";
}

TEST_F(SerialTest, LoopbackReceivesWhatItSends) {
    out(4, 0x1f);
    EXPECT_EQ(in(6) & 0xf0u, 0xf0u);
    out(4, 0x10);
    EXPECT_EQ(in(6) & 0xf0u, 0x00u);
    out(0, 'z');
    EXPECT_EQ(output.characters(), 0u);
    EXPECT_EQ(in(0), static_cast<uint32_t>('z'));
}

TEST_F(SerialTest, ScratchKeepsItsValue) {
    out(7, 0xa5);
    EXPECT_EQ(in(7), 0xa5u);
    EXPECT_EQ(in(6), 0xb0u);
}

TEST(CharacterOutput, FindsTextAcrossOverlaps) {
    CharacterOutput output;
    output.watch_for("aab");
    for (char c : std::string("aaab")) output.put(static_cast<uint8_t>(c));
    EXPECT_TRUE(output.seen());
}

TEST(CharacterOutput, WritesToItsFile) {
    const std::string path = ::testing::TempDir() + "vtless-output-test";
    {
        auto output = CharacterOutput::open(path);
        ASSERT_TRUE(output);
        for (char c : std::string("hello")) output->put(static_cast<uint8_t>(c));
    }
    std::string line;
    std::getline(std::ifstream(path), line);
    EXPECT_EQ(line, "hello");
    std::remove(path.c_str());
}

TEST(CharacterOutput, SaysWhyAFileCannotBeWritten) {
    const auto output = CharacterOutput::open("/nonexistent/directory/file");
    ASSERT_FALSE(output);
    EXPECT_NE(output.error().message.find("/nonexistent/directory/file: No such file"), std::string::npos);
}

}  // namespace
}  // namespace vtless::vmm
