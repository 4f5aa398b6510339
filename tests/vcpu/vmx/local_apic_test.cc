// SPDX-License-Identifier: MIT
#include "isa/x86/exit_qualification.h"
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::EventInfo;
using x86::Vector;

constexpr uint64_t kApicPage = 0xfee00000;
constexpr uint64_t kWindow = 0x9000;

struct Apic : testing::Test {
    static SetupConfig config(FakeApic& apic) {
        SetupConfig config;
        config.local_apic = &apic;
        config.apic_access_page = Hpa(0xe0000);
        return config;
    }
    Apic() {
        machine.enter_long_mode();
        machine.map_guest(0x4000, 0x4000);
        machine.map_guest(kWindow, kApicPage);
        machine.field(VmcsField::GUEST_RIP) = 0x4000;
        machine.set_gpr(Gpr::RDI, kWindow + 0x80);
    }
    VmExit msr(ExitReason reason, uint32_t number) {
        machine.set_gpr(Gpr::RCX, number);
        return machine.run_exit(reason);
    }
    VmExit touch(ExitReason reason, std::initializer_list<int> code, uint64_t qualification) {
        machine.put(0x4000, code);
        machine.hw.on_entry([=](FakeHw& hw) {
            hw.set_exit(static_cast<uint32_t>(reason), qualification, 0);
            hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = kApicPage + 0x80;
            // Undefined for APIC accesses. SDM Vol. 3C "Basic VM-Exit Information" (28.2.1).
            hw.field(VmcsField::GUEST_LINEAR_ADDRESS) =
                reason == ExitReason::APIC_ACCESS ? 0xdeadbeef : kWindow + 0x80;
        });
        return machine.run();
    }
    FakeApic apic;
    Machine machine{config(apic)};
};

TEST_F(Apic, X2ApicMsrsGoToTheApic) {
    apic.registers[0x20] = 0x1234567890;
    EXPECT_TRUE(msr(ExitReason::RDMSR, 0x802).is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RAX), 0x34567890u);
    EXPECT_EQ(machine.gpr(Gpr::RDX), 0x12u);
    EXPECT_EQ(machine.rip(), 0x4002u);
    EXPECT_TRUE(msr(ExitReason::WRMSR, 0x830).is<VmExit::Nothing>());
    EXPECT_EQ(apic.writes.back(), (std::pair<uint32_t, uint64_t>{0x300, 0x1234567890}));
}

TEST_F(Apic, RefusedMsrIsGeneralProtection) {
    apic.refuses = true;
    EXPECT_TRUE(msr(ExitReason::RDMSR, 0x8ff).is<VmExit::Nothing>());
    EXPECT_EQ(machine.rip(), 0x4000u);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::GP));
}

// Upstream: unimplemented!
TEST_F(Apic, AccessPageExitsAreEmulated) {
    using T = x86::ApicAccessType;
    const x86::ApicAccessQualification read{0x80, T::LINEAR_READ, false}, write{0x80, T::LINEAR_WRITE, false};
    apic.registers[0x80] = 0x50;
    EXPECT_TRUE(touch(ExitReason::APIC_ACCESS, {0x8b, 0x1f}, read.encode()).is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RBX), 0x50u);
    machine.field(VmcsField::GUEST_RIP) = 0x4000;
    EXPECT_TRUE(
        touch(ExitReason::APIC_ACCESS, {0xc7, 0x07, 7, 0, 0, 0}, write.encode()).is<VmExit::Nothing>());
    EXPECT_EQ(apic.registers[0x80], 7u);
    EXPECT_EQ(machine.rip(), 0x4006u);
}

// Both operands at one offset in their pages: the type says which of them is in the APIC's.
TEST_F(Apic, MoveToTheAccessPageStoresThere) {
    machine.map_guest(0x6000, 0x6000);
    machine.set_gpr(Gpr::RSI, 0x6080);
    machine.put(0x6080, {0x78, 0x56, 0x34, 0x12});
    const x86::ApicAccessQualification write{0x80, x86::ApicAccessType::LINEAR_WRITE, false};
    EXPECT_TRUE(touch(ExitReason::APIC_ACCESS, {0xa5}, write.encode()).is<VmExit::Nothing>());
    EXPECT_EQ(apic.registers[0x80], 0x12345678u);
}

TEST_F(Apic, ReadModifyWriteOfARegister) {
    const x86::ApicAccessQualification read{0x80, x86::ApicAccessType::LINEAR_READ, false};
    apic.registers[0x80] = 0xf0;
    EXPECT_TRUE(touch(ExitReason::APIC_ACCESS, {0x83, 0x27, 0x30}, read.encode()).is<VmExit::Nothing>());
    EXPECT_EQ(apic.registers[0x80], 0x30u);
    machine.hw.exit_with(ExitReason::HLT);
    EXPECT_TRUE(machine.run().is<VmExit::Halt>());
}

TEST_F(Apic, MoveFromADeviceToTheApicReachesIt) {
    SetupConfig both = config(apic);
    both.mmio.push_back({Gpa(0xe0000000), 0x1000});
    ASSERT_TRUE(machine.vcpu().unbind());
    ASSERT_TRUE(machine.vcpu().setup(both));
    ASSERT_TRUE(machine.vcpu().bind());
    machine.enter_long_mode();
    machine.map_guest(0x4000, 0x4000);
    machine.map_guest(0xa000, 0xe0000000);
    machine.map_guest(kWindow, kApicPage);
    machine.field(VmcsField::GUEST_RIP) = 0x4000;
    machine.set_gpr(Gpr::RSI, 0xa000);
    machine.set_gpr(Gpr::RDI, kWindow + 0xb0);
    machine.put(0x4000, {0xa5});
    machine.hw.on_entry([](FakeHw& hw) {
        hw.set_exit(48, 0x181, 0);
        hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = 0xe0000000;
        hw.field(VmcsField::GUEST_LINEAR_ADDRESS) = 0xa000;
    });
    EXPECT_TRUE(machine.run().is<VmExit::MmioRead>());
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0x99));
    EXPECT_TRUE(machine.run().is<VmExit::Nothing>());
    EXPECT_EQ(apic.writes.back(), (std::pair<uint32_t, uint64_t>{0xb0, 0x99}));
}

TEST_F(Apic, EventDeliveryOrFetchOnThePageIsUnhandled) {
    const x86::ApicAccessQualification fetch{0x80, x86::ApicAccessType::LINEAR_FETCH, false};
    EXPECT_TRUE(touch(ExitReason::APIC_ACCESS, {0x8b, 0x1f}, fetch.encode()).is<VmExit::Unhandled>());
}

TEST_F(Apic, PageWithoutAccessControlIsEmulatedByEptViolation) {
    using Q = x86::EptViolationQualification;
    apic.registers[0x80] = 0x61;
    EXPECT_TRUE(touch(ExitReason::EPT_VIOLATION, {0x8b, 0x1f},
                      Q::READ | Q::LINEAR_ADDRESS_VALID | Q::FINAL_TRANSLATION)
                    .is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RBX), 0x61u);
}

TEST_F(Apic, Cr8IsTheUpperHalfOfTpr) {
    using x86::CrAccessQualification;
    using x86::CrAccessType;
    const auto move = [&](CrAccessType type) {
        return machine.run_exit(ExitReason::CONTROL_REGISTER_ACCESS,
                                CrAccessQualification{8, type, false, Gpr::RBX, 0}.encode());
    };
    machine.set_gpr(Gpr::RBX, 9);
    EXPECT_TRUE(move(CrAccessType::MOV_TO).is<VmExit::Nothing>());
    EXPECT_EQ(apic.registers[0x80], 0x90u);
    apic.registers[0x80] = 0xa3;
    EXPECT_TRUE(move(CrAccessType::MOV_FROM).is<VmExit::Nothing>());
    EXPECT_EQ(machine.gpr(Gpr::RBX), 0xau);
    machine.set_gpr(Gpr::RBX, 0x10);
    move(CrAccessType::MOV_TO);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::GP));
}

TEST_F(Apic, ControlsFollowTheConfig) {
    const uint64_t primary = machine.field(VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS);
    EXPECT_NE(primary & x86::PrimaryControls::CR8_LOAD_EXITING, 0u);
    EXPECT_EQ(machine.field(VmcsField::APIC_ACCESS_ADDRESS), 0xe0000u);
    Machine plain;
    const uint64_t without = plain.field(VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS);
    EXPECT_EQ(without & x86::PrimaryControls::CR8_LOAD_EXITING, 0u);
}

}  // namespace
}  // namespace vtless::test
