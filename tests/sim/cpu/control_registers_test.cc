// SPDX-License-Identifier: MIT
#include "sim/cpu/control_registers.h"

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
namespace efer = x86::efer;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

const CpuFeatures kFeatures;
const Event kGp0 = Event::exception(Vector::GP, 0);

StoppedInstruction instruction(Instruction id, uint8_t number = 0) {
    StoppedInstruction result;
    result.id = id;
    result.number = number;
    result.length = 3;
    result.operand_size = 4;
    result.memory.address_bytes = 8;
    result.gpr = Gpr::RAX;
    return result;
}

CpuResult mov_to(Machine& machine, uint8_t number, uint64_t value) {
    machine.cpu.set_gpr(Gpr::RAX, value);
    return mov_to_cr(machine.cpu, machine.mmu, instruction(Instruction::MOV_TO_CR, number), kFeatures);
}

void expect_gp(const CpuResult& result) {
    EXPECT_EQ(result.kind, CpuResult::Kind::Fault);
    EXPECT_EQ(result.event, kGp0);
}

TEST(ControlRegisters, Cr0RefusesCombinationsThatDoNotExist) {
    Machine machine(Mode::Protected32);
    const uint64_t old = machine.cpu.cr0();
    for (const uint64_t value : {cr0::PG, cr0::PE | cr0::NW, cr0::PG | cr0::CD}) {
        expect_gp(mov_to(machine, 0, value));
        EXPECT_EQ(machine.cpu.cr0(), old);
        EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    }
    Machine wide(Mode::Long64);
    expect_gp(mov_to(wide, 0, wide.cpu.cr0() | bit(32)));
    expect_gp(mov_to(wide, 0, wide.cpu.cr0() & ~cr0::PG));
}

TEST(ControlRegisters, Cr0KeepsEtDropsReservedBitsAndRetires) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_interrupt_shadow(true);
    ASSERT_TRUE(mov_to(machine, 0, cr0::PE | cr0::NE | bit(6) | bit(17)).done());
    EXPECT_EQ(machine.cpu.cr0(), cr0::PE | cr0::NE | cr0::ET);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode + 3);
    EXPECT_FALSE(machine.cpu.interrupt_shadow());
}

TEST(ControlRegisters, PagingWithLmeActivatesIa32eModeOnlyFromThere) {
    Machine machine(Mode::Protected32);
    const uint64_t on = cr0::PE | cr0::PG;
    machine.cpu.set_efer(efer::LME);
    expect_gp(mov_to(machine, 0, on));  // without PAE
    machine.cpu.set_cr4(cr4::PAE);
    const x86::Segment tr = machine.cpu.segment(SegmentRegister::TR);
    machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 0x2b, {0x83}});
    expect_gp(mov_to(machine, 0, on));  // a 16-bit TSS
    machine.cpu.set_segment(SegmentRegister::TR, tr);
    machine.load(SegmentRegister::CS, sel::kCode64);
    expect_gp(mov_to(machine, 0, on));  // CS.L
    machine.load(SegmentRegister::CS, sel::kCode32);
    const CpuResult result = mov_to(machine, 0, on);
    ASSERT_TRUE(result.done());
    EXPECT_EQ(result.tlb, TlbEffect::All);
    EXPECT_EQ(machine.cpu.efer(), efer::LME | efer::LMA);
    EXPECT_EQ(machine.mmu.paging_mode(), x86::PagingMode::LEVEL4);
    ASSERT_TRUE(mov_to(machine, 0, cr0::PE).done());  // from compatibility mode
    EXPECT_EQ(machine.cpu.efer(), efer::LME);
    EXPECT_EQ(machine.mmu.paging_mode(), x86::PagingMode::NONE);
}

TEST(ControlRegisters, WriteProtectChangesPermissionsWithoutAFlush) {
    Machine machine(Mode::Long64);
    Translation page;
    const auto read = [&] {
        return machine.mmu.translate(Gva(Machine::kCode), Access::supervisor(AccessType::Read), page);
    };
    ASSERT_FALSE(read());
    const uint64_t walks = machine.mmu.counters().walks;
    const CpuResult result = mov_to(machine, 0, machine.cpu.cr0() & ~cr0::WP);
    ASSERT_TRUE(result.done());
    EXPECT_EQ(result.tlb, TlbEffect::Permissions);
    EXPECT_FALSE(machine.mmu.protection().write_protect);
    ASSERT_FALSE(read());
    EXPECT_EQ(machine.mmu.counters().walks, walks);
}

TEST(ControlRegisters, PaePagingLoadsItsPdptesAndRefusesReservedBits) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_cr4(cr4::PAE);
    machine.cpu.set_cr3(0x5020);
    machine.poke<uint64_t>(0x5028, 0x7001);
    ASSERT_TRUE(mov_to(machine, 0, cr0::PE | cr0::PG).done());
    EXPECT_EQ(machine.mmu.paging().pdptes[1], 0x7001u);
    EXPECT_EQ(machine.mmu.paging_mode(), x86::PagingMode::PAE);

    machine.poke<uint64_t>(0x6000, 0x7003);
    expect_gp(mov_to(machine, 3, 0x6000));
    EXPECT_EQ(machine.cpu.cr3(), 0x5020u);
    EXPECT_EQ(machine.mmu.paging().pdptes[1], 0x7001u);
    machine.poke<uint64_t>(0x6000, 0x7001);
    ASSERT_TRUE(mov_to(machine, 3, 0x6000).done());
    EXPECT_EQ(machine.mmu.paging().pdptes[0], 0x7001u);
}

TEST(ControlRegisters, PdpteLoadThatEptRefusesIsAnExit) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_cr4(cr4::PAE);
    machine.mmu.set_ept(0x1e);  // nothing mapped
    const CpuResult result = mov_to(machine, 0, cr0::PE | cr0::PG);
    EXPECT_EQ(result.kind, CpuResult::Kind::MmuExit);
    EXPECT_EQ(result.mmu.qualification, 1u) << "no linear address";
    EXPECT_EQ(machine.cpu.cr0(), cr0::PE);
}

TEST(ControlRegisters, Cr3FlushesNonGlobalAndRefusesBitsBeyondThePhysicalAddress) {
    Machine machine(Mode::Long64);
    const uint64_t generation = machine.mmu.generation();
    const CpuResult result = mov_to(machine, 3, 0x7018);
    ASSERT_TRUE(result.done());
    EXPECT_EQ(result.tlb, TlbEffect::NonGlobal);
    EXPECT_NE(machine.mmu.generation(), generation);
    EXPECT_EQ(machine.cpu.cr3(), 0x7018u);
    expect_gp(mov_to(machine, 3, bit(40)));
    expect_gp(mov_to(machine, 3, bit(63)));
}

TEST(ControlRegisters, Cr4Rules) {
    Machine machine(Mode::Long64);
    const uint64_t old = machine.cpu.cr4();
    expect_gp(mov_to(machine, 4, 0));               // PAE in IA-32e mode
    expect_gp(mov_to(machine, 4, old | cr4::PKE));  // not of this processor
    expect_gp(mov_to(machine, 4, old | bit(40)));
    CpuFeatures wide;
    wide.cr4 |= cr4::LA57 | cr4::PCIDE;
    expect_gp(write_cr4(machine.cpu, machine.mmu, old | cr4::LA57, wide));
    machine.cpu.set_cr3(machine.cpu.cr3() | 1);
    expect_gp(write_cr4(machine.cpu, machine.mmu, old | cr4::PCIDE, wide));
    EXPECT_EQ(machine.cpu.cr4(), old);

    EXPECT_EQ(mov_to(machine, 4, old | cr4::OSFXSR).tlb, TlbEffect::None);
    EXPECT_EQ(mov_to(machine, 4, old | cr4::PGE).tlb, TlbEffect::All);
    EXPECT_EQ(mov_to(machine, 4, old | cr4::PGE | cr4::SMEP).tlb, TlbEffect::NonGlobal);
    EXPECT_EQ(mov_to(machine, 4, old | cr4::PGE | cr4::SMEP | cr4::SMAP).tlb, TlbEffect::Permissions);
}

TEST(ControlRegisters, PrivilegeAndNumbers) {
    Machine user(Mode::Long64, 3);
    expect_gp(mov_to(user, 3, 0));
    expect_gp(mov_from_cr(user.cpu, instruction(Instruction::MOV_FROM_CR, 0)));
    expect_gp(clts(user.cpu, user.mmu, instruction(Instruction::CLTS)));
    expect_gp(lmsw(user.cpu, user.mmu, instruction(Instruction::LMSW)));
    expect_gp(invlpg(user.cpu, user.mmu, instruction(Instruction::INVLPG)));
    Machine machine(Mode::Long64);
    for (const unsigned number : {1u, 5u, 7u, 9u, 15u})
        EXPECT_EQ(mov_to(machine, static_cast<uint8_t>(number), 0).event, Event::exception(Vector::UD))
            << number;
}

TEST(ControlRegisters, MovFromCrIs64BitsWideIn64BitModeOnly) {
    Machine machine(Mode::Long64);
    machine.cpu.set_cr2(0xffff'8000'1234'5678);
    ASSERT_TRUE(mov_from_cr(machine.cpu, instruction(Instruction::MOV_FROM_CR, 2)).done());
    EXPECT_EQ(machine.cpu.gpr(Gpr::RAX), 0xffff'8000'1234'5678u);
    Machine legacy(Mode::Compatibility);
    legacy.cpu.set_cr2(0xffff'8000'1234'5678);
    ASSERT_TRUE(mov_from_cr(legacy.cpu, instruction(Instruction::MOV_FROM_CR, 2)).done());
    EXPECT_EQ(legacy.cpu.gpr(Gpr::RAX), 0x1234'5678u);
}

TEST(ControlRegisters, LmswSetsButNeverClearsPe) {
    Machine machine(Mode::Protected32);
    machine.cpu.set_cr0(cr0::PE | cr0::TS | cr0::ET | cr0::NE);
    machine.cpu.set_gpr(Gpr::RAX, cr0::MP | 0xfff0);
    ASSERT_TRUE(lmsw(machine.cpu, machine.mmu, instruction(Instruction::LMSW)).done());
    EXPECT_EQ(machine.cpu.cr0(), cr0::PE | cr0::MP | cr0::ET | cr0::NE);
    Machine real(Mode::Real);
    real.cpu.set_gpr(Gpr::RAX, cr0::PE);
    ASSERT_TRUE(lmsw(real.cpu, real.mmu, instruction(Instruction::LMSW)).done());
    EXPECT_TRUE(real.cpu.protected_mode());
}

TEST(ControlRegisters, ClearTaskSwitchedAndReadMachineStatus) {
    Machine machine(Mode::Long64);
    machine.cpu.set_cr0(machine.cpu.cr0() | cr0::TS);
    ASSERT_TRUE(clts(machine.cpu, machine.mmu, instruction(Instruction::CLTS)).done());
    EXPECT_EQ(machine.cpu.cr0() & cr0::TS, 0u);
    StoppedInstruction store = instruction(Instruction::SMSW);
    store.operand_size = 2;
    machine.cpu.set_gpr(Gpr::RAX, ~uint64_t{0});
    ASSERT_TRUE(smsw(machine.cpu, machine.mmu, store).done());
    EXPECT_EQ(machine.cpu.gpr(Gpr::RAX), 0xffff'ffff'ffff'0000u | (machine.cpu.cr0() & 0xffff));
}

TEST(ControlRegisters, EferRules) {
    Machine machine(Mode::Long64);
    expect_gp(write_efer(machine.cpu, machine.mmu, efer::SCE, kFeatures));  // LME while paging
    expect_gp(write_efer(machine.cpu, machine.mmu, machine.cpu.efer() | bit(12), kFeatures));
    const CpuResult result = write_efer(machine.cpu, machine.mmu, efer::LME | efer::SCE, kFeatures);
    ASSERT_TRUE(result.done());
    EXPECT_EQ(result.tlb, TlbEffect::Permissions) << "NXE went away";
    EXPECT_EQ(machine.cpu.efer(), efer::LME | efer::LMA | efer::SCE) << "LMA is read-only";
    EXPECT_FALSE(machine.mmu.paging_features().nxe);
}

TEST(ControlRegisters, XsetbvRules) {
    namespace xcr0 = x86::xcr0;
    Machine machine(Mode::Long64);
    const StoppedInstruction at = instruction(Instruction::XSETBV);
    CpuFeatures avx;
    avx.xcr0 |= xcr0::AVX | xcr0::OPMASK | xcr0::ZMM_HI256 | xcr0::HI16_ZMM;
    EXPECT_EQ(xsetbv(machine.cpu, at, avx).event, Event::exception(Vector::UD)) << "CR4.OSXSAVE";
    machine.cpu.set_cr4(machine.cpu.cr4() | cr4::OSXSAVE);
    struct Row {
        uint64_t rcx, value;
        bool allowed;
    };
    const Row rows[] = {{0, 1, true},     {0, 3, true},      {0, 7, true},
                        {0, 0xe7, true},  {1, 3, false},     {0, 2, false},
                        {0, 5, false},    {0, 0xb, false},   {0, 0x27, false},
                        {0, 0xe3, false}, {0, 0x203, false}, {0xffff'ffff'0000'0000, 3, true}};
    for (const Row& row : rows) {
        machine.cpu.set_gpr(Gpr::RCX, row.rcx);
        machine.cpu.set_gpr(Gpr::RAX, row.value);
        const CpuResult result = xsetbv(machine.cpu, at, avx);
        EXPECT_EQ(result.done(), row.allowed) << row.value;
        if (row.allowed) {
            EXPECT_EQ(machine.cpu.xcr0(), row.value);
        } else {
            EXPECT_EQ(result.event, kGp0);
        }
    }
    machine.cpu.set_cpl(3);
    expect_gp(xsetbv(machine.cpu, at, avx));
}

TEST(ControlRegisters, InvlpgFlushesItsPageAndIgnoresNonCanonicalAddresses) {
    Machine machine(Mode::Long64);
    StoppedInstruction at = instruction(Instruction::INVLPG);
    at.has_memory = true;
    at.memory.base = Gpr::RDI;
    at.memory.displacement = 0x10;
    machine.cpu.set_gpr(Gpr::RDI, 0x12'3000);
    machine.cpu.set_segment_base(SegmentRegister::GS, 0x1'0000'0000);
    EXPECT_EQ(invlpg(machine.cpu, machine.mmu, at).flushed, Gva(0x12'3010));
    at.memory.segment = SegmentRegister::GS;
    const CpuResult result = invlpg(machine.cpu, machine.mmu, at);
    EXPECT_EQ(result.flushed, Gva(0x1'0012'3010));
    EXPECT_EQ(result.tlb, TlbEffect::Page);
    machine.cpu.set_gpr(Gpr::RDI, bit(50));
    const uint64_t generation = machine.mmu.generation();
    const CpuResult nop = invlpg(machine.cpu, machine.mmu, at);
    EXPECT_TRUE(nop.done());
    EXPECT_EQ(nop.tlb, TlbEffect::None);
    EXPECT_EQ(machine.mmu.generation(), generation);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode + 9);
}

}  // namespace
}  // namespace vtless::sim::test
