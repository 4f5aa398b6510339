// SPDX-License-Identifier: MIT
// Translation at both levels, and code that changes.
#include "isa/x86/ept.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/paging.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::VmcsField;
using Violation = x86::EptViolationQualification;
constexpr AccessFlags kRead{true, false, false};
constexpr AccessFlags kWrite{false, true, false};
constexpr AccessFlags kFetch{false, false, true};
constexpr uint64_t kFinal = Violation::LINEAR_ADDRESS_VALID | Violation::FINAL_TRANSLATION;
constexpr uint64_t kGuestAccessed = x86::pte::A;
constexpr uint64_t kGuestDirty = x86::pte::D;

CONFORMANCE_SUITE(Memory);

constexpr const char* kSelfModifying =
    "SDM Vol. 3A \"Handling Self- and Cross-Modifying Code\" (9.1.3): after the code is stored and a jump or "
    "a serializing "
    "instruction executed, the new code runs.";

CONFORMANCE_CASE(Memory, SelfModifyingCode) {
    guest.start("smc_same_mapping", Mode::Long, kSelfModifying);
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 100}, {Gpr::RCX, 7}});
}

CONFORMANCE_CASE(Memory, SelfModifyingCodeThroughAnAlias) {
    guest.start("smc_aliased_mapping", Mode::Long, kSelfModifying);
    guest.needs(guest.processor().quiet_cr3, "MOV to CR3 that does not exit");
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 101}});
}

CONFORMANCE_CASE(Memory, SelfModifyingCodeByString) {
    guest.start("smc_by_string", Mode::Long, kSelfModifying);
    guest.expect_end({{Gpr::RBX, 1}, {Gpr::RAX, 2}});
}

CONFORMANCE_CASE(Memory, RemappedPageAfterInvlpg) {
    guest.start("page_remapped_invlpg", Mode::Long,
                "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1): "
                "INVLPG does for its "
                "page.");
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RBX, 2}, {Gpr::RCX, 3}});
}

CONFORMANCE_CASE(Memory, RemappedPageAfterMovToCr3) {
    guest.start("page_remapped_mov_cr3", Mode::Long,
                "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1): MOV "
                "to CR3 does for "
                "all pages that are not global.");
    guest.needs(guest.processor().quiet_cr3, "MOV to CR3 that does not exit");
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Memory, PageThatBecomesPresentNeedsNoInvlpg) {
    guest.start("page_becomes_present", Mode::Long,
                "SDM Vol. 3A \"Optional Invalidation\" (4.10.4.3): no invalidation is needed when P changes "
                "from 0 to 1. "
                "(4.7): not present, read, supervisor is error code 0.");
    guest.expect_end({{Gpr::RAX, 5}, {Gpr::RBX, 1}, {Gpr::RSI, 0}, {Gpr::RDI, 0x24000}});
}

CONFORMANCE_CASE(Memory, PageThatBecomesWritableAfterAFault) {
    guest.start("page_becomes_writable", Mode::Long,
                "SDM Vol. 3A \"Optional Invalidation\" (4.10.4.3), \"Operations that Invalidate TLBs\" "
                "(4.10.4.1): a page "
                "fault invalidates the entries of its address, so a page made writable by the handler is. "
                "(4.7): 3 is "
                "present and write.");
    guest.expect_end({{Gpr::RBX, 1}, {Gpr::RSI, 3}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x24000), 9);
}

CONFORMANCE_CASE(Memory, AccessedAndDirty) {
    guest.start("accessed_and_dirty", Mode::Long,
                "SDM Vol. 3A \"Accessed and Dirty Flags\" (4.8): A is set in every entry used, D in the one "
                "that maps the "
                "page when it is written.");
    constexpr uint64_t kEntry = 0x24000 | x86::pte::P | x86::pte::RW;
    guest.expect_end({{Gpr::RBX, kEntry | kGuestAccessed},
                      {Gpr::RCX, kEntry | kGuestAccessed | kGuestDirty},
                      {Gpr::RDX, 0x25000 | x86::pte::P | x86::pte::RW}});
    guest.expect_equal("PDE", guest.gpr(Gpr::RSI) & (kGuestAccessed | kGuestDirty), kGuestAccessed);
    guest.expect_equal("PML4E", guest.gpr(Gpr::RDI) & (kGuestAccessed | kGuestDirty), kGuestAccessed);
    guest.expect_equal("2-MiB page", guest.gpr(Gpr::RBP) & (kGuestAccessed | kGuestDirty),
                       kGuestAccessed | kGuestDirty);
}

CONFORMANCE_CASE(Memory, EptAccessedAndDirty) {
    guest.start("ept_accessed_and_dirty", Mode::Long,
                "SDM Vol. 3C \"Accessed and Dirty Flags for EPT\" (29.3.5): with EPTP bit 6 the flags are "
                "set, and accesses "
                "to guest paging-structure entries count as writes.");
    guest.needs(guest.processor().ept_accessed_dirty, "accessed and dirty flags for EPT");
    guest.boot();
    guest.set_field(VmcsField::EPT_POINTER, guest.field(VmcsField::EPT_POINTER) | x86::Eptp::kAccessedDirty);
    guest.expect_end();
    constexpr uint64_t kBoth = x86::ept::ACCESSED | x86::ept::DIRTY;
    guest.expect_equal("read page", guest.ept_entry(0x24000) & kBoth, x86::ept::ACCESSED);
    guest.expect_equal("written page", guest.ept_entry(0x25000) & kBoth, kBoth);
    guest.expect_equal("untouched page", guest.ept_entry(0x26000) & kBoth, 0);
    guest.expect_equal("page table", guest.ept_entry(layout::kPageTable) & kBoth, kBoth);
}

CONFORMANCE_CASE(Memory, FetchAcrossPages) {
    guest.start("fetch_across_pages", Mode::Long,
                "SDM Vol. 3A \"Interrupt 14-Page-Fault Exception\" (6.15): CR2 holds the address that "
                "faulted, here the "
                "first byte of the second page, and the saved RIP is that of the instruction. (4.7): I/D "
                "with EFER.NXE.");
    guest.expect_end({{Gpr::RBX, 0x12345678}, {Gpr::RSI, 0x10}, {Gpr::RDI, 0x20ffd}, {Gpr::RDX, 0x21000}});
}

CONFORMANCE_CASE(Memory, StoreAcrossPages) {
    guest.start("store_across_pages", Mode::Long,
                "SDM Vol. 3A \"Interrupt 14-Page-Fault Exception\" (6.15): a fault; nothing of the "
                "instruction has happened.");
    guest.expect_end({{Gpr::RSI, 2}, {Gpr::RDI, guest.symbol("store")}, {Gpr::RDX, 0x21000}});
    guest.expect_equal("first page", guest.read<uint32_t>(0x20ffc), 0);
}

CONFORMANCE_CASE(Memory, NoExecute) {
    guest.start("no_execute", Mode::Long,
                "SDM Vol. 3A \"Page-Fault Exceptions\" (4.7): a fetch from a page with XD is #PF with I/D "
                "and P set.");
    guest.expect_end({{Gpr::RSI, 0x11}, {Gpr::RDI, 0x22000}, {Gpr::RDX, 0x22000}});
}

CONFORMANCE_CASE(Memory, Smep) {
    guest.start("smep", Mode::Long,
                "SDM Vol. 3A \"Determination of Access Rights\" (4.6.1): with CR4.SMEP supervisor fetches "
                "from user pages "
                "fault, with I/D and P set.");
    guest.needs(guest.processor().smep, "SMEP");
    guest.expect_end({{Gpr::RSI, 0x11}, {Gpr::RDI, 0x30000}});
}

CONFORMANCE_CASE(Memory, Smap) {
    guest.start("smap", Mode::Long,
                "SDM Vol. 3A \"Determination of Access Rights\" (4.6.1): with CR4.SMAP supervisor accesses "
                "to user pages "
                "fault unless RFLAGS.AC is set.");
    guest.needs(guest.processor().smap, "SMAP");
    guest.write<uint32_t>(0x30000, 77);
    guest.expect_end({{Gpr::RSI, 1}, {Gpr::RDI, guest.symbol("load")}, {Gpr::RBX, 77}});
}

CONFORMANCE_CASE(Memory, WriteProtect) {
    guest.start("write_protect", Mode::Long,
                "SDM Vol. 3A \"Determination of Access Rights\" (4.6.1): supervisor writes to read-only "
                "pages are allowed if "
                "CR0.WP is 0 and fault if it is 1.");
    guest.expect_end({{Gpr::RSI, 3}, {Gpr::RDI, guest.symbol("store")}, {Gpr::RBX, 6}});
}

CONFORMANCE_CASE(Memory, UserAccess) {
    guest.start("user_access", Mode::Long,
                "SDM Vol. 3A \"Determination of Access Rights\" (4.6.1), (4.7): a user access to a "
                "supervisor page is #PF "
                "with P and U/S set.",
                Ring::User);
    guest.expect_end({{Gpr::RSI, 5}, {Gpr::RDI, guest.symbol("load")}, {Gpr::RDX, 0x24000}});
}

CONFORMANCE_CASE(Memory, ReservedBit) {
    guest.start("reserved_bit", Mode::Long,
                "SDM Vol. 3A \"Page-Fault Exceptions\" (4.7): a bit beyond MAXPHYADDR in a present entry is "
                "#PF with RSVD "
                "and P set.");
    guest.expect_end({{Gpr::RSI, 9}, {Gpr::RDI, guest.symbol("load")}});
}

constexpr const char* kViolation =
    "SDM Vol. 3C \"EPT Violations\" (29.3.3.2), table 28-7: the qualification has the access in bits 2:0, "
    "what EPT allows in "
    "5:3, bit 7 for a valid linear address and bit 8 for the access itself rather than a paging-structure "
    "entry.";

// Without bits 11:9, which processors without advanced VM-exit information leave undefined.
uint64_t basic_bits(uint64_t qualification) {
    return qualification & ~(Violation::USER_LINEAR_ADDRESS | Violation::LINEAR_ADDRESS_WRITABLE |
                             Violation::LINEAR_ADDRESS_EXECUTE_DISABLED);
}

CONFORMANCE_CASE(Memory, EptViolationByRead) {
    guest.start("ept_read", Mode::Long, kViolation);
    guest.write<uint64_t>(0x21008, 0x1234567890);
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21008, kRead);
    guest.expect_equal("qualification", basic_bits(guest.raw().exit_qualification), Violation::READ | kFinal);
    guest.expect_equal("linear address", guest.raw().guest_linear_address, 0x21008);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("load"));
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end({{Gpr::RAX, 0x1234567890}});
}

CONFORMANCE_CASE(Memory, EptViolationByWrite) {
    guest.start("ept_write", Mode::Long, kViolation);
    guest.map_as(0x21000, x86::ept::READ | x86::ept::EXECUTE);
    guest.expect_violation(0x21008, kWrite);
    guest.expect_equal("qualification", basic_bits(guest.raw().exit_qualification),
                       Violation::WRITE | Violation::READABLE | Violation::EXECUTABLE | kFinal);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("store"));
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end();
}

CONFORMANCE_CASE(Memory, EptViolationByFetch) {
    guest.start("ept_fetch", Mode::Long, kViolation);
    guest.map_as(0x22000, x86::ept::READ | x86::ept::WRITE);
    guest.expect_violation(0x22000, kFetch);
    guest.expect_equal("qualification", basic_bits(guest.raw().exit_qualification),
                       Violation::FETCH | Violation::READABLE | Violation::WRITABLE | kFinal);
    guest.expect_equal("RIP", guest.rip(), 0x22000);
    guest.map_as(0x22000, x86::ept::RWX);
    guest.expect_end({{Gpr::RBX, 1}});
}

CONFORMANCE_CASE(Memory, EptViolationInRealMode) {
    guest.start("ept_in_real_mode", Mode::Real, kViolation);
    guest.write<uint16_t>(0x21010, 0x4455);
    guest.map_as(0x21000, 0);
    guest.expect_violation(0x21010, kRead);
    guest.expect_equal("linear address", guest.raw().guest_linear_address, 0x21010);
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end({{Gpr::RAX, 0x4455}});
}

CONFORMANCE_CASE(Memory, EptViolationInTheSecondPageOfAStore) {
    guest.start("ept_store_across_pages", Mode::Long, kViolation);
    guest.map_as(0x21000, x86::ept::READ);
    guest.expect_violation(0x21000, kWrite);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("store"));
    guest.expect_equal("first page", guest.read<uint32_t>(0x20ffc), 0);
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end();
    guest.expect_equal("memory", guest.read<uint64_t>(0x20ffc), 0x1122334455667788);
}

CONFORMANCE_CASE(Memory, EptViolationOnAGuestPageTable) {
    guest.start("ept_page_walk", Mode::Long,
                "SDM Vol. 3C table 28-7: bit 8 is clear for an access to a paging-structure entry; with the "
                "accessed and "
                "dirty flags of EPT on such an access sets both bit 0 and bit 1.");
    guest.boot();
    guest.write<uint64_t>(0x22000, 0x21003);
    guest.write<uint32_t>(0x21008, 0xabcd);
    guest.map_as(0x22000, 0);
    const bool tracked = x86::Eptp{guest.field(VmcsField::EPT_POINTER)}.accessed_dirty();
    guest.expect_violation(0x22000, {true, tracked, false});
    guest.expect_equal("qualification", guest.raw().exit_qualification,
                       Violation::READ | (tracked ? Violation::WRITE : 0) | Violation::LINEAR_ADDRESS_VALID);
    guest.expect_equal("linear address", guest.raw().guest_linear_address, 0x400008);
    guest.map_as(0x22000, x86::ept::READ);
    const VmExit exit = guest.run();  // the accessed flag cannot be set
    const auto* fault = exit.get_if<VmExit::NestedPageFault>();
    guest.expect_equal("an EPT violation", fault != nullptr, true);
    guest.expect_equal("address", fault->addr.value(), 0x22000);
    guest.expect_equal("a write", fault->access_flags.write, true);
    guest.map_as(0x22000, x86::ept::RWX);
    guest.expect_end({{Gpr::RAX, 0xabcd}});
    guest.expect_equal("accessed flag", guest.read<uint64_t>(0x22000) & kGuestAccessed, kGuestAccessed);
}

CONFORMANCE_CASE(Memory, EptMisconfiguration) {
    guest.start("ept_read", Mode::Long,
                "SDM Vol. 3C \"EPT Misconfigurations\" (29.3.3.1): an entry that is writable but not "
                "readable is one. "
                "Table 28-1 leaves the qualification undefined; the guest-physical address is recorded.");
    guest.map_as(0x21000, x86::ept::WRITE);
    guest.expect_unhandled(ExitReason::EPT_MISCONFIGURATION);
    guest.expect_equal("guest-physical address", guest.raw().guest_physical_address, 0x21008);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("load"));
    guest.map_as(0x21000, x86::ept::RWX);
    guest.expect_end();
}

CONFORMANCE_CASE(Memory, LargePages) {
    guest.start(
        "large_pages", Mode::Long,
        "SDM Vol. 3A \"4-Level Paging and 5-Level Paging\" (4.5): PS in a PDE maps 2 MiB, in a PDPTE 1 GiB.");
    guest.needs(guest.processor().pages_1g, "1-GByte pages");
    guest.expect_end({{Gpr::RAX, 0x87654321}, {Gpr::RBX, 0x31337}});
}

CONFORMANCE_CASE(Memory, GlobalPages) {
    guest.start("global_pages", Mode::Long,
                "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1): MOV "
                "to CR4 that changes "
                "PGE invalidates all entries, global ones included.");
    guest.expect_end({{Gpr::RCX, 1}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Memory, DescriptorAccessesAreSupervisorAccesses) {
    guest.start("user_segment_loads", Mode::Long,
                "SDM Vol. 3A \"Access Rights\" (4.6): accesses to the GDT by a segment load are "
                "supervisor-mode accesses whatever "
                "CPL is. Vol. 2A \"LAR\", \"LSL\": ZF is clear and the destination unchanged for a segment "
                "that CPL may not see.",
                Ring::User);
    guest.expect_end({{Gpr::RAX, layout::kUserData},
                      {Gpr::RBX, 0xa0fb00},
                      {Gpr::RSI, 0xffffffff},
                      {Gpr::RDX, 0},
                      {Gpr::RDI, ~uint64_t{0}}});
}

CONFORMANCE_CASE(Memory, EventDeliveryAccessesAreSupervisorAccesses) {
    guest.start("user_implicit_accesses", Mode::Long,
                "SDM Vol. 3A \"Access Rights\" (4.6): accesses to IDT, GDT, TSS and the inner stack by event "
                "delivery are "
                "supervisor-mode accesses.",
                Ring::User);
    guest.expect_end({{Gpr::RBX, 3}});
}

void fill_pattern(Guest& guest) {
    for (uint8_t i = 0; i < 32; ++i) guest.write<uint8_t>(0x20ff0 + i, static_cast<uint8_t>(i + 1));
}
void expect_pattern(Guest& guest, uint64_t at) {
    for (uint8_t i = 0; i < 32; ++i)
        guest.expect_equal("byte " + std::to_string(i), guest.read<uint8_t>(at + i), i + 1u);
}

CONFORMANCE_CASE(Memory, RepFaultsMidway) {
    guest.start("rep_faults_midway", Mode::Long,
                "SDM Vol. 2B \"REP\": a fault leaves the registers as they were after the last complete "
                "iteration and RIP at "
                "the instruction, so that it goes on.");
    fill_pattern(guest);
    guest.expect_end({{Gpr::RBX, 16},
                      {Gpr::R8, 0x21000},
                      {Gpr::R9, 0x24010},
                      {Gpr::R10, guest.symbol("rep")},
                      {Gpr::RCX, 0}});
    expect_pattern(guest, 0x24000);
}

CONFORMANCE_CASE(Memory, EptViolationInRep) {
    guest.start("rep_copy", Mode::Long,
                "SDM Vol. 2B \"REP\", Vol. 3C \"EPT Violations\" (29.3.3.2): as with a fault, complete "
                "iterations stay.");
    fill_pattern(guest);
    guest.map_as(0x25000, x86::ept::READ);
    guest.expect_violation(0x25000, kWrite);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("rep"));
    guest.expect_gprs({{Gpr::RCX, 24}, {Gpr::RDI, 0x25000}, {Gpr::RSI, 0x20ff8}});
    guest.map_as(0x25000, x86::ept::RWX);
    guest.expect_end({{Gpr::RCX, 0}});
    expect_pattern(guest, 0x24ff8);
}

CONFORMANCE_CASE(Memory, RepIsInterruptible) {
    guest.start(
        "rep_store", Mode::Long,
        "SDM Vol. 2B \"REP\": interrupts are taken between iterations; the instruction goes on afterwards.");
    for (uint8_t vector : {uint8_t{0x41}, uint8_t{0x42}}) {
        guest.interrupt_host_after(vector == 0x41 ? 5000 : 1500, vector);  // the first is set before set-up
        guest.expect(VmExit::ExternalInterrupt{vector});
        guest.expect_equal("RIP", guest.rip(), guest.symbol("rep"));
        const uint64_t left = guest.gpr(Gpr::RCX);
        guest.expect_equal("some iterations are left", left > 0 && left < 0x1000, true);
        guest.expect_equal("RDI", guest.gpr(Gpr::RDI), 0x25000 - left);
    }
    guest.expect_end({{Gpr::RCX, 0}, {Gpr::RDI, 0x25000}});
    guest.expect_equal("last byte", guest.read<uint8_t>(0x24fff), 0x5a);
    guest.expect_equal("byte after", guest.read<uint8_t>(0x25000), 0);
}

CONFORMANCE_CASE(Memory, PushaFaults) {
    guest.start("pusha_faults", Mode::Paging32,
                "SDM Vol. 3A \"Interrupt 14-Page-Fault Exception\" (6.15): a fault, so ESP is as before the "
                "instruction.");
    guest.expect_end(
        {{Gpr::RBX, 0x24000}, {Gpr::RSI, 2}, {Gpr::RDI, guest.symbol("pusha")}, {Gpr::RDX, 0x23}});
}

CONFORMANCE_CASE(Memory, FxsaveFaults) {
    guest.start("fxsave_faults", Mode::Long,
                "SDM Vol. 3A \"Interrupt 14-Page-Fault Exception\" (6.15): a fault at the instruction; "
                "execution does not go on.");
    guest.expect_end({{Gpr::RSI, 2}, {Gpr::RDI, guest.symbol("fxsave")}, {Gpr::RDX, 0x21}});
}

CONFORMANCE_CASE(Memory, EptViolationByADescriptorLoad) {
    guest.start("ept_descriptor_load", Mode::Long, kViolation);
    guest.map_as(layout::kGdt, 0);
    guest.expect_violation(layout::kGdt + layout::kData, kRead);
    guest.expect_equal("qualification", basic_bits(guest.raw().exit_qualification), Violation::READ | kFinal);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("load"));
    guest.map_as(layout::kGdt, x86::ept::RWX);
    guest.expect_end();
}

}  // namespace
}  // namespace vtless::conformance
