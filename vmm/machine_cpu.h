// SPDX-License-Identifier: MIT
// What the run loop needs of a processor: a bound VCpu, and what lies beyond ArchVCpu.
#pragma once

#include <concepts>
#include <cstdint>

#include "vcpu/error.h"
#include "vcpu/exit.h"
#include "vmm/digest.h"
#include "vmm/processor_state.h"

namespace vtless::vmm {

// The result of a virtual CPU's operation; plain Result is this folder's own.
template <class T>
using VCpuResult = vtless::Result<T>;

// run: until an exit. The complete_ functions answer the exit that run returned last: a port or MMIO read, an
// MSR read; fault_msr is #GP(0) for that or for an MSR write.
// set_timer: from this cycle on an ExternalInterrupt exit comes at the next instruction boundary.
// idle_until: the processor stands halted until then.
// interruptible: whether an external interrupt injected now is delivered at the next entry.
// request_interrupt_window: run returns, with Nothing, as soon as the guest is interruptible, until
// cancelled.
template <class C>
concept MachineCpu = requires(C& cpu, uint64_t value, uint8_t vector) {
    { cpu.run() } -> std::same_as<VCpuResult<VmExit>>;
    { cpu.complete_port_read(value) } -> std::same_as<VCpuResult<void>>;
    { cpu.complete_mmio_read(value) } -> std::same_as<VCpuResult<void>>;
    { cpu.complete_msr_read(value) } -> std::same_as<VCpuResult<void>>;
    { cpu.fault_msr() } -> std::same_as<VCpuResult<void>>;
    {cpu.set_hypercall_result(value)};
    {cpu.set_timer(value)};
    {cpu.idle_until(value)};
    { cpu.interruptible() } -> std::same_as<bool>;
    { cpu.inject_interrupt(vector) } -> std::same_as<VCpuResult<void>>;
    { cpu.request_interrupt_window() } -> std::same_as<VCpuResult<void>>;
    { cpu.cancel_interrupt_window() } -> std::same_as<VCpuResult<void>>;
    { cpu.cycles() } -> std::same_as<uint64_t>;
    { cpu.instructions() } -> std::same_as<uint64_t>;
    { cpu.exit_registers() } -> std::same_as<ExitRegisters>;
    { cpu.processor_state() } -> std::same_as<ProcessorState>;
};

// Whether a local APIC, which is the backend's, may mask what is injected: C::kHasApic, where it exists.
template <class C>
inline constexpr bool kHasApic = requires {
    requires C::kHasApic;
};

// Whether two runs of a guest on it are the same, so that digests say something. C::kRepeatable, where it
// exists, can say that they are not.
template <class C>
inline constexpr bool kHasDigests = !requires {
    requires !C::kRepeatable;
};

}  // namespace vtless::vmm
