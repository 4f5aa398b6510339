// SPDX-License-Identifier: MIT
// Where simulated time went: by what the processor did, by VM exit, and by guest instruction. Every tick is
// in one phase of one exit, and what is in the phase Guest is also in one instruction. docs/attribution.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/profile/address_profile.h"

namespace vtless::sim {

enum class CyclePhase : uint8_t {
    Guest,      // instructions of the guest, those that the processor carries out for it included
    Walk,       // page walks, of whoever caused them
    Delivery,   // events through the guest's IDT that no VM entry injected
    Exit,       // VM exits
    Handler,    // what root operation does: its VMX instructions, or all its instructions if they run here
    Entry,      // VM entries,
    Injection,  // and the event that one injects
    Idle,       // halted, until something happens
};
inline constexpr unsigned kCyclePhases = 8;
const char* name(CyclePhase phase);

// By phase.
struct PhaseTimes {
    std::array<uint64_t, kCyclePhases> values{};

    uint64_t& operator[](CyclePhase phase) { return values[static_cast<size_t>(phase)]; }
    uint64_t operator[](CyclePhase phase) const { return values[static_cast<size_t>(phase)]; }
    uint64_t total() const;
    PhaseTimes& operator+=(const PhaseTimes& other);
    friend bool operator==(const PhaseTimes&, const PhaseTimes&) = default;
};

// Of all VM exits with a reason: what ran up to each of them, and what came between it and the guest again.
struct ExitTimes {
    uint64_t count = 0;
    PhaseTimes ticks;  // kTicksPerCycle a cycle; exact, the same in every run
    // Of the host, while that was simulated: never the same. Walk, Injection and Idle have none of their own:
    // walks are in Guest, injection is in Delivery, and Idle is in Handler.
    PhaseTimes host_ns;
};

// To be attached by EngineConfig::profile, to one processor, which tells it what happens. Neither changes
// what that does, nor how long it takes: in simulated time.
class CycleProfile {
  public:
    static constexpr unsigned kReasons = 128;  // basic exit reasons

    // Complete up to now after VmxProcessor::settle_profile().
    PhaseTimes ticks() const;
    PhaseTimes host_ns() const;
    // By basic exit reason, VM-entry failures that are reported as exits included.
    const ExitTimes& exits(unsigned reason) const { return rows_[reason]; }
    // Before the first VM exit; what the guest ran up to that is the exit's.
    const ExitTimes& start() const { return rows_[kStart]; }
    // What took time, by address space and address. Its sum is ticks()[CyclePhase::Guest].
    std::vector<InstructionTime> instructions() const { return addresses_.instructions(); }

    // ------------------------------------------------------------------ what the engine and the processor
    // say

    // In ticks.
    struct Costs {
        uint64_t walk_reference = 0;
        uint64_t carried_out = 0;
        uint64_t vm_exit = 0;
        uint64_t event_delivery = 0;
    };
    // The engine's clocks.
    struct Moment {
        uint64_t ticks = 0;
        uint64_t instructions = 0;
        uint64_t references = 0;
    };

    void start(const Costs& costs);
    // Root operation has executed VMLAUNCH or VMRESUME,
    void begin_entry(const Moment& now);
    // the guest's state is loaded, and an event is to be injected or is not,
    void begin_guest(const Moment& now, bool injects);
    // and that is over: by a VM exit, a VM-entry failure that looks like one, or an error.
    void end_entry(const Moment& now, std::optional<unsigned> reason);
    // Around each run of the engine. It has stopped before the instruction at `at`.
    void begin_run(const Moment& now);
    void end_run(const Moment& now, const CodePlace& at);
    void wait(uint64_t ticks);
    // Root operation has come here.
    void settle(const Moment& now);

    // Within a run of the engine, of the guest.
    bool in_guest() const { return stage_ == Stage::Guest; }
    // So many instructions have been counted; those that were charged, and are not among them, have not run.
    void counted(uint64_t instructions) {
        if (instructions == counted_) [[likely]]
            return;
        addresses_.take_back(counted_ - instructions);
        counted_ = instructions;
    }
    bool has_counted(uint64_t instructions) const { return instructions == counted_; }
    void charge(const CodeBlock& block, const CodePlace& at, uint64_t instructions) {
        addresses_.charge(block, at);
        counted_ = instructions;
    }
    void charge_once(const CodeBlock& block, const CodePlace& at, uint64_t instructions) {
        addresses_.charge_once(block, at);
        counted_ = instructions;
    }
    void charge_instruction(const CodePlace& at, uint64_t ticks, uint64_t instructions) {
        addresses_.add(at, ticks);
        counted_ = instructions;
    }
    void forget_blocks() { addresses_.forget_blocks(); }

  private:
    using HostClock = std::chrono::steady_clock;
    enum class Stage : uint8_t { Root, Entry, Guest };
    static constexpr unsigned kStart = kReasons;

    ExitTimes& last_exit() { return rows_[last_exit_]; }
    uint64_t pass(const Moment& now, PhaseTimes& to);
    void pass_between_runs(const Moment& now);
    uint64_t pass_host();

    Costs costs_;
    Stage stage_ = Stage::Root;
    std::array<ExitTimes, kReasons + 1> rows_{};
    unsigned last_exit_ = kStart;
    ExitTimes coming_;  // what leads to the next exit
    Moment at_;         // all before it is attributed
    HostClock::time_point host_at_;
    bool injects_ = false;
    uint64_t counted_ = 0;
    CodePlace stopped_at_;
    AddressProfile addresses_;
};

}  // namespace vtless::sim
