// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <vector>

#include "vmm/mmio_bus.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {
namespace {

struct PortAccess {
    uint16_t port;
    AccessWidth width;
    uint32_t value;
    friend bool operator==(const PortAccess&, const PortAccess&) = default;
};

// Reads as the low byte of its port in every byte.
class RecordingPort final : public PortDevice {
  public:
    uint32_t read_port(uint16_t port, AccessWidth) override { return (port & 0xffu) * 0x01010101u; }
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override {
        writes.push_back({port, width, value});
    }
    std::vector<PortAccess> writes;
};

TEST(PortBus, ReadsAllOnesWhereNobodyAnswers) {
    PortBus bus;
    EXPECT_EQ(bus.read(0x1234, AccessWidth::Byte), 0xffu);
    EXPECT_EQ(bus.read(0x1234, AccessWidth::Word), 0xffffu);
    EXPECT_EQ(bus.read(0x1234, AccessWidth::Dword), 0xffffffffu);
    bus.write(0x1234, AccessWidth::Dword, 1);
}

TEST(PortBus, SplitsAccessesWiderThanTheDevice) {
    PortBus bus;
    RecordingPort device;
    bus.attach({0x40, 3}, device);
    EXPECT_EQ(bus.read(0x40, AccessWidth::Dword), 0xff424140u) << "0x43 belongs to nobody";
    bus.write(0x41, AccessWidth::Word, 0xbeef);
    EXPECT_EQ(device.writes,
              (std::vector<PortAccess>{{0x41, AccessWidth::Byte, 0xef}, {0x42, AccessWidth::Byte, 0xbe}}));
}

TEST(PortBus, CutsValuesToTheWidth) {
    PortBus bus;
    RecordingPort device;
    bus.attach({0x40, 1}, device, AccessWidth::Dword);
    EXPECT_EQ(bus.read(0x40, AccessWidth::Byte), 0x40u);
    bus.write(0x40, AccessWidth::Byte, 0x1ff);
    EXPECT_EQ(device.writes.back(), (PortAccess{0x40, AccessWidth::Byte, 0xff}));
}

TEST(PortBus, LaterAttachmentWinsAndDetachFrees) {
    PortBus bus;
    RecordingPort first;
    RecordingPort second;
    bus.attach({0x10, 4}, first);
    bus.attach({0x12, 1}, second);
    bus.write(0x12, AccessWidth::Byte, 1);
    EXPECT_TRUE(first.writes.empty());
    EXPECT_EQ(second.writes.size(), 1u);
    bus.detach({0x12, 1});
    EXPECT_EQ(bus.read(0x12, AccessWidth::Byte), 0xffu);
}

TEST(PortBus, WrapsAtTheLastPort) {
    PortBus bus;
    RecordingPort device;
    bus.attach({0xffff, 1}, device);
    EXPECT_EQ(bus.read(0xffff, AccessWidth::Word), 0xffffu);
    EXPECT_EQ(bus.read(0xffff, AccessWidth::Byte), 0xffu);
    bus.write(0xffff, AccessWidth::Word, 0x1234);
    EXPECT_EQ(device.writes.back().value, 0x34u);
}

class RecordingMmio final : public MmioDevice {
  public:
    uint64_t read_mmio(Gpa address, AccessWidth) override { return address.value() * 0x100000001ull; }
    void write_mmio(Gpa address, AccessWidth, uint64_t value) override {
        last_address = address;
        last_value = value;
    }
    Gpa last_address;
    uint64_t last_value = 0;
};

TEST(MmioBus, AnswersInsideTheRangeOnly) {
    MmioBus bus;
    RecordingMmio device;
    ASSERT_TRUE(bus.attach(Gpa(0x1000), 0x10, device));
    EXPECT_EQ(bus.read(Gpa(0x100f), AccessWidth::Byte), 0x0fu);
    EXPECT_EQ(bus.read(Gpa(0x1010), AccessWidth::Qword), ~uint64_t{0});
    EXPECT_EQ(bus.read(Gpa(0xfff), AccessWidth::Dword), 0xffffffffu);
    bus.write(Gpa(0x1004), AccessWidth::Word, 0x12345);
    EXPECT_EQ(device.last_address, Gpa(0x1004));
    EXPECT_EQ(device.last_value, 0x2345u);
}

TEST(MmioBus, RefusesOverlapEmptyAndWrap) {
    MmioBus bus;
    RecordingMmio device;
    ASSERT_TRUE(bus.attach(Gpa(0x1000), 0x1000, device));
    EXPECT_FALSE(bus.attach(Gpa(0x1fff), 1, device));
    EXPECT_FALSE(bus.attach(Gpa(0), 0x1001, device));
    EXPECT_FALSE(bus.attach(Gpa(0x3000), 0, device));
    EXPECT_FALSE(bus.attach(Gpa(~uint64_t{0}), 2, device));
    EXPECT_TRUE(bus.attach(Gpa(0x2000), 1, device));
}

}  // namespace
}  // namespace vtless::vmm
