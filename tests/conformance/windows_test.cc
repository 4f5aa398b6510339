// SPDX-License-Identifier: MIT
// When the guest takes interrupts and NMIs: what blocks them, what wakes a halted guest.
#include "isa/x86/ept.h"
#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::VmcsField;
constexpr auto kByte = AccessWidth::Byte;

CONFORMANCE_SUITE(Windows);

constexpr const char* kSti =
    "SDM Vol. 2B \"STI\": interrupts stay masked until after the next instruction. Vol. 3C "
    "\"Interrupt-Window "
    "Exiting\" (27.7.5): the exit comes before the instruction at which RFLAGS.IF is 1 and nothing blocks.";

void expect_window_after_sti(Guest& guest, const char* image, Mode mode) {
    guest.start(image, mode, kSti);
    guest.boot();
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("window");
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Windows, StiInRealMode) { expect_window_after_sti(guest, "sti_shadow_16", Mode::Real); }
CONFORMANCE_CASE(Windows, StiInProtectedMode) {
    expect_window_after_sti(guest, "sti_shadow_32", Mode::Protected32);
}
CONFORMANCE_CASE(Windows, StiUnderPae) { expect_window_after_sti(guest, "sti_shadow_32", Mode::Pae); }

CONFORMANCE_CASE(Windows, StiBeforeCliOpensNone) {
    guest.start(
        "sti_cli", Mode::Long,
        "SDM Vol. 2B \"STI\": an STI that a CLI follows lets no interrupt in. Vol. 3C \"Interrupt-Window "
        "Exiting\" (27.7.5).");
    guest.boot();
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("window");
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Windows, PopSs) {
    guest.start(
        "pop_ss_shadow", Mode::Protected32,
        "SDM Vol. 3A \"Masking Exceptions and Interrupts When Switching Stacks\" (6.8.3): POP SS blocks "
        "until after the next instruction. Vol. 3C \"Guest Non-Register State\" (25.4.2): a VM exit in "
        "between saves blocking by MOV SS. \"Interrupt-Window Exiting\" (27.7.5).");
    guest.state().rflags |= x86::rflags::IF;
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21000, {true, false, false});
    if (guest.sees_vmcs())
        guest.expect_field(VmcsField::GUEST_INTERRUPTIBILITY_STATE,
                           x86::interruptibility::BLOCKING_BY_MOV_SS);
    guest.map_as(0x21000, x86::ept::RWX);
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("window");
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, 0}});
}

CONFORMANCE_CASE(Windows, NmiWaitsBehindMovSs) {
    guest.start(
        "mov_ss_shadow", Mode::Long,
        "SDM Vol. 3C \"Guest Non-Register State\" (25.4.2): blocking by MOV SS keeps NMIs away, too, and VM "
        "entry does not inject one then (27.3.1.5). \"NMI-Window Exiting\" (27.7.6): the exit comes when "
        "nothing blocks.");
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21000, {true, false, false});
    guest.map_as(0x21000, x86::ept::RWX);
    guest.good(guest.backend().inject_nmi());
    guest.expect_window("window", ExitReason::NMI_WINDOW);
    guest.expect_end({{Gpr::RDI, guest.symbol("window")}, {Gpr::RBX, 0}});
}

CONFORMANCE_CASE(Windows, IretThatSetsIf) {
    guest.start(
        "interrupt_after_iret", Mode::Long,
        "SDM Vol. 3A \"Flag Usage By Exception- or Interrupt-Handler Procedure\" (6.12.1.3): an interrupt "
        "gate clears IF, IRET restores it. Vol. 3C \"Interrupt-Window Exiting\" (27.7.5).");
    guest.state().rflags |= x86::rflags::IF;
    guest.boot();
    guest.good(guest.backend().inject_interrupt(40));
    guest.expect_out(0x10, kByte, 0);
    guest.good(guest.backend().inject_interrupt(41));
    guest.expect_out(0x11, kByte, 0);
    guest.expect_window("start");
    guest.expect_end({{Gpr::RDI, guest.symbol("start")}, {Gpr::RSI, 0}, {Gpr::RCX, 1}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Windows, NmiDoesNotBlockInterrupts) {
    guest.start("interrupts_in_nmi_handler", Mode::Long,
                "SDM Vol. 3A \"Handling Multiple NMIs\" (6.7.1): an NMI blocks further NMIs; interrupts are "
                "masked by IF alone. Vol. 3C \"Interrupt-Window Exiting\" (27.7.5).");
    guest.boot();
    guest.good(guest.backend().inject_nmi());
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_window("in_handler");
    guest.expect_end({{Gpr::RDI, guest.symbol("in_handler")}, {Gpr::RCX, 3}, {Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Windows, InterruptWaitsForAHaltAfterSti) {
    guest.start(
        "sti_hlt", Mode::Long,
        "SDM Vol. 2B \"STI\": interrupts stay masked until after the next instruction, here HLT. Vol. 2A "
        "\"HLT\": an interrupt resumes execution behind it. Exits while IF is 0 deliver nothing.");
    guest.boot();
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_out(0x10, kByte, 0);
    guest.expect_out(0x11, kByte, 0);
    guest.expect(VmExit::Halt{});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("halted"));
    guest.expect_end({{Gpr::RDI, guest.symbol("halted")}, {Gpr::RSI, 1}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Windows, HaltedProcessorHasOne) {
    guest.start(
        "sti_hlt", Mode::Long,
        "SDM Vol. 3C \"Interrupt-Window Exiting\" (27.7.5): the exit comes from the HLT state, too, and "
        "wakes the processor; \"Saving Non-Register State\" (28.3.4) saves the HLT state.");
    guest.controls().hlt_exiting = false;
    guest.boot();
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_out(0x10, kByte, 0);
    guest.expect_out(0x11, kByte, 0);
    guest.expect_window("halted");
    guest.expect_end({{Gpr::RDI, guest.symbol("halted")}, {Gpr::RSI, 1}, {Gpr::RBX, 2}});
}

void expect_woken(Guest& guest, const char* image, Mode mode, const char* rule) {
    guest.start(image, mode, rule);
    guest.expect(VmExit::Halt{});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("halted"));
}
void expect_handler_behind_halt(Guest& guest) {
    guest.expect_end({{Gpr::RDI, guest.symbol("halted")}, {Gpr::RSI, 1}, {Gpr::RBX, 2}});
}

constexpr const char* kHlt =
    "SDM Vol. 2A \"HLT\": an enabled interrupt or an NMI resumes execution; the saved instruction pointer is "
    "that "
    "of the instruction behind HLT. Vol. 3A \"Nonmaskable Interrupt\" (6.7): IF does not mask it.";

CONFORMANCE_CASE(Windows, NmiWakesAHaltedGuest) {
    expect_woken(guest, "hlt_wakes_by_nmi", Mode::Long, kHlt);
    guest.good(guest.backend().inject_nmi());
    expect_handler_behind_halt(guest);
}

CONFORMANCE_CASE(Windows, NmiWakesAHaltedGuestInRealMode) {
    expect_woken(guest, "nmi_in_real_mode", Mode::Real, kHlt);
    guest.good(guest.backend().inject_nmi());
    expect_handler_behind_halt(guest);
}

CONFORMANCE_CASE(Windows, InterruptWakesAHaltedGuestInRealMode) {
    expect_woken(guest, "hlt_in_real_mode", Mode::Real, kHlt);
    guest.good(guest.backend().inject_interrupt(32));
    expect_handler_behind_halt(guest);
}

CONFORMANCE_CASE(Windows, HaltThatIsCutShort) {
    expect_woken(
        guest, "hlt_wakes_by_nmi", Mode::Long,
        "The backend's Halt leaves RIP behind HLT: a guest that is run again without an event goes on, as "
        "after an event without a handler.");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Windows, HltAtCpl3) {
    guest.start(
        "hlt_at_cpl3", Mode::Long,
        "SDM Vol. 2A \"HLT\": #GP(0) if CPL is not 0. Vol. 3C \"Relative Priority of Faults and VM Exits\" "
        "(26.1.1): before the VM exit.",
        Ring::User);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("hlt")}});
}

}  // namespace
}  // namespace vtless::conformance
