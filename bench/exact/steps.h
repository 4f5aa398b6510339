// SPDX-License-Identifier: MIT
// What operations are made of.
#pragma once

#include "bench/exact/counted_guest.h"
#include "bench/support/guest_code.h"
#include "isa/x86/exit_reason.h"
#include "isa/x86/vmx_controls.h"

namespace vtless::bench {

using Arch = VcpuGuest::Backend;
using F = x86::VmcsField;
using Primary = x86::PrimaryControls;
using Secondary = x86::SecondaryControls;

template <class Exit>
void run_to(CountedGuest& guest) {
    guest->run_to<Exit>();
}

template <class Exit, auto kComplete>
void run_and_complete(CountedGuest& guest) {
    guest->run_to<Exit>();
    VTLESS_CHECK((guest->backend().*kComplete)(0));
}

// An exit that the backend leaves to its caller.
template <x86::ExitReason kReason>
void run_to_unhandled(CountedGuest& guest) {
    const Result<VmExit> exit = guest->vcpu().run();
    const auto* unhandled = exit ? exit->get_if<VmExit::Unhandled>() : nullptr;
    VTLESS_CHECK(unhandled != nullptr && (unhandled->raw & 0xffff) == static_cast<uint64_t>(kReason));
}

inline void skip_instruction(CountedGuest& guest) {
    Arch& backend = guest->backend();
    const uint64_t length = backend.read_field(F::VM_EXIT_INSTRUCTION_LENGTH);
    backend.write_field(F::GUEST_RIP, backend.read_field(F::GUEST_RIP) + length);
}

template <x86::ExitReason kReason>
void run_and_skip(CountedGuest& guest) {
    run_to_unhandled<kReason>(guest);
    skip_instruction(guest);
}

inline void set_bits(CountedGuest& guest, F field, uint64_t bits) {
    guest->backend().write_field(field, guest->backend().read_field(field) | bits);
}

// More controls than the backend asks for.
template <uint32_t kPrimary, uint32_t kSecondary = 0>
void control(CountedGuest& guest) {
    set_bits(guest, F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, kPrimary);
    set_bits(guest, F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, kSecondary);
}

// Host-physical memory that is not the guest's.
inline Hpa frame(CountedGuest& guest) {
    Hpa frame;
    VTLESS_CHECK(guest->memory().host().allocate_frame(frame));
    return frame;
}

template <class T>
T load(CountedGuest& guest, Hpa at) {
    T value;
    std::memcpy(&value, guest->memory().host().map(at), sizeof value);
    return value;
}
template <class T>
void store(CountedGuest& guest, Hpa at, T value) {
    sim::HostMemory& memory = guest->memory().host();
    std::memcpy(memory.map(at), &value, sizeof value);
    memory.note_write(at, sizeof value);
}

// The handler of all vectors is this place of the guest's code, not its start.
inline void set_handler(CountedGuest& guest, std::span<const uint8_t> code, const uint8_t* label) {
    guest->memory().set_handler(GuestLayout::kCode + static_cast<uint64_t>(label - code.data()));
}

}  // namespace vtless::bench
