// SPDX-License-Identifier: MIT
// Port I/O: widths, directions, strings, permission.
#include "isa/x86/ept.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::IoQualification;
constexpr auto kByte = AccessWidth::Byte;
constexpr auto kWord = AccessWidth::Word;
constexpr auto kDword = AccessWidth::Dword;

CONFORMANCE_SUITE(Io);

void expect_qualification(Guest& guest, const IoQualification& wanted) {
    if (guest.sees_vmcs())
        guest.expect_equal("qualification", guest.raw().exit_qualification, wanted.encode());
}

CONFORMANCE_CASE(Io, OutInEveryWidth) {
    guest.start("out_every_width", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): OUT does if the "
                "bitmap says "
                "so. Table 28-5: size, direction, immediate or DX, port.");
    guest.expect_out(0x10, kByte, 0x44);
    expect_qualification(guest, {1, false, false, false, true, 0x10});
    guest.expect_out(0x11, kWord, 0x3344);
    guest.expect_out(0x12, kDword, 0x11223344);
    guest.expect_out(0x1234, kByte, 0x44);
    guest.expect_out(0x1234, kWord, 0x3344);
    expect_qualification(guest, {2, false, false, false, false, 0x1234});
    if (guest.sees_vmcs()) guest.expect_equal("length", guest.raw().instruction_length, 2);
    guest.expect_out(0x1234, kDword, 0x11223344);
    guest.expect_end();
}

CONFORMANCE_CASE(Io, InInEveryWidth) {
    guest.start(
        "in_every_width", Mode::Long,
        "SDM Vol. 2A \"IN\": AL, AX or EAX is loaded; Vol. 1 \"General-Purpose Registers in 64-Bit Mode\" "
        "(3.4.1.1): 8- and 16-bit results keep the rest, 32-bit results clear the upper half.");
    for (const uint16_t port : {uint16_t{0x20}, uint16_t{0x1234}}) {
        const auto next = [port](int step) {
            return static_cast<uint16_t>(port == 0x20 ? port + step : port);
        };
        guest.expect_in(next(0), kByte, 0xaabbccdd);
        guest.expect_in(next(1), kWord, 0xaabbccdd);
        guest.expect_in(next(2), kDword, 0xaabbccdd);
        expect_qualification(guest, {4, true, false, false, port == 0x20, next(2)});
    }
    guest.expect_end({{Gpr::RBX, 0xffffffffffffffdd},
                      {Gpr::RCX, 0xffffffffffffccdd},
                      {Gpr::RSI, 0xaabbccdd},
                      {Gpr::RDI, 0xffffffffffffffdd},
                      {Gpr::RBP, 0xffffffffffffccdd},
                      {Gpr::RAX, 0xaabbccdd}});
}

CONFORMANCE_CASE(Io, InRealMode) {
    guest.start("io_in_real_mode", Mode::Real,
                "SDM Vol. 2B \"OUTS\": the source is DS:SI or, with a prefix, another segment, whose base in "
                "real mode is "
                "the selector times 16; SI goes up and CX down by each element.");
    guest.write<uint16_t>(0x12350, 0xbb00);
    guest.expect_out(0x70, kByte, 0x5a);
    expect_qualification(guest, {1, false, true, true, false, 0x70});
    guest.expect_out(0x70, kByte, 0xbb);
    guest.expect_in(0x70, kWord, 0x4321);
    guest.expect_end({{Gpr::RSI, 0x12}, {Gpr::RCX, 0}, {Gpr::RAX, 0x4321}});
}

CONFORMANCE_CASE(Io, OutsAcrossPages) {
    guest.start(
        "outs_across_pages", Mode::Long,
        "SDM Vol. 2B \"OUTS\", \"REP\": one element an iteration until RCX is 0. Vol. 3C \"Basic VM-Exit "
        "Information\" (28.2.1): the guest-linear address of INS and OUTS is that of the element.");
    guest.write<uint32_t>(0x20fff, 0x44332211);
    guest.expect_out(0x300, kWord, 0x2211);
    if (guest.sees_vmcs()) guest.expect_equal("linear address", guest.raw().guest_linear_address, 0x20fff);
    guest.expect_out(0x300, kWord, 0x4433);
    guest.expect_end({{Gpr::RSI, 0x21003}, {Gpr::RCX, 0}});
}

CONFORMANCE_CASE(Io, InsAcrossPages) {
    guest.start("ins_across_pages", Mode::Long,
                "SDM Vol. 2A \"INS\", \"REP\": one element an iteration to ES:RDI until RCX is 0.");
    guest.expect_in(0x300, kWord, 0x2211);
    guest.expect_in(0x300, kWord, 0x4433);
    guest.expect_end({{Gpr::RDI, 0x21003}, {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20fff), 0x44332211);
}

CONFORMANCE_CASE(Io, InsBackwards) {
    guest.start("ins_backwards", Mode::Long, "SDM Vol. 2A \"INS\": with DF set RDI goes down by the size.");
    for (uint64_t value : {uint64_t{1}, uint64_t{2}, uint64_t{3}}) guest.expect_in(0x300, kByte, value);
    guest.expect_end({{Gpr::RDI, 0x20002}, {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20002), 0x01020300);
}

CONFORMANCE_CASE(Io, InsWith32BitAddresses) {
    guest.start("ins_with_32_bit_addresses", Mode::Long,
                "SDM Vol. 2A \"INS\", \"REP\": with a 32-bit address size EDI and ECX are used, and written "
                "as 32-bit "
                "registers are: the upper halves become 0.");
    guest.expect_in(0x300, kDword, 0x12345678);
    guest.expect_end({{Gpr::RDI, 0x20004}, {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20000), 0x12345678);
}

CONFORMANCE_CASE(Io, InsFaultsBeforeThePortIsRead) {
    guest.start(
        "ins_faults", Mode::Long,
        "SDM Vol. 3C \"Relative Priority of Faults and VM Exits\" (26.1.1): only faults of privilege and I/O "
        "permission precede the I/O exit. Vol. 2A \"INS\": #PF is a fault, so nothing has been read when it "
        "comes.");
    guest.expect_handled(ExitReason::IO_INSTRUCTION);
    guest.expect_end(
        {{Gpr::RSI, 2}, {Gpr::RAX, 0x21000}, {Gpr::RBX, guest.symbol("insl")}, {Gpr::RDI, 0x20ffe}});
}

CONFORMANCE_CASE(Io, OutsIn32BitMode) {
    guest.start(
        "outs_in_32_bit_mode", Mode::Protected32,
        "SDM Vol. 2B \"OUTS\", \"REP\": DS:ESI, or another segment with a prefix; ESI goes up by the size.");
    guest.state().segment(x86::SegmentRegister::FS).base = 0x1000;
    guest.write<uint64_t>(0x20ffe, 0x8877665544332211);
    guest.write<uint16_t>(0x21007, 0xaa99);
    guest.write<uint8_t>(0x22006, 0x5a);
    guest.expect_out(0x300, kDword, 0x44332211);
    guest.expect_out(0x300, kDword, 0x88776655);
    guest.expect_out(0x300, kByte, 0x5a);
    guest.expect_out(0x300, kWord, 0xaa99);
    guest.expect_end({{Gpr::RSI, 0x21009}, {Gpr::RCX, 0}});
}

CONFORMANCE_CASE(Io, InsIn32BitMode) {
    guest.start(
        "ins_in_32_bit_mode", Mode::Protected32,
        "SDM Vol. 2A \"INS\", \"REP\": one element an iteration to ES:EDI, which goes up by the size.");
    guest.expect_in(0x300, kDword, 0x44332211);
    guest.expect_in(0x300, kDword, 0x88776655);
    guest.expect_in(0x300, kByte, 0x99);
    guest.expect_in(0x300, kWord, 0xbbaa);
    guest.expect_end({{Gpr::RDI, 0x21009}, {Gpr::RCX, 0}});
    guest.expect_equal("across the pages", guest.read<uint64_t>(0x20ffe), 0x8877665544332211);
    guest.expect_equal("behind", guest.read<uint32_t>(0x21006), 0xbbaa99);
}

constexpr const char* kWraps =
    "SDM Vol. 2A \"INS\", Vol. 2B \"OUTS\": with a 16-bit address size SI and DI are used, which go from "
    "FFFFH to 0.";

CONFORMANCE_CASE(Io, OutsWrapsInRealMode) {
    guest.start("outs_wraps_in_real_mode", Mode::Real, kWraps);
    guest.write<uint16_t>(0x2fffe, 0x2211);
    guest.write<uint16_t>(0x20000, 0x4433);
    guest.expect_out(0x300, kWord, 0x2211);
    guest.expect_out(0x300, kWord, 0x4433);
    guest.expect_end({{Gpr::RSI, 2}, {Gpr::RCX, 0}});
}

CONFORMANCE_CASE(Io, InsWrapsInRealMode) {
    guest.start("ins_wraps_in_real_mode", Mode::Real, kWraps);
    guest.expect_in(0x300, kByte, 0x11);
    guest.expect_in(0x300, kByte, 0x22);
    guest.expect_end({{Gpr::RDI, 1}, {Gpr::RCX, 0}});
    guest.expect_equal("before the end", guest.read<uint16_t>(0x2ffff), 0x11);
    guest.expect_equal("at the start", guest.read<uint16_t>(0x20000), 0x22);
}

constexpr const char* kMidway =
    "SDM Vol. 2B \"REP\": a fault leaves the registers as they were after the last complete iteration and "
    "RIP at "
    "the instruction, so that it goes on: no element is lost, none comes twice.";

CONFORMANCE_CASE(Io, InsFaultsMidway) {
    guest.start("ins_faults_midway", Mode::Long, kMidway);
    guest.expect_in(0x300, kByte, 0x11);
    guest.expect_in(0x300, kByte, 0x22);
    // Only faults of privilege and I/O permission precede the exit: the third one is announced, and #PF.
    guest.expect_handled(ExitReason::IO_INSTRUCTION);
    guest.expect_in(0x300, kByte, 0x33);
    guest.expect_in(0x300, kByte, 0x44);
    guest.expect_end({{Gpr::RSI, 2},
                      {Gpr::RBX, guest.symbol("rep")},
                      {Gpr::R8, 2},
                      {Gpr::R9, 0x21000},
                      {Gpr::RAX, 0x21000},
                      {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20ffe), 0x44332211);
}

CONFORMANCE_CASE(Io, OutsFaultsMidway) {
    guest.start("outs_faults_midway", Mode::Long, kMidway);
    guest.write<uint32_t>(0x20ffe, 0x44332211);
    guest.expect_out(0x300, kByte, 0x11);
    guest.expect_out(0x300, kByte, 0x22);
    guest.expect_handled(ExitReason::IO_INSTRUCTION);
    guest.expect_out(0x300, kByte, 0x33);
    guest.expect_out(0x300, kByte, 0x44);
    guest.expect_end({{Gpr::RDI, 0},
                      {Gpr::RBX, guest.symbol("rep")},
                      {Gpr::R8, 2},
                      {Gpr::R9, 0x21000},
                      {Gpr::RAX, 0x21000},
                      {Gpr::RCX, 0}});
}

constexpr const char* kEptFault =
    "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): the I/O exit comes before the "
    "memory "
    "is touched; what EPT does not allow is left to the caller as for any access, and the element comes "
    "once.";

CONFORMANCE_CASE(Io, OutsFromAPageThatEptDoesNotMap) {
    guest.start("outs_across_pages", Mode::Long, kEptFault);
    guest.write<uint32_t>(0x20fff, 0x44332211);
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21000, {true, false, false});
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_out(0x300, kWord, 0x2211);
    guest.expect_out(0x300, kWord, 0x4433);
    guest.expect_end({{Gpr::RSI, 0x21003}, {Gpr::RCX, 0}});
}

CONFORMANCE_CASE(Io, InsToAPageThatEptDoesNotLetWrite) {
    guest.start("ins_across_pages", Mode::Long, kEptFault);
    guest.map_as(0x21000, x86::ept::READ | x86::ept::EXECUTE);
    guest.expect_violation(0x21000, {false, true, false});
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_in(0x300, kWord, 0x2211);
    guest.expect_in(0x300, kWord, 0x4433);
    guest.expect_end({{Gpr::RDI, 0x21003}, {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20fff), 0x44332211);
}

CONFORMANCE_CASE(Io, PermissionDenied) {
    guest.start(
        "io_permission_denied", Mode::Long,
        "SDM Vol. 1 \"I/O Permission Bit Map\" (19.5.2): with CPL above IOPL a set bit gives #GP(0). Vol. 3C "
        "\"Relative Priority of Faults and VM Exits\" (26.1.1): this comes before the VM exit.",
        Ring::User);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("in")}});
}

CONFORMANCE_CASE(Io, PermissionAllowed) {
    guest.start("io_permission_allowed", Mode::Long,
                "SDM Vol. 1 \"I/O Permission Bit Map\" (19.5.2): a clear bit allows the access; the I/O exit "
                "follows.",
                Ring::User);
    guest.expect_out(layout::kEndPort, kByte, 0x77);
}

CONFORMANCE_CASE(Io, PermissionOfTwoPorts) {
    guest.start(
        "io_permission_of_two_ports", Mode::Long,
        "SDM Vol. 1 \"I/O Permission Bit Map\" (19.5.2): a word access needs the bits of both ports clear.",
        Ring::User);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("out")}});
}

CONFORMANCE_CASE(Io, PermissionBeyondBitmap) {
    guest.start("io_permission_beyond_bitmap", Mode::Long,
                "SDM Vol. 1 \"I/O Permission Bit Map\" (19.5.2): ports beyond the TSS limit are as if their "
                "bits were set.",
                Ring::User);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("out")}});
}

CONFORMANCE_CASE(Io, Iopl3) {
    guest.start("io_iopl_3", Mode::Long,
                "SDM Vol. 1 \"I/O Privilege Level\" (19.5.1): with CPL not above IOPL all ports may be used.",
                Ring::User);
    guest.state().rflags |= x86::rflags::IOPL;
    guest.expect_in(0x21, kByte, 0x42);
    guest.expect_end({{Gpr::RAX, 0x42}});
}

CONFORMANCE_CASE(Io, PermissionInV86) {
    guest.start("io_permission_in_v86", Mode::V86,
                "SDM Vol. 1 \"I/O Permission Bit Map\" (19.5.2): in virtual-8086 mode the bitmap decides, "
                "whatever IOPL is.");
    guest.expect_out(layout::kEndPort, kByte, 0x77);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("in")}});
}

CONFORMANCE_CASE(Io, PassedPortsDoNotExit) {
    guest.start(
        "ports_passed", Mode::Long,
        "SDM Vol. 3C \"I/O-Bitmap Addresses\" (25.6.4): an access to a port whose bit is 0 does not exit.");
    guest.controls().passed_ports.push_back({0x10, 0x10});
    guest.expect_out(0x11, kByte, 0);
    guest.expect_end({{Gpr::RBX, 1}});
}

}  // namespace
}  // namespace vtless::conformance
