// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Vector;

struct Exceptions : testing::Test {
    Exceptions() { machine.enter_long_mode(); }
    VmExit exception(EventInfo info, uint32_t error_code = 0, uint64_t qualification = 0,
                     EventInfo during = {}) {
        machine.hw.on_entry([=](FakeHw& hw) {
            hw.set_exit(0, qualification, 1);
            hw.field(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION) = info.raw;
            hw.field(VmcsField::VM_EXIT_INTERRUPTION_ERROR_CODE) = error_code;
            hw.field(VmcsField::IDT_VECTORING_INFORMATION) = during.raw;
        });
        return machine.run();
    }
    Machine machine;
};

// Upstream intercepts #UD and then stops the guest with Halt.
TEST_F(Exceptions, InterceptedExceptionIsGivenToTheGuest) {
    EXPECT_TRUE(exception(EventInfo::exception(Vector::UD)).is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::UD));
    EXPECT_EQ(machine.rip(), 0x7c00u);
}

TEST_F(Exceptions, ErrorCodeIsKept) {
    EXPECT_TRUE(exception(EventInfo::exception(Vector::GP), 0x38).is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::GP));
    EXPECT_EQ(machine.hw.entries.back().error_code, 0x38u);
}

TEST_F(Exceptions, PageFaultGetsItsCr2) {
    EXPECT_TRUE(exception(EventInfo::exception(Vector::PF), 6, 0xbad000).is<VmExit::Nothing>());
    machine.next_injection();
    EXPECT_EQ(machine.hw.entries.back().cr2, 0xbad000u);
}

TEST_F(Exceptions, SoftwareExceptionKeepsItsLength) {
    EXPECT_TRUE(exception(EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3)).is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3));
    EXPECT_EQ(machine.hw.entries.back().instruction_length, 1u);
}

TEST_F(Exceptions, HostsNmiIsAnInterruptOfTheHost) {
    EXPECT_EQ(exception(EventInfo::nmi()), VmExit(VmExit::ExternalInterrupt{2}));
    EXPECT_FALSE(machine.next_injection().valid());
}

TEST_F(Exceptions, DebugAndMachineCheckAreTheCallers) {
    EXPECT_EQ(exception(EventInfo::exception(Vector::DB), 0, 0x4000), VmExit(VmExit::Unhandled{0, 0x4000}));
    EXPECT_TRUE(exception(EventInfo::exception(Vector::MC)).is<VmExit::Unhandled>());
}

TEST_F(Exceptions, FaultOfIretBlocksNmisAgain) {
    const EventInfo info{EventInfo::exception(Vector::PF).raw | EventInfo::kNmiUnblocking};
    EXPECT_TRUE(exception(info).is<VmExit::Nothing>());
    EXPECT_EQ(machine.field(VmcsField::GUEST_INTERRUPTIBILITY_STATE), x86::interruptibility::BLOCKING_BY_NMI);
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::PF));
}

TEST_F(Exceptions, SecondFaultDuringDeliveryMakesADoubleFault) {
    EXPECT_TRUE(exception(EventInfo::exception(Vector::GP), 0, 0, EventInfo::exception(Vector::PF))
                    .is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::DF));
    EXPECT_FALSE(machine.next_injection().valid());
}

TEST_F(Exceptions, FaultDuringADoubleFaultIsATripleFault) {
    EXPECT_EQ(exception(EventInfo::exception(Vector::PF), 0, 0, EventInfo::exception(Vector::DF)),
              VmExit(VmExit::Unhandled{2, 0}));
}

TEST_F(Exceptions, FaultDuringAnInterruptGoesFirst) {
    machine.field(VmcsField::GUEST_RFLAGS) |= x86::rflags::IF;
    EXPECT_TRUE(exception(EventInfo::exception(Vector::PF), 0, 0x1000, EventInfo::external_interrupt(0x30))
                    .is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), EventInfo::exception(Vector::PF));
    EXPECT_EQ(machine.next_injection(), EventInfo::external_interrupt(0x30));
}

TEST_F(Exceptions, BitmapIsTheConfigs) {
    SetupConfig config;
    config.exception_bitmap = 1u << 6;
    Machine other(config);
    EXPECT_EQ(other.field(VmcsField::EXCEPTION_BITMAP), 1u << 6);
    EXPECT_EQ(machine.field(VmcsField::EXCEPTION_BITMAP), 0u);
}

}  // namespace
}  // namespace vtless::test
