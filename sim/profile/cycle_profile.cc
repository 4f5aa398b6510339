// SPDX-License-Identifier: MIT
#include "sim/profile/cycle_profile.h"

#include <algorithm>
#include <numeric>

namespace vtless::sim {

const char* name(CyclePhase phase) {
    static constexpr const char* kNames[kCyclePhases] = {"guest",   "walk",  "delivery",  "exit",
                                                         "handler", "entry", "injection", "idle"};
    return kNames[static_cast<size_t>(phase)];
}

uint64_t PhaseTimes::total() const { return std::accumulate(values.begin(), values.end(), uint64_t{0}); }

PhaseTimes& PhaseTimes::operator+=(const PhaseTimes& other) {
    for (size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
    return *this;
}

PhaseTimes CycleProfile::ticks() const {
    PhaseTimes sum = coming_.ticks;
    for (const ExitTimes& row : rows_) sum += row.ticks;
    return sum;
}

PhaseTimes CycleProfile::host_ns() const {
    PhaseTimes sum = coming_.host_ns;
    for (const ExitTimes& row : rows_) sum += row.host_ns;
    return sum;
}

void CycleProfile::start(const Costs& costs) {
    costs_ = costs;
    host_at_ = HostClock::now();
}

// Attributes what walks took, and returns what else did.
uint64_t CycleProfile::pass(const Moment& now, PhaseTimes& to) {
    const uint64_t walks = (now.references - at_.references) * costs_.walk_reference;
    const uint64_t others = now.ticks - at_.ticks - walks;
    to[CyclePhase::Walk] += walks;
    at_ = now;
    return others;
}

uint64_t CycleProfile::pass_host() {
    const HostClock::time_point now = HostClock::now();
    const auto passed = std::chrono::nanoseconds(now - host_at_).count();
    host_at_ = now;
    return static_cast<uint64_t>(passed);
}

void CycleProfile::begin_entry(const Moment& now) {
    settle(now);
    stage_ = Stage::Entry;
}

void CycleProfile::settle(const Moment& now) {
    last_exit().ticks[CyclePhase::Handler] += pass(now, last_exit().ticks);
    last_exit().host_ns[CyclePhase::Handler] += pass_host();
}

// Root code has no entries of its own.
void CycleProfile::begin_guest(const Moment& now, bool injects) {
    if (stage_ != Stage::Entry) return;
    last_exit().ticks[CyclePhase::Entry] += pass(now, last_exit().ticks);
    last_exit().host_ns[CyclePhase::Entry] += pass_host();
    stage_ = Stage::Guest;
    injects_ = injects;
}

void CycleProfile::begin_run(const Moment& now) {
    if (!in_guest()) return;
    pass_between_runs(now);
    coming_.host_ns[CyclePhase::Delivery] += pass_host();
    counted_ = now.instructions;
}

// Where the engine does not run, the processor retires instructions that it was stopped before, and delivers
// events; the first of them is the injected one.
void CycleProfile::pass_between_runs(const Moment& now) {
    const uint64_t retired = (now.instructions - at_.instructions) * costs_.carried_out;
    uint64_t delivered = pass(now, coming_.ticks) - retired;
    coming_.ticks[CyclePhase::Guest] += retired;
    if (retired != 0) addresses_.add(stopped_at_, retired);
    if (injects_) {
        const uint64_t injected = std::min(delivered, costs_.event_delivery);
        last_exit().ticks[CyclePhase::Injection] += injected;
        delivered -= injected;
        injects_ = false;
    }
    coming_.ticks[CyclePhase::Delivery] += delivered;
}

void CycleProfile::end_run(const Moment& now, const CodePlace& at) {
    if (!in_guest()) return;
    counted(now.instructions);
    coming_.ticks[CyclePhase::Guest] += pass(now, coming_.ticks);
    coming_.host_ns[CyclePhase::Guest] += pass_host();
    stopped_at_ = at;
}

void CycleProfile::end_entry(const Moment& now, std::optional<unsigned> reason) {
    if (in_guest()) {
        at_.ticks += costs_.vm_exit;
        coming_.ticks[CyclePhase::Exit] += costs_.vm_exit;
        pass_between_runs(now);
        coming_.host_ns[CyclePhase::Exit] += pass_host();
    } else {
        last_exit().ticks[CyclePhase::Entry] += pass(now, last_exit().ticks);
        last_exit().host_ns[CyclePhase::Entry] += pass_host();
    }
    stage_ = Stage::Root;
    if (!reason || *reason >= kReasons) return;
    last_exit_ = *reason;
    last_exit().count += 1;
    last_exit().ticks += coming_.ticks;
    last_exit().host_ns += coming_.host_ns;
    coming_ = {};
}

void CycleProfile::wait(uint64_t ticks) {
    (in_guest() ? coming_ : last_exit()).ticks[CyclePhase::Idle] += ticks;
    at_.ticks += ticks;
}

}  // namespace vtless::sim
