// SPDX-License-Identifier: MIT
// Exits of system registers, descriptor tables and task switches in detail, and what goes with exits.
#include <optional>

#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_controls.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::SegmentRegister;
using x86::VmcsField;

CONFORMANCE_SUITE(System);

constexpr auto kPrimary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr auto kSecondary = VmcsField::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;

void set_primary(Guest& guest, uint32_t bits, bool on) {
    const uint64_t others = guest.field(kPrimary) & ~uint64_t{bits};
    guest.set_field(kPrimary, others | (on ? bits : 0));
}
void exit_for_descriptor_tables(Guest& guest) {
    guest.set_field(kSecondary, guest.field(kSecondary) | x86::SecondaryControls::DESCRIPTOR_TABLE_EXITING);
}

// ------------------------------------------------------------------------------------- descriptor tables

constexpr char kOperands[] =
    "SDM Vol. 3C \"Basic VM-Exit Information\" (28.2.1): the qualification is the displacement, or with "
    "RIP-relative addressing its sum with the address of the next instruction. Tables 28-10 and 28-11: "
    "scaling "
    "1:0, register 6:3, address size 9:7, register form 10, operand size 11, segment 17:15, index 21:18 (22: "
    "none), base 26:23 (27: none), instruction 29:28.";

struct Memory {
    unsigned address_size = 2;  // as in the word: 0, 1, 2
    SegmentRegister segment = SegmentRegister::DS;
    std::optional<Gpr> base, index;
    unsigned log_scale = 0;
};
struct Word {
    uint32_t value = 0;
    uint32_t defined = 0;
};

Word word_of(unsigned identity, const Memory& memory) {
    Word word{identity << 28 | memory.address_size << 7 | static_cast<uint32_t>(memory.segment) << 15,
              0x38478380};
    if (memory.index) {
        word.value |= static_cast<uint32_t>(*memory.index) << 18 | memory.log_scale;
        word.defined |= 15u << 18 | 3;
    } else {
        word.value |= 1u << 22;
    }
    if (memory.base) {
        word.value |= static_cast<uint32_t>(*memory.base) << 23;
        word.defined |= 15u << 23;
    } else {
        word.value |= 1u << 27;
    }
    return word;
}
Word word_of(unsigned identity, Gpr gpr) {
    return {identity << 28 | 1u << 10 | static_cast<uint32_t>(gpr) << 3, 0x30000478};
}
// Outside 64-bit mode.
Word with_operand_size(Word word, bool wide) {
    return {word.value | (wide ? 1u << 11 : 0), word.defined | 1u << 11};
}

struct TableExit {
    const char* label;
    ExitReason reason;
    Word word;
    uint64_t qualification;
    uint64_t defined = ~uint64_t{0};  // beyond the address size the qualification is not
};

void expect_table_exit(Guest& guest, const TableExit& exit) {
    guest.expect_unhandled(exit.reason);
    guest.expect_equal(exit.label, guest.rip(), guest.symbol(exit.label));
    guest.expect_equal(std::string(exit.label) + ": information",
                       guest.raw().instruction_information & exit.word.defined, exit.word.value);
    guest.expect_equal(std::string(exit.label) + ": qualification",
                       guest.raw().exit_qualification & exit.defined, exit.qualification & exit.defined);
    guest.set_field(VmcsField::GUEST_RIP, guest.rip() + guest.raw().instruction_length);
}

CONFORMANCE_CASE(System, DescriptorTableOperands) {
    guest.start("descriptor_table_operands", Mode::Long, kOperands);
    guest.boot();
    exit_for_descriptor_tables(guest);
    constexpr auto kGdtrIdtr = ExitReason::GDTR_IDTR_ACCESS;
    constexpr auto kLdtrTr = ExitReason::LDTR_TR_ACCESS;
    const SegmentRegister ds = SegmentRegister::DS;
    const TableExit exits[] = {
        {"sgdt_absolute", kGdtrIdtr, word_of(0, {2, ds, {}, {}, 0}), 0x20000},
        {"sidt_base", kGdtrIdtr, word_of(1, {2, ds, Gpr::RBX, {}, 0}), 0},
        {"lgdt_scaled", kGdtrIdtr, word_of(2, {2, ds, Gpr::RBX, Gpr::RCX, 2}), ~uint64_t{0xf}},
        {"lidt_relative", kGdtrIdtr, word_of(3, {2, ds, {}, {}, 0}), guest.symbol("table")},
        {"sgdt_fs", kGdtrIdtr, word_of(0, {2, SegmentRegister::FS, Gpr::R13, {}, 0}), 0x12345678},
        {"sidt_narrow", kGdtrIdtr, word_of(1, {1, ds, Gpr::RBX, {}, 0}), 0x10, 0xffffffff},
        {"sldt_register", kLdtrTr, word_of(0, Gpr::R10), 0},
        {"str_stack", kLdtrTr, word_of(1, {2, SegmentRegister::SS, Gpr::RSP, {}, 0}), 0},
        {"lldt_register", kLdtrTr, word_of(2, Gpr::RAX), 0},
        {"ltr_memory", kLdtrTr, word_of(3, {2, ds, {}, Gpr::R9, 3}), 2}};
    for (const TableExit& exit : exits) expect_table_exit(guest, exit);
    guest.expect_end();
}

CONFORMANCE_CASE(System, DescriptorTableOperandsOf16BitCode) {
    guest.start("descriptor_table_operands_16", Mode::Real, kOperands);
    guest.boot();
    exit_for_descriptor_tables(guest);
    constexpr auto kReason = ExitReason::GDTR_IDTR_ACCESS;
    const SegmentRegister ds = SegmentRegister::DS;
    const TableExit exits[] = {
        {"lgdt_both", kReason, with_operand_size(word_of(2, {0, ds, Gpr::RBX, Gpr::RSI, 0}), false),
         ~uint64_t{1}, 0xffff},
        {"lidt_wide", kReason, with_operand_size(word_of(3, {0, ds, {}, {}, 0}), true), 0x1234, 0xffff},
        {"sidt_stack", kReason,
         with_operand_size(word_of(1, {0, SegmentRegister::SS, Gpr::RBP, Gpr::RDI, 0}), false), 0, 0xffff},
        {"sgdt_es", kReason, with_operand_size(word_of(0, {0, SegmentRegister::ES, Gpr::RBX, {}, 0}), false),
         0x7f, 0xffff},
        {"sgdt_32", kReason, with_operand_size(word_of(0, {1, ds, Gpr::RAX, Gpr::RDX, 1}), false), 8,
         0xffffffff}};
    for (const TableExit& exit : exits) expect_table_exit(guest, exit);
    guest.expect_end();
}

// --------------------------------------------------------------------------------------- debug registers

constexpr char kMovDr[] =
    "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): with MOV-DR exiting the exit "
    "comes "
    "before #GP for the privilege level and before #UD for DR4 and DR5 under CR4.DE. Table 28-4: register "
    "2:0, "
    "direction 4, general-purpose register 11:8.";

void expect_mov_dr(Guest& guest, const char* label, const x86::DrAccessQualification& access) {
    set_primary(guest, x86::PrimaryControls::MOV_DR_EXITING, true);
    guest.expect_unhandled(ExitReason::MOV_DR);
    guest.expect_equal("qualification", guest.raw().exit_qualification, access.encode());
    guest.expect_equal("RIP", guest.rip(), guest.symbol(label));
    set_primary(guest, x86::PrimaryControls::MOV_DR_EXITING, false);
}

CONFORMANCE_CASE(System, MovDrExitsBeforeThePrivilegeCheck) {
    guest.start("debug_registers_at_cpl3", Mode::Long, kMovDr, Ring::User);
    guest.boot();
    expect_mov_dr(guest, "start", {0, true, Gpr::R12});
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("start")}});
}

CONFORMANCE_CASE(System, MovDrExitsBeforeUndefinedOpcodeOfAliases) {
    guest.start("debug_register_aliases", Mode::Long, kMovDr);
    guest.boot();
    expect_mov_dr(guest, "alias", {5, false, Gpr::RCX});
    guest.expect_end({{Gpr::RDI, guest.symbol("alias")}});
}

CONFORMANCE_CASE(System, MovDrExitsBeforeGeneralDetect) {
    guest.start(
        "debug_register_guard", Mode::Long,
        "SDM Vol. 3B \"General-Detect Exception Condition\" (18.3.1.3): a MOV to or from a debug register "
        "with DR7.GD set is a #DB of fault class with DR6.BD, and GD is cleared for the handler. "
        "\"Instruction-Breakpoint Exception Condition\" (18.3.1.1): faults push RF as 1. Vol. 3C 26.1.3: "
        "the exit of MOV-DR exiting comes first.");
    guest.boot("guarded");
    guest.set_field(VmcsField::GUEST_DR7, 0x2400);
    expect_mov_dr(guest, "guarded", {1, true, Gpr::RBX});
    guest.expect_end({{Gpr::RDI, guest.symbol("guarded")}, {Gpr::RCX, 0x400}});
    guest.expect_equal("BD", guest.gpr(Gpr::RDX) & x86::dr6::BD, x86::dr6::BD);
    guest.expect_equal("RF", guest.gpr(Gpr::RSI) & x86::rflags::RF, x86::rflags::RF);
}

CONFORMANCE_CASE(System, GeneralDetectThatIsInterceptedIsAFault) {
    guest.start(
        "debug_register_guard", Mode::Long,
        "SDM Vol. 3C \"Saving RIP, RSP, RFLAGS, and SSP\" (28.3.3): RF is saved as the event's delivery "
        "would; table 28-1: bit 13 of the qualification is BD. \"Architectural State Before a VM Exit\" "
        "(28.1): DR6 and DR7 do not change.");
    guest.controls().exception_bitmap = 1u << static_cast<unsigned>(x86::Vector::DB);
    (void)guest.run();
    guest.expect_equal("reason", guest.raw().exit_reason.raw,
                       static_cast<uint64_t>(ExitReason::EXCEPTION_OR_NMI));
    guest.expect_equal("BD", guest.raw().exit_qualification, x86::dr6::BD);
    guest.expect_equal("RF", guest.rflags() & x86::rflags::RF, x86::rflags::RF);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("guarded"));
    guest.expect_field(VmcsField::GUEST_DR7, 0x2400);
}

// ----------------------------------------------------------------------------------------- task switches

constexpr char kTasks[] =
    "SDM Vol. 3C \"Treatment of Task Switches\" (26.4.2): before the VM exit the new TSS descriptor is "
    "checked for "
    "type, presence and limit, and faults name its selector. Vol. 3A \"Task Switching\" (8.3), table 8-1: "
    "#TS for "
    "a limit that is too small, and for IRET to a task that is not busy. Table 28-2: sources 0 CALL, 1 IRET, "
    "2 "
    "JMP, 3 task gate in the IDT.";
constexpr uint64_t kOtherDescriptor = layout::kGdt + layout::kOtherTss;

void expect_task_switch(Guest& guest, x86::TaskSwitchSource source, const char* label, uint64_t length) {
    guest.expect_unhandled(ExitReason::TASK_SWITCH);
    const x86::TaskSwitchQualification wanted{layout::kOtherTss, source};
    guest.expect_equal("qualification", guest.raw().exit_qualification, wanted.encode());
    guest.expect_equal("RIP", guest.rip(), guest.symbol(label));
    if (length != 0) guest.expect_equal("length", guest.raw().instruction_length, length);
    guest.expect_equal("interruption information", guest.raw().interruption_information.valid(), false);
    guest.expect_field(VmcsField::GUEST_TR_SELECTOR, layout::kTssSelector);
}

CONFORMANCE_CASE(System, TaskSwitchByCall) {
    guest.start("task_switch_by_call", Mode::Protected32, kTasks);
    expect_task_switch(guest, x86::TaskSwitchSource::CALL, "call", 7);
}

CONFORMANCE_CASE(System, TaskSwitchToASmallTss) {
    guest.start("task_switch_by_call", Mode::Protected32, kTasks);
    guest.write<uint16_t>(kOtherDescriptor, 0x66);
    guest.expect_end({{Gpr::RSI, layout::kOtherTss}, {Gpr::RDI, guest.symbol("call")}});
}

CONFORMANCE_CASE(System, TaskSwitchByIret) {
    guest.start("task_switch_by_iret", Mode::Protected32, kTasks);
    guest.write<uint16_t>(layout::kTss, layout::kOtherTss);  // the link to the previous task
    guest.write<uint8_t>(kOtherDescriptor + 5, 0x8b);        // busy
    expect_task_switch(guest, x86::TaskSwitchSource::IRET, "iret", 1);
}

CONFORMANCE_CASE(System, IretToATaskThatIsNotBusy) {
    guest.start("task_switch_by_iret", Mode::Protected32, kTasks);
    guest.write<uint16_t>(layout::kTss, layout::kOtherTss);
    guest.expect_end({{Gpr::RSI, layout::kOtherTss}, {Gpr::RDI, guest.symbol("iret")}});
}

CONFORMANCE_CASE(System, TaskGateForAFault) {
    guest.start("task_gate_for_a_fault", Mode::Protected32, kTasks);
    guest.write<uint64_t>(layout::kIdt + 6 * 8ul, uint64_t{layout::kOtherTss} << 16 | uint64_t{0x85} << 40);
    expect_task_switch(guest, x86::TaskSwitchSource::IDT_TASK_GATE, "fault", 0);
    guest.expect_equal("vectoring", guest.raw().idt_vectoring_information.raw,
                       x86::EventInfo::exception(x86::Vector::UD).raw);
    guest.expect_equal("RF", guest.rflags() & x86::rflags::RF, x86::rflags::RF);
}

CONFORMANCE_CASE(System, TaskGateToABusyTask) {
    guest.start("task_gate_for_a_fault", Mode::Protected32, kTasks);
    guest.write<uint64_t>(layout::kIdt + 6 * 8ul, uint64_t{layout::kOtherTss} << 16 | uint64_t{0x85} << 40);
    guest.write<uint8_t>(kOtherDescriptor + 5, 0x8b);
    guest.expect_end(
        {{Gpr::RSI, layout::kOtherTss | x86::selector_error::EXT}, {Gpr::RDI, guest.symbol("fault")}});
}

// ------------------------------------------------------------------------------- what goes with an exit

CONFORMANCE_CASE(System, EptViolationsSaveTheResumeFlag) {
    guest.start("ept_write", Mode::Long,
                "SDM Vol. 3C \"Saving RIP, RSP, RFLAGS, and SSP\" (28.3.3): an EPT violation outside event "
                "delivery saves RF as 1.");
    guest.map_as(0x21000, x86::ept::READ | x86::ept::EXECUTE);
    (void)guest.run();
    guest.expect_equal("reason", guest.raw().exit_reason.raw,
                       static_cast<uint64_t>(ExitReason::EPT_VIOLATION));
    guest.expect_equal("RF", guest.rflags() & x86::rflags::RF, x86::rflags::RF);
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end();
    guest.expect_equal("RF", guest.rflags() & x86::rflags::RF, 0);
}

CONFORMANCE_CASE(System, AnEmulatedInstructionEndsItsShadow) {
    guest.start("shadow_of_an_emulated_instruction", Mode::Long,
                "SDM Vol. 3C table 25-3: blocking by STI lasts for one instruction. When the hypervisor has "
                "carried that out, the instruction after it is not blocked.");
    guest.expect_handled(ExitReason::CPUID);
    guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_STI);
    guest.interrupt_host_after(1, 0x41);
    guest.expect(VmExit::ExternalInterrupt{0x41});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("after"));
    guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, 0);
    guest.expect_end();
}

}  // namespace
}  // namespace vtless::conformance
