// SPDX-License-Identifier: MIT
// Device memory: EPT violations that the backend takes apart.
#include <utility>

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

// A read-modify-write: `old` is there, `now` is written.
void expect_update(Guest& guest, uint64_t offset, AccessWidth width,
                   std::pair<uint64_t, uint64_t> old_and_now, int line = __builtin_LINE()) {
    expect_read(guest, offset, width, old_and_now.first, line);
    expect_write(guest, offset, width, old_and_now.second, line);
}

CONFORMANCE_CASE(Mmio, EveryOperation) {
    guest.start("mmio_alu", Mode::Long, kRule);
    expect_update(guest, 0x00, kDword, {0xfffffff8, 8});                          // ADD 10H
    expect_update(guest, 0x04, kWord, {0xffff, 1});                               // ADC 1 with carry
    expect_update(guest, 0x08, kByte, {1, 0xff});                                 // SBB 1 with carry
    expect_update(guest, 0x10, kQword, {0, ~uint64_t{0}});                        // SUB 1
    expect_update(guest, 0x18, kDword, {0x12345678, 0x5600});                     // AND
    expect_update(guest, 0x1c, kDword, {0xffff0000, 0xf0f00f0f});                 // XOR
    expect_update(guest, 0x20, kWord, {0x1234, 0xedcb});                          // NOT
    expect_update(guest, 0x24, kDword, {1, 0xffffffff});                          // NEG
    expect_update(guest, 0x28, kByte, {0xff, 0});                                 // INC
    expect_update(guest, 0x30, kQword, {uint64_t{1} << 32, 0xffffffff});          // DEC
    expect_update(guest, 0x38, kDword, {0, 8});                                   // BTS 3
    expect_update(guest, 0x3c, kWord, {0xffff, 0xffef});                          // BTR 4
    expect_update(guest, 0x40, kQword, {0x20, 0});                                // BTC 5
    expect_update(guest, 0x48, kDword, {0x44, 0x55});                             // CMPXCHG
    expect_update(guest, 0x50, kByte, {0x11, 0x99});                              // XCHG
    expect_update(guest, 0x58, kQword, {0x7fffffffffffffff, uint64_t{1} << 63});  // XADD
    expect_read(guest, 0x60, kDword, 0x80);                                       // TEST
    expect_read(guest, 0x64, kDword, 0x80);                                       // BT 7
    expect_read(guest, 0x68, kDword, 4);                                          // ADD
    expect_read(guest, 0x6c, kWord, 0xfff);                                       // SUB
    expect_read(guest, 0x6e, kByte, 1);                                           // CMP
    guest.expect_end({{Gpr::RBX, 0x101},
                      {Gpr::RAX, 0x44},
                      {Gpr::RDX, 0x11},
                      {Gpr::RSI, 0x7fffffffffffffff},
                      {Gpr::R8, 1},
                      {Gpr::R9, 1},
                      {Gpr::R10, 7},
                      {Gpr::R11, 1},
                      {Gpr::R12, 1}});
}

CONFORMANCE_CASE(Mmio, StringsInEveryWidth) {
    guest.start(
        "mmio_string_widths", Mode::Long,
        "SDM Vol. 2A \"LODS\", Vol. 2B \"MOVS\", \"REP\", \"SCAS\", \"STOS\": rSI and rDI go on by the "
        "element's size, down with DF; REPNE ends with ZF.");
    constexpr uint64_t kMemory = 0x0102030405060708;
    guest.write<uint64_t>(0x20000, kMemory);
    expect_write(guest, 0x00, kByte, 0x11);
    expect_write(guest, 0x01, kByte, 0x11);
    expect_write(guest, 0x02, kWord, 0x2211);
    expect_write(guest, 0x04, kWord, 0x2211);
    expect_write(guest, 0x06, kDword, 0x44332211);
    expect_write(guest, 0x10, kQword, 0x8877665544332211);
    expect_write(guest, 0x18, kQword, 0x8877665544332211);
    expect_write(guest, 0x20, kByte, 0x08);
    expect_write(guest, 0x28, kQword, kMemory);
    expect_read(guest, 0x30, kWord, 0xbeef);
    expect_read(guest, 0x38, kQword, 0x1122334455667788);
    expect_read(guest, 0x48, kQword, 1);
    expect_read(guest, 0x40, kQword, 0x99aabbccddeeff00);
    expect_read(guest, 0x50, kByte, 0);
    expect_read(guest, 0x51, kByte, 0x5a);
    guest.expect_end(
        {{Gpr::RBX, 0x99aabbccddeeff00}, {Gpr::RDX, 0x10000038}, {Gpr::RDI, 0x10000052}, {Gpr::RCX, 2}});
    guest.expect_equal("word", guest.read<uint64_t>(0x21000), 0xbeef);
    guest.expect_equal("quadword", guest.read<uint64_t>(0x21008), 0x1122334455667788);
}

constexpr const char* kForms =
    "SDM Vol. 2A tables 2-1, 2-2 and 2-3 (2.1.5): the addressing forms of ModR/M and SIB; forms with BP, "
    "EBP, ESP, "
    "RBP or RSP as base use SS. Vol. 3C \"EPT Violations\" (29.3.3.2).";

CONFORMANCE_CASE(Mmio, EveryFormOf16BitAddresses) {
    guest.start("mmio_addressing_16", Mode::Real, kForms);
    constexpr uint64_t kPage = 0x20000;
    guest.mmio().push_back({Gpa(kPage), 0x1000});
    guest.map_as(kPage, 0);
    constexpr uint64_t kOffsets[] = {0x110, 0x120, 0x210, 0x220, 0x10, 0x20,  0x300, 0x100,
                                     0x118, 0x1f8, 0x620, 0x710, 0x20, 0x124, 0x310};
    for (uint64_t offset : kOffsets) expect_read(guest, kPage + offset - layout::kDeviceBase, kByte, 1);
    guest.expect_end();
}

CONFORMANCE_CASE(Mmio, EveryFormOf32BitAddresses) {
    guest.start("mmio_addressing_32", Mode::Protected32, kForms);
    guest.state().segment(x86::SegmentRegister::FS).base = 0x100;
    constexpr uint64_t kOffsets[] = {0x00, 0x40, 0x80,  0x100, 0x200, 0x200, 0x00,
                                     0x84, 0x10, 0x100, 0x120, 0x50,  0x60,  0x00};
    for (uint64_t offset : kOffsets) expect_read(guest, offset, kByte, 1);
    guest.expect_end();
}

CONFORMANCE_CASE(Mmio, EveryFormOf64BitAddresses) {
    guest.start("mmio_addressing_64", Mode::Long, kForms);
    guest.state().segment(x86::SegmentRegister::GS).base = 0x100;
    constexpr uint64_t kOffsets[] = {0x00, 0x00, 0x08,  0x50,  0x80, 0x40, 0x100,
                                     0x18, 0x28, 0x200, 0x130, 0x38, 0xc0};
    for (uint64_t offset : kOffsets) expect_read(guest, offset, kByte, 1);
    expect_write(guest, 0x50, kDword, 1);
    guest.expect_end();
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
