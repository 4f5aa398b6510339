// SPDX-License-Identifier: MIT
#include "isa/x86/exit_qualification.h"
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

using x86::CrAccessType;
using x86::EventInfo;
using x86::Vector;
using namespace x86::cr0;
namespace cr4 = x86::cr4;
namespace efer = x86::efer;

uint64_t access(uint8_t cr, CrAccessType type, Gpr gpr = Gpr::RBX, uint16_t source = 0) {
    return x86::CrAccessQualification{cr, type, false, gpr, source}.encode();
}

struct ControlRegisters : testing::Test {
    // True: done, past the instruction. False: #GP(0) at it.
    bool move(uint8_t cr, uint64_t value, Gpr gpr = Gpr::RBX) {
        machine.set_gpr(gpr, value);
        return perform(access(cr, CrAccessType::MOV_TO, gpr));
    }
    bool perform(uint64_t qualification) {
        const uint64_t before = machine.rip();
        EXPECT_TRUE(
            machine.run_exit(ExitReason::CONTROL_REGISTER_ACCESS, qualification, 3).is<VmExit::Nothing>());
        if (machine.rip() == before + 3) return true;
        EXPECT_EQ(machine.next_injection().vector(), 13);
        return false;
    }
    uint64_t cr0() { return machine.field(VmcsField::GUEST_CR0); }
    uint64_t cr4_value() { return machine.field(VmcsField::GUEST_CR4); }
    bool long_mode_control() {
        return (machine.field(VmcsField::VM_ENTRY_CONTROLS) & x86::EntryControls::IA32E_MODE_GUEST) != 0;
    }
    uint64_t guest_efer() { return machine.field(VmcsField::GUEST_IA32_EFER); }

    Machine machine;
};

TEST_F(ControlRegisters, Cr0KeepsFixedBitsBehindTheShadow) {
    EXPECT_TRUE(move(0, PE | WP));
    EXPECT_EQ(cr0(), PE | WP | NE | ET);
    EXPECT_EQ(machine.field(VmcsField::CR0_READ_SHADOW), PE | WP | ET);
}

TEST_F(ControlRegisters, Cr0CombinationsThatFault) {
    machine.enter_long_mode();  // where a register has 64 bits
    for (uint64_t value : {PG, PE | PG | NW, PE | PG | bit(32)}) {
        const uint64_t before = cr0();
        EXPECT_FALSE(move(0, value)) << value;
        EXPECT_EQ(cr0(), before);
    }
}

TEST_F(ControlRegisters, PagingWithLmeEntersLongMode) {
    machine.field(VmcsField::GUEST_IA32_EFER) = efer::LME;
    machine.field(VmcsField::GUEST_CR4) |= cr4::PAE;
    EXPECT_TRUE(move(0, PE | PG));
    EXPECT_EQ(guest_efer(), efer::LME | efer::LMA);
    EXPECT_TRUE(long_mode_control());
    EXPECT_TRUE(move(0, PE));
    EXPECT_EQ(guest_efer(), efer::LME);
    EXPECT_FALSE(long_mode_control());
}

// Upstream sets LMA whenever paging is on.
TEST_F(ControlRegisters, PagingWithoutLmeStays32Bit) {
    EXPECT_TRUE(move(0, PE | PG));
    EXPECT_EQ(guest_efer(), 0u);
    EXPECT_FALSE(long_mode_control());
}

TEST_F(ControlRegisters, LongModeNeedsPaeAndA16BitTssForbidsIt) {
    machine.field(VmcsField::GUEST_IA32_EFER) = efer::LME;
    EXPECT_FALSE(move(0, PE | PG));
    machine.field(VmcsField::GUEST_CR4) |= cr4::PAE;
    machine.field(VmcsField::GUEST_TR_ACCESS_RIGHTS) = 0x83;
    EXPECT_FALSE(move(0, PE | PG));
    machine.field(VmcsField::GUEST_TR_ACCESS_RIGHTS) = 0x8b;
    EXPECT_TRUE(move(0, PE | PG));
}

TEST_F(ControlRegisters, PagingCannotBeSwitchedOffIn64BitCode) {
    machine.enter_long_mode();
    EXPECT_FALSE(move(0, PE));
    machine.field(VmcsField::GUEST_CS_ACCESS_RIGHTS) = 0xc09b;
    EXPECT_TRUE(move(0, PE));
}

TEST_F(ControlRegisters, PaePagingLoadsItsPdptes) {
    machine.field(VmcsField::GUEST_CR4) |= cr4::PAE;
    machine.field(VmcsField::GUEST_CR3) = 0x3020;
    for (uint64_t i = 0; i < 4; ++i) machine.put64(0x3020 + i * 8, 0x8000 + i * 0x1000 + 1);
    EXPECT_TRUE(move(0, PE | PG));
    EXPECT_EQ(machine.field(VmcsField::GUEST_PDPTE0), 0x8001u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_PDPTE3), 0xb001u);
}

TEST_F(ControlRegisters, ReservedBitInAPdpteFaults) {
    machine.field(VmcsField::GUEST_CR4) |= cr4::PAE;
    machine.field(VmcsField::GUEST_CR3) = 0x3000;
    machine.put64(0x3008, 0x8000 | 1 | 2);
    EXPECT_FALSE(move(0, PE | PG));
    EXPECT_EQ(cr0() & PG, 0u);
    machine.put64(0x3008, 0x8000 | 2);  // not present: its bits do not count
    EXPECT_TRUE(move(0, PE | PG));
}

// guest-tests' tinivisor looks for this: upstream shows the host's VMXE.
TEST_F(ControlRegisters, GuestNeverSeesVmxe) {
    EXPECT_NE(cr4_value() & cr4::VMXE, 0u);
    EXPECT_EQ(machine.field(VmcsField::CR4_READ_SHADOW) & cr4::VMXE, 0u);
    EXPECT_NE(machine.field(VmcsField::CR4_GUEST_HOST_MASK) & cr4::VMXE, 0u);
    EXPECT_TRUE(move(4, cr4::PAE));
    EXPECT_EQ(cr4_value(), cr4::PAE | cr4::VMXE);
    EXPECT_EQ(machine.field(VmcsField::CR4_READ_SHADOW), cr4::PAE);
}

TEST_F(ControlRegisters, Cr4BitsThatAreNotOfferedFault) {
    machine.enter_long_mode();
    for (uint64_t value : {cr4::VMXE, cr4::SMXE, cr4::LA57, cr4::CET, bit(40)})
        EXPECT_FALSE(move(4, cr4::PAE | value)) << value;
    EXPECT_TRUE(move(4, cr4::PAE | cr4::OSFXSR));
}

TEST_F(ControlRegisters, Cr4RulesOfLongMode) {
    EXPECT_FALSE(move(4, cr4::PCIDE));
    machine.enter_long_mode();
    EXPECT_FALSE(move(4, 0));
    EXPECT_TRUE(move(4, cr4::PAE | cr4::PCIDE));
}

TEST_F(ControlRegisters, TranslationChangesFlushTheGuestsVpid) {
    machine.hw.invvpids.clear();
    EXPECT_TRUE(move(4, cr4::OSFXSR));
    EXPECT_TRUE(machine.hw.invvpids.empty());
    EXPECT_TRUE(move(4, cr4::PGE));
    EXPECT_EQ(machine.hw.invvpids, std::vector<uint16_t>{3});
}

TEST_F(ControlRegisters, ClearTaskSwitchedAndLoadMachineStatus) {
    EXPECT_TRUE(move(0, PE | TS | EM));
    EXPECT_TRUE(perform(access(0, CrAccessType::CLTS)));
    EXPECT_EQ(cr0() & (PE | TS | EM), PE | EM);
    EXPECT_TRUE(perform(access(0, CrAccessType::LMSW, Gpr::RAX, 0xfff8)));  // TS of the low four; PE stays
    EXPECT_EQ(cr0() & (PE | TS | EM | MP | WP), PE | TS);
}

TEST_F(ControlRegisters, SourceMayBeTheStackPointer) {
    EXPECT_TRUE(move(0, PE, Gpr::RSP));
    EXPECT_NE(cr0() & PE, 0u);
}

TEST_F(ControlRegisters, Cr3AccessesWorkWhereTheyExit) {
    EXPECT_TRUE(move(3, 0x5000));
    EXPECT_EQ(machine.field(VmcsField::GUEST_CR3), 0x5000u);
    machine.set_gpr(Gpr::RCX, 0);
    EXPECT_TRUE(perform(access(3, CrAccessType::MOV_FROM, Gpr::RCX)));
    EXPECT_EQ(machine.gpr(Gpr::RCX), 0x5000u);
    machine.enter_long_mode();
    EXPECT_FALSE(move(3, bit(45)));
    machine.field(VmcsField::GUEST_CR4) |= cr4::PCIDE;
    machine.hw.invvpids.clear();
    EXPECT_TRUE(move(3, 0x6001 | bit(63)));
    EXPECT_EQ(machine.field(VmcsField::GUEST_CR3), 0x6001u);
    EXPECT_TRUE(machine.hw.invvpids.empty());
}

TEST_F(ControlRegisters, UnknownRegisterIsUnhandled) {
    const uint64_t qualification = access(2, CrAccessType::MOV_TO);
    EXPECT_EQ(machine.run_exit(ExitReason::CONTROL_REGISTER_ACCESS, qualification),
              VmExit(VmExit::Unhandled{28, qualification}));
    EXPECT_EQ(machine.run_exit(ExitReason::CONTROL_REGISTER_ACCESS, access(8, CrAccessType::MOV_TO)).kind(),
              ExitKind::Unhandled);  // no local APIC
}

}  // namespace
}  // namespace vtless::test
