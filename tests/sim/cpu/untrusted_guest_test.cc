// SPDX-License-Identifier: MIT
// Whatever the guest's tables and registers say, each function ends, and a failure leaves RIP alone.
#include <random>

#include "sim/cpu/control_registers.h"
#include "sim/cpu/descriptor_tables.h"
#include "sim/cpu/far_transfer.h"
#include "sim/cpu/io_permission.h"
#include "sim/cpu/iret.h"
#include "sim/cpu/task_switch.h"
#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

using x86::Gpr;
using x86::SegmentRegister;

constexpr int kRounds = 4000;
constexpr Mode kModes[] = {Mode::Real,        Mode::V8086,  Mode::Protected16,
                           Mode::Protected32, Mode::Long64, Mode::Compatibility};

// Tables that are half sensible: bytes below kStack are random, some descriptors are the right ones.
void randomize(Machine& machine, std::mt19937_64& random) {
    for (uint64_t at = 0; at < 0xc000; at += 8) {
        if (random() % 4 != 0) machine.poke<uint64_t>(at, random());
    }
    for (unsigned slot = 0; slot < 32; ++slot) {
        const auto access = static_cast<uint32_t>((random() & 0x6f) | 0x80 | ((random() & 0xf0) << 8));
        if (random() % 2 != 0)
            machine.descriptor(static_cast<uint16_t>(slot * 8), random() & 0xffff'ffff, 0xffffffff, access);
    }
    for (unsigned index = 0; index < 16; ++index)
        machine.cpu.set_gpr(static_cast<Gpr>(index), random() % 2 != 0 ? random() : random() % 0x10000);
    machine.cpu.set_rflags(machine.cpu.rflags() | (random() & (x86::rflags::NT | x86::rflags::IOPL)));
    machine.cpu.set_cpl(machine.cpu.v8086() ? 3 : static_cast<unsigned>(random() % 4));
}

StoppedInstruction random_instruction(std::mt19937_64& random) {
    StoppedInstruction result;
    result.length = static_cast<uint8_t>(1 + random() % 15);
    result.operand_size = static_cast<uint8_t>(2u << random() % 3);
    result.memory.address_bytes = static_cast<uint8_t>(2u << random() % 3);
    result.has_memory = random() % 2 != 0;
    result.number = static_cast<uint8_t>(random() % 9);
    result.far_selector = static_cast<uint16_t>(random() % 0x120);
    result.far_offset = static_cast<uint32_t>(random() % 0x20000);
    result.memory.segment = static_cast<SegmentRegister>(random() % 6);
    result.memory.base = static_cast<Gpr>(random() % 16);
    return result;
}

template <class Function>
void run_in_every_mode(const Function& function) {
    std::mt19937_64 random(20240229);
    for (int round = 0; round < kRounds; ++round) {
        Machine machine(kModes[random() % std::size(kModes)]);
        if (random() % 3 == 0) machine.mmu.set_ept(0x1e | (random() % 16) << 12);
        randomize(machine, random);
        if (!function(machine, random)) {
            ASSERT_EQ(machine.cpu.rip(), Machine::kCode) << "round " << round;
        }
    }
}

TEST(UntrustedGuest, EventDelivery) {
    run_in_every_mode([](Machine& machine, std::mt19937_64& random) {
        Event event;
        event.vector = static_cast<uint8_t>(random());
        event.type = static_cast<x86::EventType>(random() % 8);
        event.has_error_code = random() % 2 != 0;
        return deliver_event(machine.cpu, machine.mmu, event).kind == DeliveryResult::Kind::Delivered;
    });
}

TEST(UntrustedGuest, InterruptReturn) {
    run_in_every_mode([](Machine& machine, std::mt19937_64& random) {
        return iret(machine.cpu, machine.mmu, 2u << random() % 3).done();
    });
}

TEST(UntrustedGuest, FarTransfers) {
    run_in_every_mode([](Machine& machine, std::mt19937_64& random) {
        const auto kind = random() % 2 != 0 ? FarTransfer::Call : FarTransfer::Jmp;
        return far_transfer(machine.cpu, machine.mmu, random_instruction(random), kind).done();
    });
}

// A fault before the new task has TR is one of the old task.
TEST(UntrustedGuest, TaskSwitches) {
    unsigned done = 0;
    unsigned faults = 0;
    run_in_every_mode([&](Machine& machine, std::mt19937_64& random) {
        if (!machine.cpu.protected_mode() || machine.cpu.ia32e()) return true;
        TaskSwitch request;
        request.tss = sel::kFree;
        request.source = static_cast<x86::TaskSwitchSource>(random() % 4);
        request.return_rip = random();
        if (random() % 2 != 0) request.error_code = static_cast<uint32_t>(random());
        const uint32_t busy = request.source == x86::TaskSwitchSource::IRET ? 2 : 0;
        const uint32_t type = random() % 2 != 0 ? 0x89 : 0x81;
        machine.descriptor(sel::kFree, random() % 0x10000, 0x67, type | busy);
        const CpuResult result = switch_task(machine.cpu, machine.mmu, request);
        const bool switched = machine.cpu.selector(SegmentRegister::TR) == sel::kFree;
        done += result.done();
        faults += switched && !result.done();
        return switched;
    });
    EXPECT_GT(done, 0u);
    EXPECT_GT(faults, 500u);
}

TEST(UntrustedGuest, SystemRegisters) {
    run_in_every_mode([](Machine& machine, std::mt19937_64& random) {
        StoppedInstruction instruction = random_instruction(random);
        if (random() % 2 != 0) return mov_to_cr(machine.cpu, machine.mmu, instruction, {}).done();
        constexpr Instruction kIds[] = {Instruction::SGDT, Instruction::SIDT, Instruction::LGDT,
                                        Instruction::LIDT, Instruction::SLDT, Instruction::STR,
                                        Instruction::LLDT, Instruction::LTR};
        instruction.id = kIds[random() % std::size(kIds)];
        instruction.has_memory = instruction.has_memory || random() % 8 < 4;
        if (check_io_permission(machine.cpu, machine.mmu, static_cast<uint16_t>(random()), 4).done())
            return access_descriptor_table(machine.cpu, machine.mmu, instruction).done();
        return false;
    });
}

}  // namespace
}  // namespace vtless::sim::test
