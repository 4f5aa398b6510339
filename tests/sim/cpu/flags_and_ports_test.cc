// SPDX-License-Identifier: MIT
#include "sim/cpu/flags.h"
#include "sim/cpu/io_permission.h"
#include "sim/cpu/software_interrupt.h"
#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

namespace rf = x86::rflags;
using x86::EventType;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

const Event kGp0 = Event::exception(Vector::GP, 0);
constexpr uint64_t kIopl3 = uint64_t{3} << 12;

TEST(Flags, PushfStoresTheImageWithoutVmAndRf) {
    Machine machine(Mode::Long64);
    machine.cpu.set_rflags(0x246 | rf::RF | rf::AC);
    ASSERT_TRUE(pushf(machine.cpu, machine.mmu, {8, 1}).done());
    EXPECT_EQ(machine.rsp(), Machine::kStack - 8);
    EXPECT_EQ(machine.peek<uint64_t>(machine.rsp()), 0x246 | rf::AC);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode + 1);
    EXPECT_EQ(machine.cpu.rflags(), 0x246 | rf::AC) << "RF ends with the instruction";
    ASSERT_TRUE(pushf(machine.cpu, machine.mmu, {2, 2}).done());
    EXPECT_EQ(machine.rsp(), Machine::kStack - 10);
    EXPECT_EQ(machine.peek<uint16_t>(machine.rsp()), 0x246);
}

TEST(Flags, PopfLoadsWhatThePrivilegeAllows) {
    constexpr uint64_t kAll = ~uint64_t{0};
    constexpr uint64_t kFree = rf::kArithmetic | rf::TF | rf::DF | rf::NT | rf::AC | rf::ID | 2;
    struct Row {
        unsigned cpl;
        uint64_t old, popped;
        unsigned size;
        uint64_t result;
    };
    const Row rows[] = {
        {0, 2, kAll, 8, kFree | rf::IOPL | rf::IF},
        {0, 2, kAll, 2, (kFree | rf::IOPL | rf::IF) & 0xffff},
        {3, 2, kAll, 8, kFree},
        {3, 2 | rf::IF, 0, 8, 2 | rf::IF},
        {3, 2 | rf::IF | kIopl3, 0, 8, 2 | kIopl3},
        {0, 2 | rf::VIF | rf::VIP | rf::AC, 0, 2, 2 | rf::VIF | rf::VIP | rf::AC},
        {0, 2 | rf::RF, 0, 8, 2},
    };
    for (const Row& row : rows) {
        Machine machine(Mode::Long64, row.cpl);
        machine.cpu.set_rflags(row.old);
        machine.poke<uint64_t>(Machine::kStack, row.popped);
        ASSERT_TRUE(popf(machine.cpu, machine.mmu, {row.size, 1}).done());
        EXPECT_EQ(machine.cpu.rflags(), row.result) << &row - rows;
        EXPECT_EQ(machine.rsp(), Machine::kStack + row.size);
    }
}

TEST(Flags, Virtual8086ModeNeedsIopl3) {
    Machine machine(Mode::V8086);
    ASSERT_TRUE(pushf(machine.cpu, machine.mmu, {2, 1}).done());
    ASSERT_TRUE(popf(machine.cpu, machine.mmu, {2, 1}).done());
    EXPECT_TRUE(machine.cpu.v8086());
    machine.cpu.set_rflags(machine.cpu.rflags() & ~rf::IOPL);
    EXPECT_EQ(pushf(machine.cpu, machine.mmu, {2, 1}).event, kGp0);
    EXPECT_EQ(popf(machine.cpu, machine.mmu, {2, 1}).event, kGp0);
}

TEST(Flags, StackFaultsAreTold) {
    Machine machine(Mode::Long64);
    machine.cpu.set_gpr(Gpr::RSP, Machine::kHole + 8);
    EXPECT_EQ(pushf(machine.cpu, machine.mmu, {8, 1}).cr2, Machine::kHole);
    machine.cpu.set_gpr(Gpr::RSP, bit(47) + 8);
    EXPECT_EQ(pushf(machine.cpu, machine.mmu, {8, 1}).event, Event::exception(Vector::SS, 0));
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
}

class IoPermission : public testing::Test {
  public:
    static constexpr uint16_t kMap = 0x68;
    IoPermission() {
        machine.poke<uint16_t>(Machine::kTss + 102, kMap);
        limit(kMap + 0x20);
    }
    void limit(uint32_t value) {
        machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, value, {0x8b}});
    }
    bool allowed(uint16_t port, unsigned bytes) {
        const CpuResult result = check_io_permission(machine.cpu, machine.mmu, port, bytes);
        if (!result.done()) {
            EXPECT_EQ(result.event, kGp0);
        }
        return result.done();
    }
    Machine machine{Mode::Protected32, 3};
};

TEST_F(IoPermission, IoplOpensAllPortsExceptInVirtual8086Mode) {
    machine.poke<uint16_t>(Machine::kTss + kMap, 0xffff);
    EXPECT_FALSE(allowed(0, 1));
    machine.cpu.set_rflags(2 | kIopl3);
    EXPECT_TRUE(allowed(0, 4));
    machine.cpu.set_rflags(2 | kIopl3 | rf::VM);
    EXPECT_FALSE(allowed(0, 1));
    Machine real(Mode::Real);
    EXPECT_TRUE(check_io_permission(real.cpu, real.mmu, 0x80, 4).done());
}

TEST_F(IoPermission, EachPortOfTheAccessNeedsAClearBit) {
    machine.poke<uint8_t>(Machine::kTss + kMap + 0, 0x80);  // port 7
    EXPECT_TRUE(allowed(6, 1));
    EXPECT_FALSE(allowed(7, 1));
    EXPECT_FALSE(allowed(6, 2));
    EXPECT_TRUE(allowed(3, 4));
    EXPECT_FALSE(allowed(4, 4));
    machine.poke<uint8_t>(Machine::kTss + kMap + 1, 0x01);  // port 8
    machine.poke<uint8_t>(Machine::kTss + kMap + 0, 0);
    EXPECT_FALSE(allowed(5, 4)) << "across two bytes of the map";
}

TEST_F(IoPermission, MapEndsAtTheLimitOfTheTss) {
    EXPECT_TRUE(allowed(0x20 * 8 - 1, 1));
    EXPECT_FALSE(allowed(0x20 * 8, 1)) << "its second byte would be beyond the limit";
    limit(102);
    EXPECT_FALSE(allowed(0, 1));
    machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 0x200, {0x83}});
    EXPECT_FALSE(allowed(0, 1)) << "a 16-bit TSS has no map";
}

TEST(SoftwareInterrupt, EventsAreOfTheirType) {
    struct Row {
        Instruction id;
        uint8_t number, vector;
        EventType type;
    };
    const Row rows[] = {{Instruction::INT_N, 0x80, 0x80, EventType::SOFTWARE_INTERRUPT},
                        {Instruction::INT3, 0, 3, EventType::SOFTWARE_EXCEPTION},
                        {Instruction::INTO, 0, 4, EventType::SOFTWARE_EXCEPTION},
                        {Instruction::INT1, 0, 1, EventType::PRIVILEGED_SOFTWARE_EXCEPTION}};
    for (const Row& row : rows) {
        Machine machine(Mode::Protected32, 3);
        machine.cpu.set_rflags(2 | rf::OF);
        StoppedInstruction instruction;
        instruction.id = row.id;
        instruction.number = row.number;
        instruction.length = 2;
        const SoftwareInterrupt result = software_interrupt(machine.cpu, instruction);
        EXPECT_TRUE(result.raised);
        EXPECT_EQ(result.event, Event::software(row.type, row.vector, 2));
        EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    }
}

TEST(SoftwareInterrupt, IntoWithoutOverflowGoesOnAndIsUndefinedIn64BitMode) {
    StoppedInstruction into;
    into.id = Instruction::INTO;
    into.length = 1;
    Machine machine(Mode::Protected32);
    EXPECT_FALSE(software_interrupt(machine.cpu, into).raised);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode + 1);
    Machine wide(Mode::Long64);
    EXPECT_EQ(software_interrupt(wide.cpu, into).event, Event::exception(Vector::UD));
}

TEST(SoftwareInterrupt, OnlyIntNIsSensitiveToIoplInVirtual8086Mode) {
    Machine machine(Mode::V8086);
    machine.cpu.set_rflags(machine.cpu.rflags() & ~rf::IOPL);
    StoppedInstruction instruction;
    instruction.id = Instruction::INT_N;
    EXPECT_EQ(software_interrupt(machine.cpu, instruction).event, kGp0);
    instruction.id = Instruction::INT3;
    EXPECT_EQ(software_interrupt(machine.cpu, instruction).event.vector, 3);
}

}  // namespace
}  // namespace vtless::sim::test
