// SPDX-License-Identifier: MIT
// Breakpoints of DR0 to DR3: while any is enabled the guest runs one instruction at a time. Instruction
// breakpoints are faults, found before the instruction; data and I/O breakpoints are traps, which wait in the
// pending debug exceptions. SDM Vol. 3B "Debug Registers" (18.2), "Debug Exception (#DB)" (18.3.1).
// Without the pages of data breakpoints in Unicorn's TLB nothing else about the guest changes.
#include "isa/x86/control_regs.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::dr7::Condition;
using Next = NonRoot::Next;

namespace {

constexpr unsigned kBreakpoints = 4;

// As DR6 and the pending debug exceptions number them.
uint64_t status_bit(unsigned n) { return bit(n); }

// The breakpoints of this kind that are enabled and for which `matches(address, bytes)`, the address aligned
// as its length asks.
template <class Matches>
uint64_t matching(const RootState& root, Condition condition, Matches matches) {
    uint64_t found = 0;
    for (unsigned n = 0; n < kBreakpoints; ++n) {
        if (!x86::dr7::enabled(root.dr7, n) || x86::dr7::condition(root.dr7, n) != condition) continue;
        const unsigned bytes = x86::dr7::length_bytes(root.dr7, n);
        if (matches(root.dr[n] & ~uint64_t{bytes - 1}, bytes)) found |= status_bit(n);
    }
    return found;
}

}  // namespace

// One instruction, or one iteration. After it an MTF VM exit is pending; after the delivery of what came
// instead deliver() has seen to that. SDM Vol. 3C "Monitor Trap Flag" (26.5.2).
Next NonRoot::step_traced() {
    watch_data();
    if (const uint64_t hit = instruction_breakpoints(); hit != 0) {
        Event fault = Event::exception(x86::Vector::DB);
        fault.resume_flag = true;
        return raise(fault, hit);
    }
    const uint64_t before = engine().instructions();
    const Next next = dispatch(engine().run_profiled(Engine::Extent::OneInstruction));
    if (next == Next::Exit || engine().instructions() == before) return next;
    monitor_trap_ = plan_.monitor_trap_flag;
    if (engine().watching()) add_breakpoints(engine().watch_hits());
    return Next::Run;
}

void NonRoot::watch_data() {
    const RootState& root = parts_.root;
    std::array<WatchedBytes, kBreakpoints> bytes{};
    for (unsigned n = 0; n < kBreakpoints; ++n) {
        const Condition condition = x86::dr7::condition(root.dr7, n);
        const bool data = condition == Condition::DATA_WRITE || condition == Condition::DATA_READ_WRITE;
        if (!data || !x86::dr7::enabled(root.dr7, n)) continue;
        const auto count = static_cast<uint8_t>(x86::dr7::length_bytes(root.dr7, n));
        bytes[n] = {root.dr[n] & ~uint64_t{count - 1u}, count, condition == Condition::DATA_READ_WRITE};
    }
    engine().watch(bytes);
}

// RF holds them off for one instruction, and so does the shadow of MOV SS and POP SS.
// SDM Vol. 3A "Masking Exceptions and Interrupts When Switching Stacks" (6.8.3).
uint64_t NonRoot::instruction_breakpoints() const {
    if (!breakpoints_enabled() || parts_.guest.resume_flag() || engine().shadow() == Shadow::MovSs) return 0;
    const uint64_t at = cpu().linear_rip();
    return matching(parts_.root, Condition::EXECUTION,
                    [at](uint64_t first, unsigned) { return first == at; });
}

// After an access to ports that has been made. SDM Vol. 3B 18.2.4: these are there with CR4.DE only.
void NonRoot::note_io(uint16_t port, unsigned bytes) {
    if (!breakpoints_enabled() || (parts_.mmu.paging().cr4 & x86::cr4::DE) == 0) return;
    add_breakpoints(matching(parts_.root, Condition::IO, [&](uint64_t first, unsigned count) {
        return first < uint64_t{port} + bytes && port < first + count;
    }));
}

void NonRoot::add_breakpoints(uint64_t status) {
    if (status != 0) state_.pending_debug |= status | x86::pending_debug::ENABLED_BREAKPOINT;
}

}  // namespace vtless::sim
