// SPDX-License-Identifier: MIT
// The run loop: one processor on one board, until the guest ends, fails, or a limit is reached.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "isa/x86/exit_reason.h"
#include "isa/x86/rflags.h"
#include "vmm/board.h"
#include "vmm/digest.h"
#include "vmm/machine_cpu.h"
#include "vmm/outcome.h"
#include "vmm/statistics.h"

namespace vtless::vmm {

struct RunLimits {
    uint64_t max_exits = kNever;
    uint64_t max_cycles = kNever;
};

// Board, memory and processor outlive the machine.
template <MachineCpu Cpu>
class Machine {
  public:
    Machine(Board& board, const GuestMemory& memory, Cpu& cpu) : board_(board), memory_(memory), cpu_(cpu) {}

    Outcome run(const RunLimits& limits) {
        const auto start = HostClock::now();
        std::optional<Outcome> outcome;
        while (!outcome) outcome = turn(limits);
        finish(start);
        return *outcome;
    }

    // Complete after run.
    const RunStatistics& statistics() const { return statistics_; }

  private:
    using HostClock = std::chrono::steady_clock;

    static uint64_t nanoseconds(HostClock::duration duration) {
        return static_cast<uint64_t>(std::chrono::nanoseconds(duration).count());
    }

    // One entry, one exit.
    std::optional<Outcome> turn(const RunLimits& limits) {
        if (auto reached = check_limits(limits)) return reached;
        if (auto failed = prepare_entry(limits)) return failed;
        const auto entry = HostClock::now();
        const VCpuResult<VmExit> exit = cpu_.run();
        const auto left = HostClock::now();
        if (!exit) return Outcome::backend_error(exit.error());

        const uint64_t cycles = cpu_.cycles();
        if constexpr (kHasDigests<Cpu>)
            digests_.add_exit(*exit, cpu_.exit_registers(), cycles, cpu_.instructions());
        board_.advance(cycles);
        auto outcome = handle(*exit, limits);

        ExitStatistics& statistics = statistics_.of(exit->kind());
        ++statistics.count;
        ++exits_;
        statistics.cycles += cycles - accounted_cycles_;
        accounted_cycles_ = cpu_.cycles();
        statistics.guest_nanoseconds += nanoseconds(left - entry);
        statistics.vmm_nanoseconds += nanoseconds(HostClock::now() - left);
        return outcome;
    }

    std::optional<Outcome> check_limits(const RunLimits& limits) const {
        if (exits_ >= limits.max_exits) return Outcome::of(Outcome::Kind::MaxExits);
        if (cpu_.cycles() >= limits.max_cycles) return Outcome::of(Outcome::Kind::MaxCycles);
        return std::nullopt;
    }

    // The interrupt controller is acknowledged only when the guest can take the vector: until then it may
    // still change its mind.
    std::optional<Outcome> prepare_entry(const RunLimits& limits) {
        board_.advance(cpu_.cycles());
        VCpuResult<void> done;
        if (!board_.interrupt_pending()) {
            done = cpu_.cancel_interrupt_window();
        } else if (!cpu_.interruptible()) {
            done = cpu_.request_interrupt_window();
        } else {
            done = cpu_.inject_interrupt(board_.acknowledge_interrupt());
            ++statistics_.interrupts;
        }
        if (!done) return Outcome::backend_error(done.error());
        cpu_.set_timer(std::min(board_.next_event(), limits.max_cycles));
        return std::nullopt;
    }

    std::optional<Outcome> handle(const VmExit& exit, const RunLimits& limits) {
        VCpuResult<void> completed;
        switch (exit.kind()) {
            case ExitKind::IoRead: {
                const auto& io = exit.get<VmExit::IoRead>();
                completed = cpu_.complete_port_read(board_.ports().read(io.port, io.width));
                break;
            }
            case ExitKind::IoWrite: {
                const auto& io = exit.get<VmExit::IoWrite>();
                board_.ports().write(io.port, io.width, static_cast<uint32_t>(io.data));
                break;
            }
            case ExitKind::MmioRead: {
                const auto& mmio = exit.get<VmExit::MmioRead>();
                completed = cpu_.complete_mmio_read(board_.mmio().read(mmio.addr, mmio.width));
                break;
            }
            case ExitKind::MmioWrite: {
                const auto& mmio = exit.get<VmExit::MmioWrite>();
                board_.mmio().write(mmio.addr, mmio.width, mmio.data);
                break;
            }
            case ExitKind::SysRegRead:
                completed = read_msr(exit.get<VmExit::SysRegRead>());
                break;
            case ExitKind::SysRegWrite:
                completed = write_msr(exit.get<VmExit::SysRegWrite>());
                break;
            case ExitKind::Halt:
                return idle(limits);
            case ExitKind::ExternalInterrupt:  // the host's timer: devices have run by now
            case ExitKind::PreemptionTimer:
            case ExitKind::Nothing:
                break;
            case ExitKind::Hypercall:  // none is offered: RAX says so, as KVM does (-ENOSYS is -1000 there)
                cpu_.set_hypercall_result(static_cast<uint64_t>(kNoSuchHypercall));
                break;
            case ExitKind::SystemDown:
                return Outcome::of(Outcome::Kind::SystemDown);
            case ExitKind::FailEntry:
            case ExitKind::NestedPageFault:
            case ExitKind::CpuUp:
            case ExitKind::CpuDown:
            case ExitKind::SendIPI:
            case ExitKind::Unhandled:
                return Outcome::failed(exit);
        }
        if (!completed) return Outcome::backend_error(completed.error());
        return ended_by_guest();
    }

    VCpuResult<void> read_msr(const VmExit::SysRegRead& access) {
        const auto value = board_.msrs().read(static_cast<uint32_t>(access.addr));
        return value ? cpu_.complete_msr_read(*value) : cpu_.fault_msr();
    }

    VCpuResult<void> write_msr(const VmExit::SysRegWrite& access) {
        const bool known = board_.msrs().write(static_cast<uint32_t>(access.addr), access.value);
        return known ? VCpuResult<void>() : cpu_.fault_msr();
    }

    // HLT: device time goes on until an interrupt comes.
    std::optional<Outcome> idle(const RunLimits& limits) {
        const bool interrupts = (cpu_.exit_registers().rflags & x86::rflags::IF) != 0;
        if (!interrupts) return Outcome::of(Outcome::Kind::Halted);
        const uint64_t start = cpu_.cycles();
        uint64_t now = start;
        for (unsigned events = 0; !board_.interrupt_pending(); ++events) {
            // A masked timer goes on for ever.
            if (events == kIdleEvents) return Outcome::of(Outcome::Kind::Deadlock);
            const uint64_t next = std::min(board_.next_event(), limits.max_cycles);
            if (next == kNever) return Outcome::of(Outcome::Kind::Deadlock);
            now = std::max(now, next);
            if (now >= limits.max_cycles) break;
            board_.advance(now);
        }
        cpu_.idle_until(now);
        statistics_.idle_cycles += now - start;
        // A local APIC that does not let it through: nobody else is there to wake the processor.
        if constexpr (kHasApic<Cpu>)
            if (board_.interrupt_pending() && !cpu_.interruptible())
                return Outcome::of(Outcome::Kind::Deadlock);
        return std::nullopt;
    }

    std::optional<Outcome> ended_by_guest() {
        if (board_.power().pending()) return Outcome::asked(*board_.power().pending());
        if (board_.debug_console().seen() || board_.serial().seen()) {
            return Outcome::of(Outcome::Kind::TextSeen);
        }
        return std::nullopt;
    }

    void finish(HostClock::time_point start) {
        board_.debug_console().flush();
        board_.serial().flush();
        if constexpr (kHasDigests<Cpu>) digests_.add_memory(memory_);
        statistics_.simulated = kHasDigests<Cpu>;
        statistics_.cycles = cpu_.cycles();
        statistics_.cycles_per_second = board_.clock().tsc_hz();
        statistics_.instructions = cpu_.instructions();
        statistics_.digest = digests_.digest();
        statistics_.time_digest = digests_.time_digest();
        statistics_.refused_msrs = board_.msrs().refused();
        statistics_.host_nanoseconds = nanoseconds(HostClock::now() - start);
    }

    static constexpr int64_t kNoSuchHypercall = -1000;
    // Events of devices in one HLT without an interrupt: seconds of the fastest timer, weeks of the clock.
    static constexpr unsigned kIdleEvents = 1u << 22;

    Board& board_;
    const GuestMemory& memory_;
    Cpu& cpu_;
    RunDigests digests_;
    RunStatistics statistics_;
    uint64_t exits_ = 0;
    uint64_t accounted_cycles_ = 0;
};

}  // namespace vtless::vmm
