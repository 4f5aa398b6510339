// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "vmm/devices/acpi_pm.h"
#include "vmm/devices/debug_ports.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/devices/keyboard_controller.h"
#include "vmm/devices/pci.h"

namespace vtless::vmm {
namespace {

class SmallDevices : public ::testing::Test {
  protected:
    void out(uint16_t port, uint32_t value, AccessWidth width = AccessWidth::Byte) {
        bus.write(port, width, value);
    }
    uint32_t in(uint16_t port, AccessWidth width = AccessWidth::Byte) { return bus.read(port, width); }

    Clock clock;
    PortBus bus;
    PowerControl power;
};

class FwCfgTest : public SmallDevices {
  protected:
    FwCfgTest() { device.attach(bus); }
    std::string read(uint16_t key, size_t size) {
        out(0x510, key, AccessWidth::Word);
        std::string bytes;
        for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(in(0x511)));
        return bytes;
    }
    FwCfg device;
};

TEST_F(FwCfgTest, HasSignatureAndNoDma) {
    EXPECT_EQ(read(FwCfg::kSignature, 4), "QEMU");
    EXPECT_EQ(read(FwCfg::kId, 4), std::string("\1\0\0\0", 4));
}

TEST_F(FwCfgTest, ReadsZeroBeyondAnItemAndWithoutOne) {
    device.set_number(FwCfg::kCpuCount, 0x0201, 2);
    EXPECT_EQ(read(FwCfg::kCpuCount, 4), std::string("\1\2\0\0", 4));
    EXPECT_EQ(read(0x7fff, 2), std::string(2, '\0'));
}

TEST_F(FwCfgTest, DirectoryNamesFilesInOrder) {
    device.set_file("etc/second", {5, 6});
    device.set_file("etc/first", {1, 2, 3});
    const std::string directory = read(FwCfg::kFileDirectory, 4 + 2 * 64);
    EXPECT_EQ(directory.substr(0, 4), std::string("\0\0\0\2", 4));
    EXPECT_EQ(directory.substr(4, 8), std::string("\0\0\0\3\0\x20\0\0", 8));
    EXPECT_STREQ(directory.c_str() + 12, "etc/first");
    EXPECT_STREQ(directory.c_str() + 64 + 12, "etc/second");
    EXPECT_EQ(read(0x20, 3), "\1\2\3");
    EXPECT_EQ(read(0x21, 2), "\5\6");
    device.set_file("etc/first", {9});
    EXPECT_EQ(read(0x20, 1), "\x09");
}

class PciTest : public SmallDevices {
  protected:
    PciTest() {
        pci.attach(bus);
        pci.add(0, 0, host);
        pci.add(1, 0, isa);
    }
    void select(unsigned device, unsigned function, unsigned offset) {
        out(0xcf8, 0x80000000u | device << 11 | function << 8 | offset, AccessWidth::Dword);
    }
    PciBus pci;
    HostBridge host;
    IsaBridge isa;
};

TEST_F(PciTest, IdentifiesTheBridges) {
    select(0, 0, 0);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword), 0x12378086u);
    EXPECT_EQ(in(0xcfe, AccessWidth::Word), 0x1237u);
    select(0, 0, 0x2c);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword), 0x11001af4u);
    select(1, 0, 8);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword) >> 8, 0x060100u);
    select(1, 0, 0x0c);
    EXPECT_EQ(in(0xcfe), 0x80u) << "multifunction";
}

TEST_F(PciTest, AbsentFunctionReadsOnes) {
    select(2, 0, 0);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword), 0xffffffffu);
    out(0xcf8, 0, AccessWidth::Dword);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword), 0xffffffffu) << "not enabled";
}

TEST_F(PciTest, KeepsWritableBitsOnly) {
    select(0, 0, 0x59);
    out(0xcfd, 0x30);
    EXPECT_EQ(in(0xcfd), 0x30u);
    select(0, 0, 0);
    out(0xcfc, 0, AccessWidth::Dword);
    EXPECT_EQ(in(0xcfc, AccessWidth::Dword), 0x12378086u);
}

TEST_F(PciTest, AddressRegisterIsForDwordsAlone) {
    select(0, 0, 0x40);
    out(0xcf8, 0x55);
    EXPECT_EQ(in(0xcf8, AccessWidth::Dword), 0x80000040u);
    EXPECT_EQ(in(0xcfe, AccessWidth::Dword), 0xffffffffu) << "leaves its dword";
}

TEST_F(SmallDevices, PmTimerAnswersWhereItIsConfigured) {
    AcpiPm pm(clock, bus, power);
    EXPECT_EQ(in(0x608, AccessWidth::Dword), 0xffffffffu);
    pm.write(0x40, 0x601, 4);
    pm.write(0x80, 1, 1);
    EXPECT_EQ(in(0x608, AccessWidth::Dword), 0u);
    clock.advance_to(kDefaultTscHz);
    EXPECT_EQ(in(0x608, AccessWidth::Dword), AcpiPm::kTimerHz);
    clock.advance_to(10 * kDefaultTscHz);
    EXPECT_EQ(in(0x608, AccessWidth::Dword), 10 * AcpiPm::kTimerHz & 0xffffff) << "24 bits";
    pm.write(0x40, 0xb001, 4);
    EXPECT_EQ(in(0x608, AccessWidth::Dword), 0xffffffffu) << "moved away";
    EXPECT_EQ(in(0xb008, AccessWidth::Dword), 10 * AcpiPm::kTimerHz & 0xffffff);
}

TEST_F(SmallDevices, SleepEnableSwitchesOff) {
    AcpiPm pm(clock, bus, power);
    pm.write(0x40, 0x601, 4);
    pm.write(0x80, 1, 1);
    out(0x604, 0x0001, AccessWidth::Word);
    EXPECT_FALSE(power.pending());
    EXPECT_EQ(in(0x604, AccessWidth::Word), 1u);
    out(0x604, 0x2001, AccessWidth::Word);
    ASSERT_TRUE(power.pending());
    EXPECT_EQ(power.pending()->kind, PowerRequest::Kind::PowerOff);
}

class KeyboardTest : public SmallDevices {
  protected:
    KeyboardTest() { device.attach(bus); }
    KeyboardController device{power};
};

TEST_F(KeyboardTest, PassesItsSelfTest) {
    EXPECT_EQ(in(0x64) & 5u, 0u);
    out(0x64, 0xaa);
    EXPECT_EQ(in(0x64) & 5u, 5u);
    EXPECT_EQ(in(0x60), 0x55u);
    EXPECT_EQ(in(0x64) & 1u, 0u);
}

TEST_F(KeyboardTest, KeepsItsCommandByte) {
    out(0x64, 0x60);
    out(0x60, 0x45);
    out(0x64, 0x20);
    EXPECT_EQ(in(0x60), 0x45u);
    out(0x64, 0xad);
    out(0x64, 0x20);
    EXPECT_EQ(in(0x60), 0x55u);
}

TEST_F(KeyboardTest, NothingIsPluggedIn) {
    out(0x60, 0xff);
    EXPECT_EQ(in(0x64) & 1u, 0u) << "no answer to a keyboard reset";
    out(0x64, 0xab);
    EXPECT_NE(in(0x60), 0u);
}

TEST_F(KeyboardTest, SwitchesA20) {
    EXPECT_EQ(in(0x92), 2u);
    out(0x92, 0x00);
    out(0x64, 0xd0);
    EXPECT_EQ(in(0x60) & 2u, 0u);
    out(0x64, 0xd1);
    out(0x60, 0x03);
    EXPECT_EQ(in(0x92), 2u);
    EXPECT_FALSE(power.pending());
}

TEST_F(KeyboardTest, EachWayOfResetAsksForOne) {
    for (auto ask : {+[](PortBus& b) { b.write(0x64, AccessWidth::Byte, 0xfe); },
                     +[](PortBus& b) { b.write(0x92, AccessWidth::Byte, 0x01); },
                     +[](PortBus& b) {
                         b.write(0x64, AccessWidth::Byte, 0xd1);
                         b.write(0x60, AccessWidth::Byte, 0x02);
                     }}) {
        PowerControl own_power;
        PortBus own_bus;
        KeyboardController own(own_power);
        own.attach(own_bus);
        ask(own_bus);
        ASSERT_TRUE(own_power.pending());
        EXPECT_EQ(own_power.pending()->kind, PowerRequest::Kind::Reset);
    }
}

TEST_F(SmallDevices, ResetControlActsOnTheRise) {
    ResetControl device(power);
    device.attach(bus);
    out(0xcf9, 0x02);
    EXPECT_FALSE(power.pending());
    EXPECT_EQ(in(0xcf9), 2u);
    out(0xcf9, 0x06);
    EXPECT_TRUE(power.pending());
}

TEST_F(SmallDevices, DebugExitCarriesItsValueAndTheFirstRequestStands) {
    DebugExit device(power);
    device.attach(bus);
    out(0xf4, 0x2a);
    out(0xf4, 0x01);
    ASSERT_TRUE(power.pending());
    EXPECT_EQ(power.pending()->kind, PowerRequest::Kind::DebugExit);
    EXPECT_EQ(power.pending()->value, 0x2a);
}

TEST_F(SmallDevices, DebugConsoleIsKnownByItsValue) {
    CharacterOutput output;
    DebugConsole device(output);
    device.attach(bus);
    EXPECT_EQ(in(0x402), 0xe9u);
    out(0x402, 'x');
    EXPECT_EQ(output.characters(), 1u);
}

TEST_F(SmallDevices, PostCodeIsALatch) {
    PostCode device;
    device.attach(bus);
    out(0x80, 0x77);
    EXPECT_EQ(in(0x80), 0x77u);
}

}  // namespace
}  // namespace vtless::vmm
