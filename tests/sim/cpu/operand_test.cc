// SPDX-License-Identifier: MIT
#include "sim/cpu/operand.h"

#include <array>

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

StoppedInstruction at(uint8_t address_size, int64_t displacement,
                      SegmentRegister segment = SegmentRegister::DS) {
    StoppedInstruction result;
    result.length = 4;
    result.memory.address_bytes = address_size;
    result.has_memory = true;
    result.memory.segment = segment;
    result.memory.displacement = displacement;
    return result;
}

TEST(Operand, OffsetAddsItsPartsAndIsCutToTheAddressSize) {
    Machine machine(Mode::Long64);
    machine.cpu.set_gpr(Gpr::RBX, 0xffff'ffff'ffff'fff0);
    machine.cpu.set_gpr(Gpr::RSI, 0x100);
    StoppedInstruction operand = at(8, -0x10);
    operand.memory.base = Gpr::RBX;
    operand.memory.index = Gpr::RSI;
    operand.memory.scale = 4;
    EXPECT_EQ(effective_offset(machine.cpu, operand), 0x3e0u);
    operand.memory.index.reset();
    operand.memory.address_bytes = 4;
    EXPECT_EQ(effective_offset(machine.cpu, operand), 0xffff'ffe0u);
    operand.memory.address_bytes = 2;
    EXPECT_EQ(effective_offset(machine.cpu, operand), 0xffe0u);
    StoppedInstruction relative = at(8, 0x20);
    relative.memory.rip_relative = true;
    EXPECT_EQ(effective_offset(machine.cpu, relative), Machine::kCode + 4 + 0x20);
}

TEST(Operand, SixtyFourBitModeChecksTheFormOfTheAddressOnly) {
    Machine machine(Mode::Long64, 3);
    Gva address;
    machine.cpu.set_segment_base(SegmentRegister::DS, 0x1000);
    ASSERT_TRUE(effective_address(machine.cpu, at(8, 0x10), {AccessType::Write, 8}, address).done());
    EXPECT_EQ(address, Gva(0x10)) << "DS has no base";
    machine.cpu.set_segment_base(SegmentRegister::FS, 0xffff'8000'0000'0000);
    ASSERT_TRUE(
        effective_address(machine.cpu, at(8, 0x10, SegmentRegister::FS), {AccessType::Read, 8}, address)
            .done());
    EXPECT_EQ(address, Gva(0xffff'8000'0000'0010));
    const auto event = [&](int64_t offset, SegmentRegister segment) {
        return effective_address(machine.cpu, at(8, offset, segment), {AccessType::Read, 8}, address).event;
    };
    EXPECT_EQ(event(0x7fff'ffff'fff9, SegmentRegister::DS), Event::exception(Vector::GP, 0))
        << "its last byte";
    EXPECT_EQ(event(int64_t{1} << 47, SegmentRegister::SS), Event::exception(Vector::SS, 0));
}

TEST(Operand, ProtectedModeChecksRightsAndLimit) {
    struct Row {
        const char* what;
        SegmentRegister segment;
        x86::Segment value;
        int64_t offset;
        AccessType type;
        bool allowed;
    };
    const x86::Segment data{sel::kData32, 0x1000, 0xff, {0x4093}}, readonly{sel::kData32, 0, 0xff, {0x4091}};
    const x86::Segment down{sel::kData32, 0, 0xff, {0x4097}}, execute{sel::kCode32, 0, 0xff, {0x4099}};
    const x86::Segment readable{sel::kCode32, 0, 0xff, {0x409b}},
        null{0, 0, 0, {x86::AccessRights::kUnusable}};
    constexpr auto kDs = SegmentRegister::DS, kSs = SegmentRegister::SS;
    const Row rows[] = {
        {"last bytes", kDs, data, 0xfc, AccessType::Write, true},
        {"beyond", kDs, data, 0xfd, AccessType::Write, false},
        {"wraps", kDs, data, -2, AccessType::Read, false},
        {"stack beyond", kSs, data, 0xfd, AccessType::Write, false},
        {"read-only", kDs, readonly, 0, AccessType::Write, false},
        {"read", kDs, readonly, 0, AccessType::Read, true},
        {"expand-down inside", kDs, down, 0x100, AccessType::Write, true},
        {"expand-down outside", kDs, down, 0xfe, AccessType::Write, false},
        {"execute-only", kDs, execute, 0, AccessType::Read, false},
        {"readable code", kDs, readable, 0, AccessType::Read, true},
        {"write to code", kDs, readable, 0, AccessType::Write, false},
        {"null", kDs, null, 0, AccessType::Read, false},
        {"null stack", kSs, null, 0, AccessType::Read, false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(Mode::Protected32);
        machine.cpu.set_segment(row.segment, row.value);
        Gva address;
        const CpuResult result =
            effective_address(machine.cpu, at(4, row.offset, row.segment), {row.type, 4}, address);
        EXPECT_EQ(result.done(), row.allowed);
        if (row.allowed) {
            EXPECT_EQ(address, Gva(row.value.base + static_cast<uint64_t>(row.offset)));
        } else {
            EXPECT_EQ(result.event, Event::exception(row.segment == kSs ? Vector::SS : Vector::GP, 0));
        }
    }
}

TEST(Operand, RealModeChecksTheLimitAndNothingElse) {
    Machine machine(Mode::Real);
    machine.cpu.set_segment(SegmentRegister::DS, {0x100, 0x1000, 0xffff, {0x91}});
    Gva address;
    ASSERT_TRUE(effective_address(machine.cpu, at(2, 0x10), {AccessType::Write, 2}, address).done());
    EXPECT_EQ(address, Gva(0x1010));
    EXPECT_EQ(effective_address(machine.cpu, at(2, 0xffff), {AccessType::Read, 2}, address).event,
              Event::exception(Vector::GP));
}

TEST(Operand, MemoryIsReadAndWrittenAtTheCurrentPrivilege) {
    Machine machine(Mode::Long64, 3);
    const std::array<std::byte, 3> written{std::byte{1}, std::byte{2}, std::byte{3}};
    ASSERT_TRUE(write_memory(machine.cpu, machine.mmu, at(8, 0x8000), written).done());
    EXPECT_EQ(machine.peek<uint16_t>(0x8001), 0x0302);
    std::array<std::byte, 3> read{};
    ASSERT_TRUE(read_memory(machine.cpu, machine.mmu, at(8, 0x8000), read).done());
    EXPECT_EQ(read, written);
    const CpuResult fault = write_memory(machine.cpu, machine.mmu, at(8, Machine::kHole), written);
    EXPECT_EQ(fault.event, Event::exception(Vector::PF, x86::page_fault::US | x86::page_fault::WR));
    EXPECT_EQ(fault.cr2, Machine::kHole);
}

TEST(Operand, RegistersAreWrittenByOperandSize) {
    Machine machine(Mode::Long64);
    const auto after = [&](unsigned bytes) {
        machine.cpu.set_gpr(Gpr::R9, ~uint64_t{0});
        set_gpr_sized(machine.cpu, Gpr::R9, bytes, 0x1111'2222'3333'4444);
        return machine.cpu.gpr(Gpr::R9);
    };
    EXPECT_EQ(after(2), 0xffff'ffff'ffff'4444u);
    EXPECT_EQ(after(4), 0x3333'4444u);
    EXPECT_EQ(after(8), 0x1111'2222'3333'4444u);
}

}  // namespace
}  // namespace vtless::sim::test
