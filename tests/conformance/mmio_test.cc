// SPDX-License-Identifier: MIT
// Device memory: EPT violations that the backend takes apart.
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
constexpr auto kByte = AccessWidth::Byte;
constexpr auto kWord = AccessWidth::Word;
constexpr auto kDword = AccessWidth::Dword;
constexpr auto kQword = AccessWidth::Qword;

CONFORMANCE_SUITE(Mmio);

constexpr const char* kRule =
    "SDM Vol. 3C \"EPT Violations\" (29.3.3.2): an access to an address that EPT does not map is a VM exit "
    "before the "
    "instruction has an effect; the backend carries it out as Vol. 2 says.";

void expect_write(Guest& guest, uint64_t offset, AccessWidth width, uint64_t data,
                  int line = __builtin_LINE()) {
    guest.expect(VmExit::MmioWrite{Gpa(layout::kDeviceBase + offset), width, data}, line);
}

void expect_read(Guest& guest, uint64_t offset, AccessWidth width, uint64_t answer,
                 int line = __builtin_LINE()) {
    const VmExit exit = guest.run(line);
    const auto* read = exit.get_if<VmExit::MmioRead>();
    guest.expect_equal("an MMIO read", read != nullptr, true, line);
    guest.expect_equal("address", read->addr.value(), layout::kDeviceBase + offset, line);
    guest.expect_equal("width", bytes(read->width), bytes(width), line);
    guest.good(guest.backend().complete_mmio_read(answer), line);
}

CONFORMANCE_CASE(Mmio, Stores) {
    guest.start("mmio_stores", Mode::Long, kRule);
    expect_write(guest, 0x00, kByte, 0x88);
    expect_write(guest, 0x01, kByte, 0x77);
    expect_write(guest, 0x04, kWord, 0x7788);
    expect_write(guest, 0x08, kDword, 0x55667788);
    expect_write(guest, 0x10, kQword, 0x1122334455667788);
    expect_write(guest, 0x20, kByte, 0x5a);
    expect_write(guest, 0x24, kWord, 0x1234);
    expect_write(guest, 0x28, kDword, 0x89abcdef);
    expect_write(guest, 0x30, kQword, 0xfffffffffffffffe);
    expect_write(guest, 0x38, kQword, 0xfedcba9876543210);
    guest.expect_end();
}

CONFORMANCE_CASE(Mmio, Loads) {
    guest.start("mmio_loads", Mode::Long, kRule);
    constexpr uint64_t kAnswer = 0xfedcba98'f6e5d4c3;
    expect_read(guest, 0x00, kByte, kAnswer);
    expect_read(guest, 0x04, kWord, kAnswer);
    expect_read(guest, 0x08, kDword, kAnswer);
    expect_read(guest, 0x10, kQword, kAnswer);
    expect_read(guest, 0x20, kByte, kAnswer);
    expect_read(guest, 0x21, kByte, kAnswer);
    expect_read(guest, 0x22, kWord, kAnswer);
    expect_read(guest, 0x24, kDword, kAnswer);
    guest.expect_gprs({{Gpr::RAX, 0xffffffffffffffc3}});
    expect_read(guest, 0x28, kByte, kAnswer);
    guest.expect_end({{Gpr::RAX, 0xffffffffffffc3ff},
                      {Gpr::RBX, 0xffffffffffffd4c3},
                      {Gpr::RCX, 0xf6e5d4c3},
                      {Gpr::RDX, kAnswer},
                      {Gpr::RSI, 0xc3},
                      {Gpr::R8, 0xffffffffffffffc3},
                      {Gpr::R9, 0xffffd4c3},
                      {Gpr::R10, 0xfffffffff6e5d4c3}});
}

CONFORMANCE_CASE(Mmio, Addressing) {
    guest.start("mmio_addressing", Mode::Long, kRule);
    guest.state().segment(x86::SegmentRegister::FS).base = 0x100;
    constexpr uint64_t kOffsets[] = {0x00, 0x10, 0x40,  0x100, 0x80, 0x250,
                                     0x60, 0x70, 0x180, 0x90,  0xa0, 0x00};
    for (uint64_t offset : kOffsets) expect_read(guest, offset, kByte, 1);
    guest.expect_end();
}

CONFORMANCE_CASE(Mmio, ReadModifyWrite) {
    guest.start("mmio_read_modify_write", Mode::Long, kRule);
    expect_read(guest, 0x00, kDword, 0x101);
    expect_write(guest, 0x00, kDword, 0x181);
    expect_read(guest, 0x04, kDword, 0x22);
    expect_write(guest, 0x04, kDword, 0x11);
    expect_read(guest, 0x08, kWord, 0xffff);
    expect_write(guest, 0x08, kWord, 0);
    expect_read(guest, 0x0c, kByte, 1);
    expect_write(guest, 0x0c, kByte, 0);
    expect_read(guest, 0x10, kDword, 4);
    expect_read(guest, 0x14, kQword, 0xfffffffffffffffe);
    // ADD 1 + FF: carry, parity, auxiliary carry, zero; CMP 4 with 5: carry, parity, auxiliary carry, sign.
    guest.expect_end(
        {{Gpr::RAX, 0x22}, {Gpr::RCX, 0xffff}, {Gpr::RBX, 0x55}, {Gpr::RDX, 0x95}, {Gpr::RSI, 6}});
}

CONFORMANCE_CASE(Mmio, Strings) {
    guest.start("mmio_strings", Mode::Long, kRule);
    expect_write(guest, 0x00, kDword, 0x11223344);
    expect_write(guest, 0x04, kDword, 0x11223344);
    expect_read(guest, 0x10, kWord, 0xa1a2);
    expect_read(guest, 0x12, kWord, 0xa3a4);
    expect_write(guest, 0x20, kDword, 0xa3a4a1a2);
    expect_read(guest, 0x30, kByte, 0x5a);
    guest.expect_end({{Gpr::RAX, 0x1122335a}, {Gpr::RSI, 0x10000031}, {Gpr::RDI, 0x10000024}, {Gpr::RCX, 0}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x20fff), 0xa3a4a1a2);
}

CONFORMANCE_CASE(Mmio, WhatIsNotTakenApartIsUnhandled) {
    guest.start("mmio_not_taken_apart", Mode::Long, kRule);
    guest.expect_unhandled(ExitReason::EPT_VIOLATION);
    guest.expect_equal("guest-physical address", guest.raw().guest_physical_address, layout::kDeviceBase);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("movups"));
}

CONFORMANCE_CASE(Mmio, AcrossPagesIsUnhandled) {
    guest.start("mmio_across_pages", Mode::Long, kRule);
    guest.expect_unhandled(ExitReason::EPT_VIOLATION);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("store"));
}

void expect_32_bit_accesses(Guest& guest) {
    expect_write(guest, 0x00, kDword, 0x55aa);
    expect_write(guest, 0x08, kWord, 0x55aa);
    expect_write(guest, 0x10, kByte, 0x55);
    expect_read(guest, 0x20, kWord, 0xbeef);
    expect_read(guest, 0x30, kByte, 0x77);
    expect_read(guest, 0x40, kDword, 0xffffffff);
    expect_write(guest, 0x40, kDword, 0);
    guest.expect_end({{Gpr::RCX, 0xbeef}, {Gpr::RAX, 0x5577}});
}

CONFORMANCE_CASE(Mmio, In32BitMode) {
    guest.start("mmio_32", Mode::Paging32, kRule);
    expect_32_bit_accesses(guest);
}

CONFORMANCE_CASE(Mmio, UnderPae) {
    guest.start("mmio_32", Mode::Pae, kRule);
    expect_32_bit_accesses(guest);
}

CONFORMANCE_CASE(Mmio, WithoutPaging) {
    guest.start("mmio_32", Mode::Protected32, kRule);
    expect_32_bit_accesses(guest);
}

CONFORMANCE_CASE(Mmio, InCompatibilityMode) {
    guest.start("mmio_32", Mode::Compat, kRule);
    expect_32_bit_accesses(guest);
}

CONFORMANCE_CASE(Mmio, InBigRealMode) {
    guest.start(
        "mmio_big_real", Mode::Real,
        "SDM Vol. 3A \"Switching Back to Real-Address Mode\" (10.9.2): segment registers keep the limit that "
        "they had in protected mode, so that 32-bit addresses reach the device.");
    expect_write(guest, 0, kDword, 0x11223344);
    expect_write(guest, 4, kWord, 0x3344);
    expect_read(guest, 8, kByte, 0x5a);
    expect_read(guest, 12, kDword, 0xff);
    expect_write(guest, 12, kDword, 0x100);
    guest.expect_end({{Gpr::RCX, 0x5a}});
}

CONFORMANCE_CASE(Mmio, InRealMode) {
    guest.start("mmio_16", Mode::Real, kRule);
    constexpr uint64_t kPage = 0x20000;
    guest.mmio().push_back({Gpa(kPage), 0x1000});
    guest.map_as(kPage, 0);
    const auto at = [](uint64_t offset) { return kPage + offset - layout::kDeviceBase; };
    expect_write(guest, at(0x120), kWord, 0x1234);
    expect_write(guest, at(0x110), kByte, 0x34);
    expect_read(guest, at(0x300), kWord, 0x5678);
    expect_read(guest, at(0x104), kWord, 0x9abc);
    guest.expect_end({{Gpr::RCX, 0x5678}, {Gpr::RDX, 0x9abc}});
}

}  // namespace
}  // namespace vtless::conformance
