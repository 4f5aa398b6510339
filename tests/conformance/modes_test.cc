// SPDX-License-Identifier: MIT
// Processor modes and the ways between them.
#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_controls.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::SegmentRegister;
using x86::VmcsField;

CONFORMANCE_SUITE(Modes);

CONFORMANCE_CASE(Modes, RealModeSegments) {
    guest.start("real_segments", Mode::Real,
                "SDM Vol. 3B \"Address Translation in Real-Address Mode\" (21.1.1): a segment's base is its "
                "selector times "
                "16, and sums above FFFFFH do not wrap; SP wraps within 64 KiB.");
    guest.expect_end({{Gpr::RSP, 0xfffe}});
    guest.expect_equal("DS:10", guest.read<uint16_t>(0x12350), 0xbeef);
    guest.expect_equal("FFFF:10", guest.read<uint16_t>(0x100000), 0x5aa5);
    guest.expect_equal("top of the stack", guest.read<uint16_t>(0x1fffe), 0x7777);
    guest.expect_equal("base of DS", guest.backend().segment_base(SegmentRegister::DS), 0x12340);
}

CONFORMANCE_CASE(Modes, RealModeLimit) {
    guest.start("real_mode_limit", Mode::Real,
                "SDM Vol. 3B \"Interrupt and Exception Handling\" (21.1.4), table 21-1: an offset beyond "
                "FFFFH is #GP, which "
                "pushes no error code in real mode.");
    guest.expect_end({{Gpr::RDI, guest.symbol("store")}, {Gpr::RBP, layout::kStack - 6}});
}

CONFORMANCE_CASE(Modes, BigRealMode) {
    guest.start("big_real", Mode::Real,
                "SDM Vol. 3A \"Switching Back to Real-Address Mode\" (10.9.2): segment registers keep the "
                "limit that they "
                "had in protected mode; Vol. 3B (21.1.1): a load in real mode changes selector and base.");
    guest.expect_end({{Gpr::RAX, 0}});
    guest.expect_equal("at base 0", guest.read<uint32_t>(0x1f0000), 0x12345678);
    guest.expect_equal("at base 10000H", guest.read<uint32_t>(0x200000), 0x9abcdef0);
}

CONFORMANCE_CASE(Modes, RealToLong) {
    guest.start("real_to_long", Mode::Real,
                "SDM Vol. 3A \"Initializing IA-32e Mode\" (10.8.5): PAE, CR3, LME, then PG makes LMA 1; the "
                "code is in "
                "compatibility mode until a far jump to a segment with L set. Vol. 3C \"VM-Entry Controls\" "
                "(28.3.1): the "
                "IA-32e-mode-guest control follows LMA.");
    guest.expect_handled(ExitReason::WRMSR);
    guest.expect_end({{Gpr::RBX, 0x123456789abcdef0}, {Gpr::RDI, 0x123456789abcdef0}, {Gpr::RSI, 0x500}});
    if (!guest.sees_vmcs()) return;
    const uint64_t controls = guest.field(VmcsField::VM_ENTRY_CONTROLS);
    guest.expect_equal("IA-32e mode guest", controls & x86::EntryControls::IA32E_MODE_GUEST,
                       x86::EntryControls::IA32E_MODE_GUEST);
}

CONFORMANCE_CASE(Modes, BackToRealMode) {
    guest.start("back_to_real", Mode::Protected16,
                "SDM Vol. 3A \"Switching Back to Real-Address Mode\" (10.9.2): 16-bit segments with limit "
                "FFFFH, clear PE, "
                "far jump, LIDT of a real-mode table.");
    guest.expect_end({{Gpr::RBX, 9}});
    guest.expect_equal("DS:20", guest.read<uint16_t>(0x12360), 0x4321);
}

CONFORMANCE_CASE(Modes, Protected16) {
    guest.start("protected_16", Mode::Protected16,
                "SDM Vol. 1 \"Operand Size and Address Size Attributes\" (3.6): D of the code segment gives "
                "the default, "
                "prefixes the other size.");
    guest.expect_end({{Gpr::RAX, 2}, {Gpr::RSI, 0}, {Gpr::RDI, 0x10000}});
}

CONFORMANCE_CASE(Modes, LargePageOf32BitPaging) {
    guest.start("paging_32_large_page", Mode::Paging32,
                "SDM Vol. 3A \"32-Bit Paging\" (4.3): with CR4.PSE a PDE with PS maps 4 MiB.");
    guest.expect_end({{Gpr::RAX, 0x11223344}, {Gpr::RBX, 0x55667788}});
}

CONFORMANCE_CASE(Modes, PaePdpteRegisters) {
    guest.start("pae_pdptes", Mode::Pae,
                "SDM Vol. 3A \"PDPTE Registers\" (4.4.1): MOV to CR3 loads the four PDPTEs, changes in "
                "memory have no effect "
                "before; a reserved bit in a present one is #GP(0).");
    guest.needs(guest.processor().quiet_cr3, "MOV to CR3 that does not exit");
    guest.expect_end({{Gpr::RCX, 1}, {Gpr::RSI, 0x40020000}, {Gpr::RDX, 0}, {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Modes, PaeNoExecute) {
    guest.start("pae_no_execute", Mode::Pae,
                "SDM Vol. 3A \"Page-Fault Exceptions\" (4.7): a fetch from a page with XD is #PF with I/D "
                "and P set.");
    guest.expect_end({{Gpr::RSI, 0x11}, {Gpr::RDI, 0x22000}, {Gpr::RDX, 0x22000}});
}

CONFORMANCE_CASE(Modes, CompatibilityMode) {
    guest.start("compatibility_mode", Mode::Long,
                "SDM Vol. 1 \"Modes of Operation\" (3.1): compatibility mode runs 32-bit code as it was: no "
                "REX prefixes, "
                "32-bit effective addresses that wrap.");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RCX, ~uint64_t{0}}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x21000), 0x31415926);
}

CONFORMANCE_CASE(Modes, CompatibilityModeSegments) {
    guest.start(
        "compatibility_segments", Mode::Long,
        "SDM Vol. 3A \"Segmentation in IA-32e Mode\" (3.2.4): in compatibility mode segmentation works as in "
        "protected mode: the base is added.");
    guest.expect_end();
    guest.expect_equal("memory", guest.read<uint32_t>(0x20008), 0x27182818);
}

CONFORMANCE_CASE(Modes, V86ByIret) {
    guest.start(
        "v86_by_iret", Mode::Paging32,
        "SDM Vol. 3B \"Entering Virtual-8086 Mode\" (21.2.5): IRET with VM set in the EFLAGS image at CPL 0; "
        "\"Software Interrupt Handling Methods\" (21.3.3): with IOPL 3 INT n uses the protected-mode IDT.");
    guest.expect_end({{Gpr::RBX, 0x3000},
                      {Gpr::RCX, 0x23002},
                      {Gpr::RDX, 0xff0},
                      {Gpr::RSI, 0x3000},
                      {Gpr::RDI, layout::kInnerStack - 36}});
    guest.expect_equal("DS:10", guest.read<uint16_t>(0x30010), 0xcafe);
}

void expect_v86_fault(Guest& guest) {
    guest.state().rflags &= ~x86::rflags::IOPL;
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("start")}});
}

CONFORMANCE_CASE(Modes, V86CliNeedsIopl3) {
    guest.start("v86_iopl", Mode::V86,
                "SDM Vol. 3B \"Sensitive Instructions\" (21.2.7): CLI with IOPL below 3 is #GP(0).");
    expect_v86_fault(guest);
}

CONFORMANCE_CASE(Modes, V86IntNNeedsIopl3) {
    guest.start("v86_int_n_iopl", Mode::V86,
                "SDM Vol. 3B \"Software Interrupt Handling Methods\" (21.3.3): with CR4.VME 0 and IOPL below "
                "3 INT n is "
                "#GP(0).");
    expect_v86_fault(guest);
}

CONFORMANCE_CASE(Modes, LocalDescriptorTable) {
    guest.start("local_descriptor_table", Mode::Protected32,
                "SDM Vol. 3A \"Segment Selectors\" (3.4.2), \"Local Descriptor Table\" (3.5.1): a selector "
                "with TI set indexes the "
                "LDT, whose own descriptor is in the GDT.");
    guest.expect_end({{Gpr::RBX, 0x78}});
    guest.expect_equal("FS:4", guest.read<uint32_t>(0x30004), 0x600df00d);
    guest.expect_equal("base of LDTR", guest.backend().segment_base(SegmentRegister::LDTR), 0x21000);
    guest.expect_equal("base of FS", guest.backend().segment_base(SegmentRegister::FS), 0x30000);
}

CONFORMANCE_CASE(Modes, UnusableLocalDescriptorTable) {
    guest.start(
        "unusable_ldt", Mode::Protected32,
        "SDM Vol. 2C \"LLDT\": with an invalid LDTR, LAR, LSL, VERR and VERW of a selector with TI set clear "
        "ZF, and segment loads raise #GP(selector), whatever base and limit it has.");
    guest.expect_end(
        {{Gpr::RBX, 0x77}, {Gpr::RCX, 0}, {Gpr::RDX, 0}, {Gpr::RSI, 0x0c}, {Gpr::RDI, guest.symbol("load")}});
}

constexpr uint64_t kCallGate = uint64_t{0xec} << 40;  // 32-bit (64-bit in IA-32e mode), DPL 3, present

CONFORMANCE_CASE(Modes, CallGate32) {
    guest.start("call_gate_32", Mode::Paging32,
                "SDM Vol. 3A \"Call Gates\" (5.8.3), \"Stack Switching\" (5.8.5): the inner stack gets SS, "
                "ESP, the parameters, CS "
                "and EIP; RET n drops the parameters from both.",
                Ring::User);
    guest.write<uint64_t>(layout::kGdt + 0x78, guest.symbol("entry") | uint64_t{layout::kCode32} << 16 |
                                                   uint64_t{2} << 32 | kCallGate);
    guest.expect_end({{Gpr::RBX, guest.symbol("after")},
                      {Gpr::RCX, layout::kUserCode32},
                      {Gpr::RDX, 0x22},
                      {Gpr::RSI, 0x11},
                      {Gpr::RDI, layout::kUserStack - 8},
                      {Gpr::RAX, layout::kCode32},
                      {Gpr::RSP, layout::kUserStack}});
}

CONFORMANCE_CASE(Modes, CallGate64) {
    guest.start("call_gate_64", Mode::Long,
                "SDM Vol. 3A \"IA-32e Mode Call Gates\" (5.8.3.1), \"Stack Switching in 64-Bit Mode\" "
                "(5.8.5.1): a 16-byte gate; "
                "SS, RSP, CS and RIP are pushed as 8 bytes each on the TSS's stack.",
                Ring::User);
    guest.write<uint64_t>(layout::kGdt + 0x78,
                          guest.symbol("entry") | uint64_t{layout::kCode64} << 16 | kCallGate);
    guest.write<uint64_t>(layout::kGdt + 0x80, 0);
    guest.expect_end({{Gpr::RBX, guest.symbol("after")},
                      {Gpr::RCX, layout::kUserCode64},
                      {Gpr::RDX, layout::kUserData},
                      {Gpr::RDI, layout::kUserStack},
                      {Gpr::RAX, layout::kCode64},
                      {Gpr::RSP, layout::kUserStack}});
}

}  // namespace
}  // namespace vtless::conformance
