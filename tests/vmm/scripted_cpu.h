// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/clock.h"
#include "vmm/machine_cpu.h"

namespace vtless::vmm {

// A processor that plays exits from a list; each run takes 100 cycles and 10 instructions.
class ScriptedCpu {
  public:
    VCpuResult<VmExit> run() {
        cycles_ += 100;
        instructions_ += 10;
        // Like hardware: the timer comes first when it is due, and ends an endless loop.
        if (next == script.size() && timer != kNever) cycles_ = cycles_ > timer ? cycles_ : timer;
        if (cycles_ >= timer) {
            timer = kNever;
            return VmExit(VmExit::ExternalInterrupt{0x20});
        }
        if (window_wanted && flags_set_interruptible()) {
            window_wanted = false;
            return VmExit(VmExit::Nothing{});
        }
        if (next == script.size()) return vtless::fail(VCpuErrc::Backend, 42);
        return script[next++];
    }
    VCpuResult<void> complete_port_read(uint64_t value) {
        return completed.push_back(value), VCpuResult<void>();
    }
    VCpuResult<void> complete_mmio_read(uint64_t value) {
        return completed.push_back(value), VCpuResult<void>();
    }
    VCpuResult<void> complete_msr_read(uint64_t value) {
        return completed.push_back(value), VCpuResult<void>();
    }
    VCpuResult<void> fault_msr() { return ++msr_faults, VCpuResult<void>(); }
    void set_hypercall_result(uint64_t value) { completed.push_back(value); }
    void set_timer(uint64_t cycles) { timer = cycles; }
    void idle_until(uint64_t cycles) { cycles_ = cycles; }
    bool interruptible() const { return (registers.rflags & 0x200) != 0; }
    VCpuResult<void> inject_interrupt(uint8_t vector) {
        return injected.push_back(vector), VCpuResult<void>();
    }
    VCpuResult<void> request_interrupt_window() { return window_wanted = true, VCpuResult<void>(); }
    VCpuResult<void> cancel_interrupt_window() { return window_wanted = false, VCpuResult<void>(); }
    uint64_t cycles() const { return cycles_; }
    uint64_t instructions() const { return instructions_; }
    ExitRegisters exit_registers() const { return registers; }
    ProcessorState processor_state() const { return {}; }

    std::vector<VmExit> script;
    size_t next = 0;
    ExitRegisters registers;
    std::vector<uint64_t> completed;
    std::vector<unsigned> injected;
    unsigned msr_faults = 0;
    bool window_wanted = false;
    unsigned runs_until_interruptible = 0;
    uint64_t timer = kNever;

  private:
    // The guest sets IF by itself after some runs.
    bool flags_set_interruptible() {
        if (runs_until_interruptible > 0 && --runs_until_interruptible == 0) registers.rflags |= 0x200;
        return interruptible();
    }

    uint64_t cycles_ = 0;
    uint64_t instructions_ = 0;
};
static_assert(MachineCpu<ScriptedCpu>);

}  // namespace vtless::vmm
