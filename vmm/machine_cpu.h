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

// run: until an exit. The complete_ functions answer the exit that run returned last: a port or MMIO read, an
// MSR read, an MSR write; fault_msr is #GP(0) for either of the last two.
// set_timer: from this cycle on an ExternalInterrupt exit comes at the next instruction boundary.
// idle_until: the processor stands halted until then.
// interruptible: whether an external interrupt injected now is delivered at the next entry.
// request_interrupt_window: run returns, with Nothing, as soon as the guest is interruptible.
template <class C>
concept MachineCpu = requires(C& cpu, uint64_t value, uint8_t vector) {
    { cpu.run() } -> std::same_as<Result<VmExit>>;
    { cpu.complete_read(value) } -> std::same_as<Result<void>>;
    { cpu.complete_msr_read(value) } -> std::same_as<Result<void>>;
    { cpu.complete_msr_write() } -> std::same_as<Result<void>>;
    { cpu.fault_msr() } -> std::same_as<Result<void>>;
    {cpu.set_hypercall_result(value)};
    {cpu.set_timer(value)};
    {cpu.idle_until(value)};
    { cpu.interruptible() } -> std::same_as<bool>;
    { cpu.inject_interrupt(vector) } -> std::same_as<Result<void>>;
    {cpu.request_interrupt_window()};
    { cpu.cycles() } -> std::same_as<uint64_t>;
    { cpu.instructions() } -> std::same_as<uint64_t>;
    { cpu.exit_registers() } -> std::same_as<ExitRegisters>;
    { cpu.processor_state() } -> std::same_as<ProcessorState>;
};

}  // namespace vtless::vmm
