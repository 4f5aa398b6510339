// SPDX-License-Identifier: MIT
// Programs that ended differently here and in Bochs once, on every backend. Each file of programs/ says what
// is expected of it and why: docs/differential.md.
#include "tests/conformance/support/suite.h"
#include "tests/differential/guest.h"
#include "tests/differential/layout.h"
#include "tests/differential/saved_case.h"

namespace vtless::conformance {
namespace {

using differential::Outcome;
using differential::SavedCase;
namespace layout = differential::layout;

constexpr unsigned kMostExits = 200;

Guest::Bytes start_of(const SavedCase& saved, const std::string& file) {
    Guest::Bytes bytes{file, saved.rule, Gpa(layout::kCode), {}, {}};
    bytes.memory.resize(layout::kPageTablesEnd);
    differential::fill_memory(bytes.memory.data(), saved.program(), saved.mode, saved.seed);
    bytes.setup.controls = differential::setup_of(saved.mode, saved.seed);
    bytes.setup.entry_state = bytes.setup.controls.entry_state;
    return bytes;
}

bool ends_with_exception(const Guest& guest) {
    return guest.can().vmcs &&
           guest.record().back().exit_reason == static_cast<uint32_t>(x86::ExitReason::EXCEPTION_OR_NMI);
}

// As the ROM of tests/differential ends it: its last OUT, an exception, or what nobody handles.
Outcome run_to_end(Guest& guest, uint64_t last_address) {
    Outcome outcome;
    for (unsigned i = 0; i < kMostExits; ++i) {
        const VmExit exit = guest.run();
        outcome.end = {static_cast<uint64_t>(exit.kind()), 0, 0};
        if (ends_with_exception(guest)) {
            const vmx::RawVmxExit raw = guest.raw();
            outcome.end = {static_cast<uint64_t>(ExitKind::Unhandled),
                           raw.interruption_information.raw | uint64_t{raw.interruption_error_code} << 32,
                           raw.exit_qualification};
            break;
        }
        if (const auto* fault = exit.get_if<VmExit::NestedPageFault>()) outcome.end[1] = fault->addr.value();
        const bool last = exit.is<VmExit::IoWrite>() && guest.record().back().registers.rip == last_address;
        if (last || exit.is<VmExit::NestedPageFault>()) break;
        if (exit.is<VmExit::IoRead>())
            guest.good(guest.backend().complete_io_read(differential::kDeviceAnswer));
        if (exit.is<VmExit::SysRegRead>() || exit.is<VmExit::SysRegWrite>())
            guest.good(guest.backend().fail_sysreg_access());
    }
    const Registers& registers = guest.record().back().registers;
    outcome.rip = registers.rip;
    outcome.rflags = registers.rflags;
    outcome.gprs = registers.gprs;
    outcome.memory = differential::hashes_of(guest.read(0, layout::kPageTablesEnd).data());
    return outcome;
}

void end_as_expected(Guest& guest, const std::string& file) {
    const auto saved = differential::load_case(VTLESS_CONFORMANCE_PROGRAMS "/" + file);
    ASSERT_TRUE(saved) << saved.error();
    ASSERT_NE(saved->rule, "") << file << " does not say why its outcome is right";
    guest.start(start_of(*saved, file));
    const bool exception = saved->expected.end[0] == static_cast<uint64_t>(ExitKind::Unhandled);
    if (exception) guest.needs(&Capabilities::vmcs);  // it is the exit of an intercepted one
    const Outcome outcome = run_to_end(guest, saved->program().last_address());
    guest.expect_no(differential::difference_from_case(outcome, saved->expected));
}

}  // namespace

CONFORMANCE_SUITE(Programs);

#define PROGRAM(name) \
    CONFORMANCE_CASE(Programs, name) { end_as_expected(guest, #name ".json"); }
#include "tests/conformance/programs.inc"

}  // namespace vtless::conformance
