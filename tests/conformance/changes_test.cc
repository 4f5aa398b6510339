// SPDX-License-Identifier: MIT
// Code, page tables and EPT that change while the guest runs.
#include <utility>

#include "isa/x86/ept.h"
#include "isa/x86/paging.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::Gpr;
constexpr auto kByte = AccessWidth::Byte;
constexpr uint64_t kMoveAndReturn = 0xc3'00000000'b8;  // mov $0, %eax; ret

CONFORMANCE_SUITE(Changes);

// ---------------------------------------------------------------------------------------------------- code

constexpr const char* kCode =
    "SDM Vol. 3A \"Handling Self- and Cross-Modifying Code\" (9.1.3): after the code is stored and a jump or "
    "a "
    "serializing instruction executed, the new code runs.";

CONFORMANCE_CASE(Changes, CodeInRealMode) {
    guest.start("smc_16", Mode::Real, kCode);
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 100}});
}
CONFORMANCE_CASE(Changes, CodeInProtectedMode) {
    guest.start("smc_32", Mode::Protected32, kCode);
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 100}});
}
CONFORMANCE_CASE(Changes, CodeUnderPae) {
    guest.start("smc_32", Mode::Pae, kCode);
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 100}});
}
CONFORMANCE_CASE(Changes, CodeInCompatibilityMode) {
    guest.start("smc_32", Mode::Compat, kCode);
    guest.expect_end({{Gpr::RBX, 5050}, {Gpr::RAX, 100}});
}
CONFORMANCE_CASE(Changes, InstructionAcrossPages) {
    guest.start("smc_across_pages", Mode::Long, kCode);
    guest.expect_end({{Gpr::RBX, 0x11223344}, {Gpr::RDX, 0x11773344}, {Gpr::RAX, 0x11773366}});
}

CONFORMANCE_CASE(Changes, CodeWrittenFromOutside) {
    guest.start("code_changed_outside", Mode::Long,
                "SDM Vol. 3A \"Serializing Instructions\" (9.3), Vol. 3C \"VM Entries\": a VM entry is a "
                "serializing event: code that was written before it is what runs.");
    guest.write<uint64_t>(0x24000, kMoveAndReturn | 1 << 8);
    guest.expect_out(0x10, kByte, 1);
    guest.write<uint8_t>(0x24001, 2);
    guest.expect_end({{Gpr::RBX, 1}, {Gpr::RAX, 2}});
}

CONFORMANCE_CASE(Changes, CodeThroughAnotherGuestPhysicalAddress) {
    guest.start("smc_through_ept_alias", Mode::Long, kCode);
    guest.write<uint64_t>(0x24000, kMoveAndReturn | 1 << 8);
    guest.ept_entry(0x26000) = guest.ept_entry(0x24000);
    guest.expect_handled(x86::ExitReason::CPUID);
    guest.expect_end({{Gpr::RSI, 1}, {Gpr::RAX, 2}});
}

// --------------------------------------------------------------------------------------------- page tables

constexpr const char* kInvlpg =
    "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1): INVLPG does for "
    "its "
    "page, whatever its size.";

CONFORMANCE_CASE(Changes, PageOf32BitPaging) {
    guest.start("page_remapped_32", Mode::Paging32, kInvlpg);
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RBX, 2}});
}
CONFORMANCE_CASE(Changes, PageOfPaePaging) {
    guest.start("page_remapped_pae", Mode::Pae, kInvlpg);
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RBX, 2}});
}
CONFORMANCE_CASE(Changes, LargePageThatBecomesATable) {
    guest.start("large_page_split", Mode::Long, kInvlpg);
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RBX, 2}, {Gpr::RCX, 3}});
}

CONFORMANCE_CASE(Changes, PageWithoutInvlpg) {
    guest.start(
        "page_remapped_late_invlpg", Mode::Long,
        "SDM Vol. 3A \"Caching Translation Information\" (4.10.2), \"Delayed Invalidation\" (4.10.4.4): "
        "until the invalidation the processor may use the old translation or the new one, after it only "
        "the new one.");
    guest.expect_end({{Gpr::RAX, 1}, {Gpr::RCX, 2}});
    const uint64_t between = guest.gpr(Gpr::RBX);
    guest.expect_equal("the old page or the new one", between == 1 || between == 2, true);
}

CONFORMANCE_CASE(Changes, PageThatBecomesReadOnly) {
    guest.start("page_becomes_read_only", Mode::Long,
                "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1); "
                "\"Page-Fault Exceptions\" (4.7): 3 is present and write.");
    guest.expect_end({{Gpr::RSI, 3}, {Gpr::RDI, guest.symbol("store")}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x24000), 1);
}

CONFORMANCE_CASE(Changes, PageThatLosesExecution) {
    guest.start("page_becomes_no_execute", Mode::Long,
                "SDM Vol. 3A \"Operations that Invalidate TLBs and Paging-Structure Caches\" (4.10.4.1); "
                "\"Page-Fault Exceptions\" (4.7): I/D and P.");
    guest.expect_end({{Gpr::RBX, 1}, {Gpr::RSI, 0x11}, {Gpr::RDI, 0x24000}});
}

CONFORMANCE_CASE(Changes, AccessedAndDirtyAreSetAgain) {
    guest.start(
        "accessed_and_dirty_again", Mode::Long,
        "SDM Vol. 3A \"Accessed and Dirty Flags\" (4.8): software may clear them; with the invalidation "
        "that goes with it the next access sets A again, the next write D.");
    constexpr uint64_t kEntry = 0x24000 | x86::pte::P | x86::pte::RW | x86::pte::A;
    guest.expect_end({{Gpr::RBX, kEntry}, {Gpr::RCX, kEntry | x86::pte::D}});
}

// ----------------------------------------------------------------------------------------------------- EPT

// Runs until the function at 24000H has returned 7, and 25000H has been written.
void start_and_warm_up(Guest& guest, const char* rule) {
    guest.start("ept_changes", Mode::Long, rule);
    guest.write<uint64_t>(0x24000, kMoveAndReturn | 7 << 8);
    guest.expect_out(0x10, kByte, 7);
    guest.expect_gprs({{Gpr::RBX, 7}});
}

constexpr const char* kInvept =
    "SDM Vol. 3C \"Operations that Invalidate Cached Mappings\" (29.4.3.1): after INVEPT what was cached is "
    "not "
    "used: the changed entry counts. \"EPT Violations\" (29.3.3.2).";

CONFORMANCE_CASE(Changes, EptPageThatBecomesReadOnly) {
    start_and_warm_up(guest, kInvept);
    guest.map_as(0x25000, x86::ept::READ | x86::ept::EXECUTE);
    guest.expect_violation(0x25000, {false, true, false});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("store"));
    guest.expect_gprs({{Gpr::RCX, 1}});
    guest.map_as(0x25000, x86::ept::RWX);
    guest.expect_end({{Gpr::RAX, 7}});
    guest.expect_equal("memory", guest.read<uint32_t>(0x25000), 2);
}

CONFORMANCE_CASE(Changes, EptPageThatGoesAway) {
    start_and_warm_up(guest, kInvept);
    guest.map_as(0x25000, 0);
    guest.expect_violation(0x25000, {true, false, false});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("load"));
    guest.map_as(0x25000, x86::ept::RWX);
    guest.expect_end({{Gpr::RCX, 1}, {Gpr::RAX, 7}});
}

CONFORMANCE_CASE(Changes, EptPageThatLosesExecution) {
    start_and_warm_up(guest, kInvept);
    guest.map_as(0x24000, x86::ept::READ | x86::ept::WRITE);
    guest.expect_violation(0x24000, {false, false, true});
    guest.expect_equal("RIP", guest.rip(), 0x24000);
    guest.map_as(0x24000, x86::ept::RWX);
    guest.expect_end({{Gpr::RAX, 7}});
}

CONFORMANCE_CASE(Changes, EptFramesThatChangePlaces) {
    start_and_warm_up(guest, kInvept);
    guest.write<uint64_t>(0x26000, kMoveAndReturn | 9 << 8);
    guest.write<uint32_t>(0x27000, 5);
    std::swap(guest.ept_entry(0x24000), guest.ept_entry(0x26000));
    std::swap(guest.ept_entry(0x25000), guest.ept_entry(0x27000));
    guest.backend().flush();
    guest.expect_end({{Gpr::RCX, 5}, {Gpr::RAX, 9}});
    guest.expect_equal("the frame that was at 25000H", guest.read<uint32_t>(0x25000), 1);
    guest.expect_equal("the one that is there now", guest.read<uint32_t>(0x27000), 2);
}

}  // namespace
}  // namespace vtless::conformance
