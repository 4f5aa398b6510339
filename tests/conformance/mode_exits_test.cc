// SPDX-License-Identifier: MIT
// The same exits in every mode.
#include "isa/x86/rflags.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;

CONFORMANCE_SUITE(ModeExits);

constexpr const char* kRule =
    "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2), \"Conditionally\" (26.1.3): "
    "no "
    "mode is an exception. Vol. 2A \"IN\", Vol. 2B \"RDMSR\": AL, or EDX:EAX, is loaded. Vol. 1 \"Operand "
    "Size "
    "and Address Size Attributes\" (3.6): 16-bit code reaches 32-bit registers with a prefix.";

void expect_exits(Guest& guest, const char* image, Mode mode) {
    guest.start(image, mode, kRule);
    guest.expect_out(0x10, AccessWidth::Dword, 0x1234);
    guest.expect_in(0x11, AccessWidth::Byte, 0x77);
    guest.expect(VmExit::SysRegRead{0x8b, 0});
    guest.good(guest.backend().complete_sysreg_read(0x1122334455667788));
    guest.expect(VmExit::SysRegWrite{0x8b, 0x1122334455667788});
    guest.expect(VmExit::Halt{});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("halted"));
    guest.expect_handled(ExitReason::CPUID);
    guest.expect_end({{Gpr::RBP, 0xffffff77}, {Gpr::RSI, 0x55667788}, {Gpr::RDI, 0x11223344}});
}

CONFORMANCE_CASE(ModeExits, Real) { expect_exits(guest, "exits_in_mode_16", Mode::Real); }
CONFORMANCE_CASE(ModeExits, Protected16) { expect_exits(guest, "exits_in_mode_16", Mode::Protected16); }
CONFORMANCE_CASE(ModeExits, Protected32) { expect_exits(guest, "exits_in_mode_32", Mode::Protected32); }
CONFORMANCE_CASE(ModeExits, Paging32) { expect_exits(guest, "exits_in_mode_32", Mode::Paging32); }
CONFORMANCE_CASE(ModeExits, Pae) { expect_exits(guest, "exits_in_mode_32", Mode::Pae); }
CONFORMANCE_CASE(ModeExits, Compatibility) { expect_exits(guest, "exits_in_mode_32", Mode::Compat); }
CONFORMANCE_CASE(ModeExits, Long) { expect_exits(guest, "exits_in_mode_64", Mode::Long); }

void expect_hypercall(Guest& guest, const char* image, Mode mode) {
    guest.start(image, mode,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): VMCALL does, in "
                "every mode.");
    guest.needs(&Capabilities::all_hypercalls);
    guest.expect(VmExit::Hypercall{0x1111, {0x2222, 0x3333, 0x4444, 0x5555, 0, 0}});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("after"));
    guest.backend().set_return_value(0xabcdef);
    guest.expect_end({{Gpr::RAX, 0xabcdef}});
}

CONFORMANCE_CASE(ModeExits, VmcallInRealMode) { expect_hypercall(guest, "vmcall_16", Mode::Real); }
CONFORMANCE_CASE(ModeExits, VmcallInProtectedMode) {
    expect_hypercall(guest, "vmcall_32", Mode::Protected32);
}
CONFORMANCE_CASE(ModeExits, VmcallUnderPae) { expect_hypercall(guest, "vmcall_32", Mode::Pae); }
CONFORMANCE_CASE(ModeExits, VmcallInCompatibilityMode) { expect_hypercall(guest, "vmcall_32", Mode::Compat); }

}  // namespace
}  // namespace vtless::conformance
