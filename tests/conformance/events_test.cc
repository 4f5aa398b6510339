// SPDX-License-Identifier: MIT
// Events: raised by instructions, injected, intercepted, interrupted in their delivery.
#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/event_info.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_controls.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::ExitReason;
using x86::Gpr;
using x86::Vector;
using x86::VmcsField;

CONFORMANCE_SUITE(Events);

constexpr uint8_t kVector = 64;
constexpr uint64_t kFlags = x86::rflags::IF | x86::rflags::kFixed1;

// Starts with RFLAGS.IF set and an interrupt that the first VM entry injects.
void start_interrupted(Guest& guest, const char* name, Mode mode, const char* rule,
                       Ring ring = Ring::Kernel) {
    guest.start(name, mode, rule, ring);
    guest.state().rflags |= x86::rflags::IF;
}
void interrupt(Guest& guest) {
    guest.boot();
    guest.good(guest.backend().inject_interrupt(kVector));
}

constexpr const char* kInt64 =
    "SDM Vol. 3A \"64-Bit Mode Stack Frame\" (6.14.2): SS and RSP are pushed always, RSP is aligned to 16 "
    "bytes first, "
    "each push has 8 bytes. \"Exception- or Interrupt-Handler Procedures\" (6.12.1): traps save the address "
    "of the next "
    "instruction.";

CONFORMANCE_CASE(Events, IntN) {
    guest.start("int_n", Mode::Long, kInt64);
    guest.expect_end({{Gpr::RDI, guest.symbol("after")},
                      {Gpr::RBX, layout::kCode64},
                      {Gpr::RBP, layout::kStack},
                      {Gpr::RDX, guest.symbol("after_bp")}});
}

CONFORMANCE_CASE(Events, IntN32) {
    guest.start("int_n_32", Mode::Protected32,
                "SDM Vol. 3A \"Exception- or Interrupt-Handler Procedures\" (6.12.1): without a stack switch "
                "EFLAGS, CS and "
                "EIP are pushed; INT n, INT3 and INTO are traps.");
    guest.expect_end({{Gpr::RDI, guest.symbol("after")},
                      {Gpr::RBX, layout::kCode32},
                      {Gpr::RDX, guest.symbol("after_bp")},
                      {Gpr::RCX, guest.symbol("after_of")},
                      {Gpr::RSI, layout::kStack - 12}});
}

CONFORMANCE_CASE(Events, IntNInRealMode) {
    guest.start("int_n_in_real_mode", Mode::Real,
                "SDM Vol. 3B \"Interrupt and Exception Handling\" (21.1.4): in real mode FLAGS, CS and IP "
                "are pushed and "
                "CS:IP is read from the interrupt table at 4 times the vector.");
    guest.expect_end(
        {{Gpr::RDI, guest.symbol("after")}, {Gpr::RBX, 0}, {Gpr::RDX, guest.symbol("after_bp")}});
}

CONFORMANCE_CASE(Events, IntNChecksTheGatesPrivilege) {
    guest.start(
        "int_n_gate_privilege", Mode::Long,
        "SDM Vol. 3A \"Protection of Exception- and Interrupt-Handler Procedures\" (6.12.1.1): INT n with "
        "CPL "
        "above the gate's DPL is #GP; \"Error Code\" (6.13): index of the gate, IDT bit, and EXT clear.",
        Ring::User);
    guest.expect_end({{Gpr::RSI, 0x30 * 8 + 2}, {Gpr::RDI, guest.symbol("int")}});
}

CONFORMANCE_CASE(Events, IntNFromCpl3) {
    guest.start("int_n_from_cpl3", Mode::Long,
                "SDM Vol. 3A \"Stack Switching in IA-32e Mode\" (6.14.4): a change of CPL loads RSP from the "
                "TSS; IRETQ "
                "returns to the outer stack.",
                Ring::User);
    guest.expect_end({{Gpr::RDI, guest.symbol("after")},
                      {Gpr::RBX, layout::kUserCode64},
                      {Gpr::RBP, layout::kUserStack},
                      {Gpr::RCX, layout::kUserData},
                      {Gpr::RSI, layout::kInnerStack - 40},
                      {Gpr::RDX, guest.symbol("after_bp")},
                      {Gpr::RSP, layout::kUserStack}});
}

CONFORMANCE_CASE(Events, IntNFromCpl3In32Bit) {
    guest.start("int_n_from_cpl3_32", Mode::Paging32,
                "SDM Vol. 3A \"Exception- or Interrupt-Handler Procedures\" (6.12.1): a change of CPL loads "
                "SS:ESP from the "
                "TSS and pushes the outer SS, ESP, EFLAGS, CS and EIP.",
                Ring::User);
    guest.expect_end({{Gpr::RDI, guest.symbol("after")},
                      {Gpr::RBX, layout::kUserCode32},
                      {Gpr::RBP, layout::kUserStack},
                      {Gpr::RCX, layout::kUserData},
                      {Gpr::RSI, layout::kInnerStack - 20},
                      {Gpr::RSP, layout::kUserStack}});
}

CONFORMANCE_CASE(Events, UndefinedAndDivideError) {
    guest.start("undefined_and_divide", Mode::Long,
                "SDM Vol. 3A \"Exception and Interrupt Reference\" (6.15): #UD and #DE are faults without "
                "error code; DIV "
                "raises #DE for a divisor of 0 and for a quotient that is too large.");
    guest.expect_end(
        {{Gpr::RSI, guest.symbol("ud")}, {Gpr::RDI, guest.symbol("too_large") + 4}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Events, GeneralProtection) {
    guest.start("general_protection", Mode::Long,
                "SDM Vol. 1 \"Canonical Addressing\" (3.3.7.1): an access to a non-canonical address is "
                "#GP(0). Vol. 3B "
                "\"Instruction-Breakpoint Exception Condition\" (18.3.1.1): RF is set in the RFLAGS that a "
                "fault saves.");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("load")}, {Gpr::RDX, 1}});
}

CONFORMANCE_CASE(Events, StackFault) {
    guest.start("stack_fault", Mode::Long,
                "SDM Vol. 1 \"Canonical Addressing\" (3.3.7.1): a non-canonical stack reference, RBP as base "
                "included, is "
                "#SS(0).");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("load")}});
}

CONFORMANCE_CASE(Events, SegmentNotPresent) {
    guest.start("not_present_segment", Mode::Protected32,
                "SDM Vol. 3A \"Interrupt 11-Segment Not Present\" (6.15): loading FS with a segment whose P "
                "is 0; the error "
                "code is its selector.");
    guest.expect_end({{Gpr::RSI, 0x78}, {Gpr::RDI, guest.symbol("load")}});
}

CONFORMANCE_CASE(Events, SegmentLimit) {
    guest.start("segment_limit", Mode::Protected32,
                "SDM Vol. 3A \"Limit Checking\" (5.3): an access with a byte beyond the limit is #GP(0).");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("load")}});
}

CONFORMANCE_CASE(Events, Interrupt64) {
    start_interrupted(guest, "interrupt_64", Mode::Long, kInt64);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kCode64},
                      {Gpr::RCX, kFlags},
                      {Gpr::RDX, layout::kStack},
                      {Gpr::RBP, layout::kData},
                      {Gpr::RSI, layout::kStack - 40},
                      {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Events, InterruptAtCpl3In64Bit) {
    start_interrupted(
        guest, "interrupt_user_64", Mode::Long,
        "SDM Vol. 3A \"Stack Switching in IA-32e Mode\" (6.14.4): RSP comes from the TSS, SS becomes NULL.",
        Ring::User);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kUserCode64},
                      {Gpr::RCX, kFlags},
                      {Gpr::RDX, layout::kUserStack},
                      {Gpr::RBP, layout::kUserData},
                      {Gpr::RSI, layout::kInnerStack - 40},
                      {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Events, InterruptWithIst) {
    start_interrupted(
        guest, "interrupt_ist", Mode::Long,
        "SDM Vol. 3A \"Interrupt Stack Table\" (6.14.5): a non-zero IST field loads RSP from the TSS "
        "whatever the CPL. \"Flag Usage By Exception- or Interrupt-Handler Procedure\" (6.12.1.3): a trap "
        "gate leaves IF alone.");
    interrupt(guest);
    guest.expect_end(
        {{Gpr::RDX, layout::kStack}, {Gpr::RSI, layout::kIst1 - 40}, {Gpr::RAX, x86::rflags::IF}});
}

CONFORMANCE_CASE(Events, InterruptOnUnalignedStack) {
    start_interrupted(guest, "interrupt_unaligned_stack", Mode::Long, kInt64);
    guest.state().gprs[static_cast<unsigned>(Gpr::RSP)] = layout::kStack + 3;
    interrupt(guest);
    guest.expect_end({{Gpr::RDX, layout::kStack + 3}, {Gpr::RSI, layout::kStack - 40}});
}

constexpr const char* kInt32 =
    "SDM Vol. 3A \"Exception- or Interrupt-Handler Procedures\" (6.12.1): EFLAGS, CS and EIP are pushed, "
    "after SS and ESP "
    "when CPL changes; (6.12.1.3): an interrupt gate clears IF.";

CONFORMANCE_CASE(Events, Interrupt32) {
    start_interrupted(guest, "interrupt_32", Mode::Protected32, kInt32);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kCode32},
                      {Gpr::RCX, kFlags},
                      {Gpr::RSI, layout::kStack - 12},
                      {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Events, InterruptUnderPae) {
    start_interrupted(guest, "interrupt_32", Mode::Pae, kInt32);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RSI, layout::kStack - 12}});
}

CONFORMANCE_CASE(Events, InterruptAtCpl3In32Bit) {
    start_interrupted(guest, "interrupt_user_32", Mode::Paging32, kInt32, Ring::User);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kUserCode32},
                      {Gpr::RCX, kFlags},
                      {Gpr::RDX, layout::kUserStack},
                      {Gpr::RBP, layout::kUserData},
                      {Gpr::RSI, layout::kInnerStack - 20},
                      {Gpr::RAX, layout::kData}});
}

CONFORMANCE_CASE(Events, Interrupt16) {
    start_interrupted(guest, "interrupt_16", Mode::Protected16,
                      "SDM Vol. 3A \"IDT Descriptors\" (6.11), Vol. 2A \"INT n\": through a 16-bit gate "
                      "FLAGS, CS and IP are "
                      "pushed as words.");
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kCode16},
                      {Gpr::RCX, kFlags},
                      {Gpr::RSI, layout::kStack - 6}});
}

CONFORMANCE_CASE(Events, InterruptThrough16BitGateFrom32BitCode) {
    start_interrupted(
        guest, "interrupt_16_gate_from_32", Mode::Protected32,
        "SDM Vol. 2A \"INT n\": the gate's size, not the code's, decides the size of what is pushed.");
    interrupt(guest);
    guest.expect_end(
        {{Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, layout::kCode32}, {Gpr::RSI, layout::kStack - 6}});
}

CONFORMANCE_CASE(Events, InterruptInRealMode) {
    start_interrupted(guest, "interrupt_real", Mode::Real,
                      "SDM Vol. 3B \"Interrupt and Exception Handling\" (21.1.4): FLAGS, CS and IP are "
                      "pushed, IF is cleared.");
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, 0},
                      {Gpr::RCX, kFlags},
                      {Gpr::RSI, layout::kStack - 6},
                      {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Events, InterruptInV86) {
    start_interrupted(
        guest, "interrupt_v86", Mode::V86,
        "SDM Vol. 3B \"Handling an Interrupt or Exception Through a Protected-Mode Trap or Interrupt Gate\" "
        "(21.3.1.1): GS, FS, DS, ES, SS, ESP, EFLAGS, CS and EIP are pushed on the inner stack; the data "
        "segment registers become NULL.");
    guest.state().segment(x86::SegmentRegister::GS) = {0x123, 0x1230, 0xffff, {0xf3}};
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, 0},
                      {Gpr::RCX, kFlags | x86::rflags::VM | x86::rflags::IOPL},
                      {Gpr::RDX, layout::kStack},
                      {Gpr::RBP, 0x123},
                      {Gpr::RSI, layout::kInnerStack - 36},
                      {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Events, InterruptInCompatibilityMode) {
    start_interrupted(guest, "interrupt_compat", Mode::Compat, kInt64);
    interrupt(guest);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")},
                      {Gpr::RBX, layout::kCode32},
                      {Gpr::RDX, layout::kStack},
                      {Gpr::RSI, layout::kStack - 40},
                      {Gpr::RAX, layout::kCode64}});
}

constexpr const char* kInjected =
    "SDM Vol. 3C \"Vectored-Event Injection\" (27.6.1): the event is delivered as if it had occurred after "
    "VM entry; the "
    "error code of VM-entry exception error code is pushed; injected exceptions ignore RFLAGS.IF.";

CONFORMANCE_CASE(Events, InjectedException64) {
    guest.start("exception_error_64", Mode::Long, kInjected);
    guest.boot();
    guest.good(guest.backend().inject_exception(Vector::GP, 0x1234));
    guest.expect_end(
        {{Gpr::RSI, 0x1234}, {Gpr::RDI, guest.symbol("start")}, {Gpr::RDX, layout::kStack - 48}});
}

CONFORMANCE_CASE(Events, InjectedPageFault) {
    guest.start("exception_error_64", Mode::Long,
                "SDM Vol. 3C \"Vectored-Event Injection\" (27.6.1): injecting #PF does not change CR2; the "
                "hypervisor loads "
                "it before VM entry.");
    guest.boot();
    guest.good(guest.backend().inject_page_fault(Gva(0xdead000), 7));
    guest.expect_end({{Gpr::RSI, 7}, {Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, 0xdead000}});
}

CONFORMANCE_CASE(Events, InjectedException32) {
    guest.start("exception_error_32", Mode::Protected32, kInjected);
    guest.boot();
    guest.good(guest.backend().inject_exception(Vector::GP, 0x1234));
    guest.expect_end(
        {{Gpr::RSI, 0x1234}, {Gpr::RDI, guest.symbol("start")}, {Gpr::RDX, layout::kStack - 16}});
}

CONFORMANCE_CASE(Events, InjectedException16) {
    guest.start("exception_error_16", Mode::Protected16, kInjected);
    guest.boot();
    guest.good(guest.backend().inject_exception(Vector::GP, 0x1234));
    guest.expect_end({{Gpr::RSI, 0x1234}, {Gpr::RDI, guest.symbol("start")}, {Gpr::RDX, layout::kStack - 8}});
}

CONFORMANCE_CASE(Events, InjectedExceptionInRealMode) {
    guest.start("exception_real", Mode::Real,
                "SDM Vol. 3C \"VM-Entry Control Fields\" (27.2.1.3): with CR0.PE 0 the deliver-error-code "
                "bit must be 0. "
                "Vol. 3B \"Interrupt and Exception Handling\" (21.1.4): no error code in real mode.");
    guest.boot();
    guest.good(guest.backend().inject_exception(Vector::GP, 0));
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, 0}, {Gpr::RDX, layout::kStack - 6}});
}

void expect_window(Guest& guest, uint64_t executed) {
    guest.boot();
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("window");
    if (guest.sees_vmcs()) guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, 0);
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, executed}});
}

CONFORMANCE_CASE(Events, WindowAfterSti) {
    guest.start("sti_shadow", Mode::Long,
                "SDM Vol. 2B \"STI\": interrupts stay masked until after the next instruction. Vol. 3C "
                "\"Interrupt-Window Exiting\" (27.7.5): the exit comes before the instruction at which "
                "RFLAGS.IF is 1 and "
                "nothing blocks.");
    expect_window(guest, 1);
}

CONFORMANCE_CASE(Events, WindowAfterMovSs) {
    guest.start("mov_ss_shadow", Mode::Long,
                "SDM Vol. 3A \"Masking Exceptions and Interrupts When Switching Stacks\" (6.8.3): MOV SS "
                "blocks until after "
                "the next instruction. Vol. 3C \"Guest Non-Register State\" (25.4.2): a VM exit in between "
                "saves blocking "
                "by MOV SS. \"Interrupt-Window Exiting\" (27.7.5).");
    guest.state().rflags |= x86::rflags::IF;
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21000, {true, false, false});
    guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_MOV_SS);
    guest.map_as(0x21000, x86::ept::RWX);
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("window");
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, 0}});
}

CONFORMANCE_CASE(Events, WindowAfterPopf) {
    guest.start("popf_window", Mode::Long,
                "SDM Vol. 2B \"POPF\" has no shadow. Vol. 3C \"Interrupt-Window Exiting\" (27.7.5): the exit "
                "comes at once.");
    expect_window(guest, 0);
}

CONFORMANCE_CASE(Events, NmiBlockingAndWindow) {
    guest.start("nmi", Mode::Long,
                "SDM Vol. 3A \"Handling Multiple NMIs\" (6.7.1): an NMI blocks further ones until the next "
                "IRET. Vol. 3C "
                "\"NMI-Window Exiting\" (27.7.6): the exit comes when there is no virtual-NMI blocking.");
    guest.boot();
    guest.good(guest.backend().inject_nmi());
    guest.expect_out(0x10, AccessWidth::Byte, 0);
    guest.expect_gprs({{Gpr::RCX, 1}, {Gpr::RDI, guest.symbol("start")}});
    if (guest.sees_vmcs())
        guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_NMI);
    guest.good(guest.backend().inject_nmi());
    if (guest.expect_handled(ExitReason::NMI_WINDOW))
        guest.expect_equal("RIP", guest.rip(), guest.symbol("start"));
    guest.expect_out(0x10, AccessWidth::Byte, 0);
    guest.expect_gprs({{Gpr::RCX, 2}});
    guest.expect_end({{Gpr::RBX, 1}});
}

constexpr const char* kVectoring =
    "SDM Vol. 3C \"Information for VM Exits That Occur During Event Delivery\" (28.2.4): an EPT violation in "
    "the delivery "
    "of an event records it; the guest is as it was before. \"Handling of VM Exits During Event Delivery\": "
    "injected "
    "again, it is delivered once.";

// The violation of a page by the delivery of an event, mended afterwards.
void expect_interrupted_delivery(Guest& guest, uint64_t page, AccessFlags how, uint32_t vectoring,
                                 const char* rip = "start") {
    guest.needs(&Capabilities::ept_violations);
    const VmExit exit = guest.run();
    const auto* fault = exit.get_if<VmExit::NestedPageFault>();
    guest.expect_equal("an EPT violation", fault != nullptr, true);
    guest.expect_equal("page", fault->addr.page().value(), page);
    guest.expect_equal("access", fault->access_flags == how, true);
    guest.expect_equal("vectoring", guest.raw().idt_vectoring_information.raw & ~EventInfo::kNmiUnblocking,
                       vectoring);
    const auto qualification = x86::EptViolationQualification::decode(guest.raw().exit_qualification);
    guest.expect_equal("linear address valid", qualification.gla_valid(), true);
    guest.expect_equal("final access", qualification.final_translation(), true);
    guest.expect_equal("RIP", guest.rip(), guest.symbol(rip));
    guest.map_as(page, x86::ept::RWX);
}

CONFORMANCE_CASE(Events, InterruptedByStackPage) {
    start_interrupted(guest, "vectoring", Mode::Long, kVectoring);
    guest.map_as(0xf000, x86::ept::READ);
    interrupt(guest);
    expect_interrupted_delivery(guest, 0xf000, {false, true, false},
                                EventInfo::external_interrupt(kVector).raw);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Events, InterruptedByIdtPage) {
    start_interrupted(guest, "vectoring", Mode::Long, kVectoring);
    guest.map_as(layout::kIdt, 0);
    interrupt(guest);
    expect_interrupted_delivery(guest, layout::kIdt, {true, false, false},
                                EventInfo::external_interrupt(kVector).raw);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Events, PageFaultInterruptedByStackPage) {
    guest.start("vectoring_page_fault", Mode::Long, kVectoring);
    guest.map_as(0xf000, x86::ept::READ);
    expect_interrupted_delivery(guest, 0xf000, {false, true, false}, EventInfo::exception(Vector::PF).raw);
    guest.expect_equal("error code", guest.raw().idt_vectoring_error_code, 0);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("load")}, {Gpr::RDX, 0x400000}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Events, IntNInterruptedByStackPage) {
    guest.start("vectoring_int_n", Mode::Long, kVectoring);
    guest.map_as(0xf000, x86::ept::READ);
    expect_interrupted_delivery(guest, 0xf000, {false, true, false},
                                EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x30).raw, "int");
    guest.expect_equal("length", guest.raw().instruction_length, 2);
    guest.expect_end({{Gpr::RDI, guest.symbol("after")}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Events, ExceptionBitmap) {
    guest.start("intercepted", Mode::Long,
                "SDM Vol. 3C \"Exception Bitmap\" (25.6.3): a 1 makes the exception a VM exit. (28.2.2): "
                "type 3 for #UD, 6 "
                "for #BP by INT3, whose length is recorded; (28.3.3): RIP is that of the instruction.");
    guest.controls().exception_bitmap = 1u << 6 | 1u << 3;
    guest.expect_handled(ExitReason::EXCEPTION_OR_NMI);
    guest.expect_equal("#UD", guest.raw().interruption_information.raw, EventInfo::exception(Vector::UD).raw);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("ud"));
    guest.expect_handled(ExitReason::EXCEPTION_OR_NMI);
    guest.expect_equal("#BP", guest.raw().interruption_information.raw,
                       EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3).raw);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("int3"));
    guest.expect_equal("length", guest.raw().instruction_length, 1);
    guest.expect_end({{Gpr::RSI, guest.symbol("ud")}, {Gpr::RDI, guest.symbol("after_bp")}});
}

CONFORMANCE_CASE(Events, PageFaultMaskAndMatch) {
    guest.start("intercepted_page_faults", Mode::Long,
                "SDM Vol. 3C \"Exception Bitmap\" (25.6.3): with bit 14 set #PF exits only if its error code "
                "AND the mask "
                "equals the match. (28.2.1): the qualification is the linear address.");
    guest.controls().exception_bitmap = 1u << 14;
    guest.boot();
    guest.write<uint64_t>(layout::kPageTable + 8 * 0x30ul, 0x30001);
    guest.set_field(VmcsField::PAGE_FAULT_ERROR_CODE_MASK, 1);
    guest.set_field(VmcsField::PAGE_FAULT_ERROR_CODE_MATCH, 1);
    guest.expect_handled(ExitReason::EXCEPTION_OR_NMI);
    guest.expect_equal("error code", guest.raw().interruption_error_code, 3);
    guest.expect_equal("qualification", guest.raw().exit_qualification, 0x30000);
    guest.expect_end({{Gpr::RSI, 3}, {Gpr::RBX, 2}, {Gpr::RDI, 0x30000}});
}

CONFORMANCE_CASE(Events, DoubleFault) {
    guest.start("double_fault", Mode::Long,
                "SDM Vol. 3A \"Interrupt 8-Double Fault Exception\" (6.15), table 6-5: a contributory "
                "exception (#NP of the "
                "gate) while one (#DE) is delivered is #DF, with error code 0.");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("divide")}});
}

CONFORMANCE_CASE(Events, PageFaultWhileGpIsDelivered) {
    guest.start("page_fault_during_contributory", Mode::Long,
                "SDM Vol. 3A table 6-5: a page fault while a contributory exception is delivered is handled "
                "serially.");
    guest.expect_end({{Gpr::RSI, 2}, {Gpr::RDI, guest.symbol("load")}, {Gpr::RDX, 0x14}});
}

void expect_trap_at(Guest& guest, unsigned index, uint64_t rip) {
    guest.expect_equal("trap " + std::to_string(index), guest.read<uint64_t>(0x21000 + index * 8), rip);
}

CONFORMANCE_CASE(Events, SingleStep) {
    guest.start("single_step", Mode::Long,
                "SDM Vol. 3B \"Single-Step Exception Condition\" (18.3.1.4): with TF set when an instruction "
                "begins, #DB "
                "comes after it, and sets DR6.BS. Vol. 2B \"REP\": a trap comes after each iteration.");
    guest.expect_end({{Gpr::RBX, 10}, {Gpr::RSI, 0xffff4ff0}});
    const uint64_t second = guest.symbol("second");
    const uint64_t rep = guest.symbol("rep");
    const uint64_t traps[] = {second,  second + 5, rep,      rep,      rep + 2,
                              rep + 3, rep + 4,    rep + 10, rep + 11, guest.symbol("last")};
    for (unsigned i = 0; i < 10; ++i) expect_trap_at(guest, i, traps[i]);
}

CONFORMANCE_CASE(Events, Breakpoints) {
    guest.start(
        "breakpoints", Mode::Long,
        "SDM Vol. 3B \"Debug Exception (#DB)\" (18.3.1): an instruction breakpoint is a fault, and RF in "
        "the pushed RFLAGS lets IRET past it; a data breakpoint is a trap after the instruction, or "
        "after the iteration, that matched. DR6 says which.");
    guest.expect_end({{Gpr::RBX, 4}, {Gpr::RCX, 0}});
    const uint64_t rips[] = {guest.symbol("after_store"), guest.symbol("marked"),
                             guest.symbol("after_rep") - 2, guest.symbol("after_rep")};
    const uint64_t status[] = {0xffff0ff1, 0xffff0ff2, 0xffff0ff1, 0xffff0ff1};
    for (unsigned i = 0; i < 4; ++i) {
        expect_trap_at(guest, i, rips[i]);
        guest.expect_equal("DR6", guest.read<uint64_t>(0x21100 + i * 8), status[i]);
    }
}

CONFORMANCE_CASE(Events, SingleStepThroughExits) {
    guest.start("single_step_through_exits", Mode::Long,
                "SDM Vol. 3B \"Single-Step Exception Condition\" (18.3.1.4): INT n clears TF after saving "
                "it; after IRET the "
                "trap comes one instruction later. Vol. 3C \"Pending Debug Exceptions\" (25.4.2): an "
                "emulated instruction's "
                "trap is made pending.");
    guest.expect_handled(ExitReason::CPUID);
    guest.expect_out(0x10, AccessWidth::Byte, guest.symbol("after_cpuid") & 0xff);
    guest.expect_end({{Gpr::RBP, 3}, {Gpr::RSI, 0}});
    expect_trap_at(guest, 0, guest.symbol("after_cpuid"));
    expect_trap_at(guest, 1, guest.symbol("after_out"));
    expect_trap_at(guest, 2, guest.symbol("after_int") + 1);
}

CONFORMANCE_CASE(Events, SyscallAndSysret) {
    guest.start("syscall", Mode::Long,
                "SDM Vol. 2B \"SYSCALL\": RCX gets the next RIP, R11 RFLAGS, RFLAGS loses the bits of "
                "IA32_FMASK, CS and SS "
                "come from IA32_STAR[47:32]; RSP stays. \"SYSRET\": CS is IA32_STAR[63:48] + 16, SS + 8, "
                "with RPL 3.");
    guest.boot("kernel_start");
    guest.expect_end({{Gpr::RDI, guest.symbol("after")},
                      {Gpr::RSI, 0x47},
                      {Gpr::RBX, 0x46},
                      {Gpr::R8, layout::kCode64},
                      {Gpr::R9, layout::kData},
                      {Gpr::RDX, layout::kUserStack},
                      {Gpr::RBP, layout::kUserStack},
                      {Gpr::R13, layout::kUserCode64},
                      {Gpr::R14, layout::kUserData},
                      {Gpr::R15, 0x47}});
}

CONFORMANCE_CASE(Events, SyscallDisabled) {
    guest.start("syscall_disabled", Mode::Long, "SDM Vol. 2B \"SYSCALL\": #UD if IA32_EFER.SCE is 0.");
    guest.expect_handled(ExitReason::WRMSR);
    guest.expect_end({{Gpr::RDI, guest.symbol("syscall")}});
}

CONFORMANCE_CASE(Events, SysretToANonCanonicalAddress) {
    guest.start(
        "sysret_non_canonical", Mode::Long,
        "SDM Vol. 2B \"SYSRET\": with a 64-bit operand, #GP(0) if RCX is not canonical: at the instruction, "
        "before CPL is 3.");
    guest.expect_end({{Gpr::RDI, guest.symbol("sysret")}, {Gpr::RSI, 0}, {Gpr::RDX, layout::kCode64}});
}

CONFORMANCE_CASE(Events, SysenterAndSysexit64) {
    guest.start("sysenter_64", Mode::Long,
                "SDM Vol. 2B \"SYSENTER\": CS and SS come from IA32_SYSENTER_CS, RSP and RIP from their "
                "MSRs, IF is cleared. "
                "\"SYSEXIT\" with REX.W: CS + 32, SS + 40, RIP is RDX, RSP is RCX.");
    guest.boot("kernel_start");
    guest.expect_end({{Gpr::RDI, 0xffe0},
                      {Gpr::R8, layout::kCode64},
                      {Gpr::R9, layout::kData},
                      {Gpr::RBX, 0},
                      {Gpr::R13, layout::kUserCode64},
                      {Gpr::R14, 0x33},
                      {Gpr::RBP, layout::kUserStack - 64}});
}

CONFORMANCE_CASE(Events, SysenterAndSysexit32) {
    guest.start("sysenter_32", Mode::Paging32,
                "SDM Vol. 2B \"SYSENTER\", \"SYSEXIT\": outside IA-32e mode CS + 16 and SS + 24, EIP is EDX, "
                "ESP is ECX.");
    guest.boot("kernel_start");
    guest.expect_end({{Gpr::RDI, 0xffe0},
                      {Gpr::RBX, 0x70},
                      {Gpr::RAX, 0x78},
                      {Gpr::RDX, 0x83},
                      {Gpr::RSI, 0x8b},
                      {Gpr::RBP, layout::kUserStack - 64}});
}

CONFORMANCE_CASE(Events, ResumeFlag) {
    guest.start("resume_flag", Mode::Long,
                "SDM Vol. 3B \"Instruction-Breakpoint Exception Condition\" (18.3.1.1): the processor clears "
                "RF after the "
                "instruction that follows IRET. Vol. 3C \"Saving RIP, RSP, RFLAGS, and SSP\" (28.3.3): RF is "
                "saved as 0 by "
                "exits of instructions that exit by their nature or by a control.");
    guest.boot();
    const auto primary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(primary, guest.field(primary) | x86::PrimaryControls::INVLPG_EXITING);
    guest.expect_unhandled(ExitReason::INVLPG);
    guest.expect_equal("RF", guest.rflags() & x86::rflags::RF, 0);
    guest.set_field(VmcsField::GUEST_RIP, guest.symbol("after"));
    guest.expect_end({{Gpr::RSI, 2}});
}

CONFORMANCE_CASE(Events, DeviceNotAvailable) {
    guest.start("device_not_available", Mode::Long,
                "SDM Vol. 3A \"Interrupt 7-Device Not Available Exception\" (6.15): an x87 instruction with "
                "CR0.TS set; a fault.");
    guest.expect_end({{Gpr::RDI, guest.symbol("fpu")}});
}

CONFORMANCE_CASE(Events, AlignmentCheck) {
    guest.start("alignment_check", Mode::Long,
                "SDM Vol. 3A \"Interrupt 17-Alignment Check Exception\" (6.15): at CPL 3 with CR0.AM and "
                "RFLAGS.AC set a "
                "misaligned access is #AC(0).",
                Ring::User);
    guest.state().cr0 |= x86::cr0::AM;
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("load")}});
}

CONFORMANCE_CASE(Events, Order) {
    start_interrupted(
        guest, "interrupt_order", Mode::Long,
        "SDM Vol. 3C \"Vectored-Event Injection\" (27.6.1): one event an entry. (27.7.5, 27.7.6): a window "
        "opens "
        "after the injected event is delivered and before the next instruction. Vol. 3A \"Priority Among "
        "Concurrent Events\" (6.9): exceptions of the last instruction, NMI, interrupts; the APIC's highest "
        "vector "
        "first.");
    guest.boot();
    guest.good(guest.backend().inject_interrupt(40));
    guest.good(guest.backend().inject_interrupt(50));
    guest.good(guest.backend().inject_nmi());
    guest.good(guest.backend().inject_exception(Vector::UD, 0));
    if (guest.expect_handled(ExitReason::NMI_WINDOW))
        guest.expect_equal("RIP", guest.rip(), guest.symbol("vector_6"));
    guest.expect_window("start");
    guest.expect_window("start");
    guest.expect_end({{Gpr::RBX, 2 << 24 | 6 << 16 | 50 << 8 | 40}});
}

CONFORMANCE_CASE(Events, PopfAtCpl3) {
    start_interrupted(
        guest, "popf_at_cpl3", Mode::Long,
        "SDM Vol. 2B \"POPF\": with CPL above IOPL neither IF nor IOPL changes, and there is no exception.",
        Ring::User);
    guest.expect_end({{Gpr::RBX, 0x247}, {Gpr::RCX, 0x247}});
}

CONFORMANCE_CASE(Events, InterceptedExceptionInADelivery) {
    guest.start("intercepted_in_delivery", Mode::Long,
                "SDM Vol. 3C \"Information for VM Exits That Occur During Event Delivery\" (28.2.4): an "
                "exception that is "
                "intercepted while another is delivered records both. Vol. 3A table 6-5: #DE and #NP make "
                "#DF; (6.13): the "
                "error code has the gate's index, IDT and EXT.");
    guest.controls().exception_bitmap = 1u << 11;
    guest.expect_handled(ExitReason::EXCEPTION_OR_NMI);
    guest.expect_equal("#NP", guest.raw().interruption_information.raw, EventInfo::exception(Vector::NP).raw);
    guest.expect_equal("error code", guest.raw().interruption_error_code, 3);
    guest.expect_equal("#DE", guest.raw().idt_vectoring_information.raw & ~EventInfo::kNmiUnblocking,
                       EventInfo::exception(Vector::DE).raw);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("divide")}});
}

CONFORMANCE_CASE(Events, NmiInterruptedByStackPage) {
    guest.start("nmi_vectoring", Mode::Long, kVectoring);
    guest.map_as(0xf000, x86::ept::READ);
    guest.boot();
    guest.good(guest.backend().inject_nmi());
    expect_interrupted_delivery(guest, 0xf000, {false, true, false}, EventInfo::nmi().raw);
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RBX, 1}});
    guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE, x86::interruptibility::BLOCKING_BY_NMI);
}

}  // namespace
}  // namespace vtless::conformance
