// SPDX-License-Identifier: MIT
#include "traces/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "isa/x86/exit_reason.h"
#include "isa/x86/rflags.h"

namespace vtless::traces {

namespace {

constexpr uint64_t kLongestInstruction = 15;

// KVM executes itself what a VMX backend shows.
bool kept_by(const Trace& other, const Trace& from) {
    return from.backend == "vmx" && other.backend == "kvm";
}

std::string kept(const ExitLine& exit) {
    const auto raw = static_cast<uint32_t>(exit.seen("raw").value_or(0));
    const char* reason = x86::name(x86::ExitReasonField{raw}.basic());
    return fmt::format("kept.{}", reason != nullptr ? reason : "unknown");
}

bool is_window(const ExitLine& exit) {
    const auto raw = exit.seen("raw");
    if (!raw) return true;  // KVM's only Nothing
    const auto reason = x86::ExitReasonField{static_cast<uint32_t>(*raw)}.basic();
    return reason == x86::ExitReason::INTERRUPT_WINDOW || reason == x86::ExitReason::NMI_WINDOW;
}

bool is_preemption(const ExitLine& exit) {
    const auto raw = exit.seen("raw");
    return raw &&
           x86::ExitReasonField{static_cast<uint32_t>(*raw)}.basic() == x86::ExitReason::PREEMPTION_TIMER;
}

// Interrupt controllers, timers and clocks. What initialises an interrupt controller (ICW1) is none of it.
bool is_time_keeping(const ExitLine& exit) {
    if (exit.kind != "IoRead" && exit.kind != "IoWrite") return false;
    const uint64_t port = exit.payload("port").value_or(0);
    constexpr uint64_t kIcw1 = 1 << 4;
    if (port == 0x20 || port == 0xa0)
        return exit.kind == "IoRead" || (exit.payload("data").value_or(0) & kIcw1) == 0;
    constexpr uint64_t kPorts[] = {0x21, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x608};
    return std::find(std::begin(kPorts), std::end(kPorts), port) != std::end(kPorts);
}

bool is_x2apic(const ExitLine& exit) {
    const uint64_t msr = exit.payload("addr").value_or(0);
    return (exit.kind == "SysRegRead" || exit.kind == "SysRegWrite") && msr >= 0x800 && msr <= 0x8ff;
}

std::string_view take_field(std::string_view& fields) {
    fields.remove_prefix(1);  // the comma
    const std::string_view field = fields.substr(0, std::min(fields.find(','), fields.size()));
    fields.remove_prefix(field.size());
    return field;
}

bool lacks(const Trace& trace, std::string_view field) {
    const std::string_view name = field.substr(0, field.find('='));
    return std::find(trace.absent.begin(), trace.absent.end(), name) != trace.absent.end();
}

// Without the fields that the other trace cannot have.
std::vector<std::string_view> common_fields(const ExitLine& exit, const Trace& other) {
    std::vector<std::string_view> result;
    for (std::string_view rest = exit.fields; !rest.empty();) {
        const std::string_view field = take_field(rest);
        if (!lacks(other, field)) result.push_back(field);
    }
    return result;
}

}  // namespace

std::optional<std::string> not_compared(const ExitLine& exit, const Trace& from, const Trace& other) {
    if (exit.kind == "ExternalInterrupt" || exit.kind == "PreemptionTimer") return "timing.slice";
    if (exit.kind != "Nothing") return std::nullopt;
    if (is_window(exit)) return "timing.window";
    if (is_preemption(exit)) return "timing.slice";
    if (kept_by(other, from)) return kept(exit);
    return std::nullopt;
}

std::optional<std::string> tolerated_alone(const ExitLine& exit, const Trace& from, const Trace& other) {
    const bool interrupts = (exit.seen("rflags").value_or(0) & x86::rflags::IF) != 0;
    if (exit.kind == "Halt" && interrupts) return "timing.halt";
    if (is_time_keeping(exit)) return "timing.clock";
    if (!kept_by(other, from)) return std::nullopt;
    if (exit.kind == "Hypercall") return kept(exit);
    if (is_x2apic(exit)) return "kept.x2apic";
    return std::nullopt;
}

bool same_exit(const ExitLine& a, const Trace& of_a, const ExitLine& b, const Trace& of_b) {
    return !a.kind.empty() && a.kind == b.kind && common_fields(a, of_b) == common_fields(b, of_a);
}

size_t parts_of(const ExitLine& wide, const std::vector<std::string>& exits, size_t first) {
    const bool write = wide.kind == "MmioWrite";
    if (!write && wide.kind != "MmioRead") return 0;
    const uint64_t width = wide.payload("width").value_or(0);
    const uint64_t address = wide.payload("addr").value_or(0);
    const uint64_t data = wide.payload("data").value_or(0);
    size_t count = 0;
    uint64_t done = 0;
    while (done < width && first + count < exits.size()) {
        const ExitLine part(exits[first + count]);
        const uint64_t bytes = part.payload("width").value_or(0);
        if (part.kind != wide.kind || bytes == 0 || bytes >= width || bytes > width - done) return 0;
        if (part.payload("addr") != address + done) return 0;
        const uint64_t mask = (uint64_t{1} << (8 * bytes)) - 1;
        if (write && part.payload("data") != ((data >> (8 * done)) & mask)) return 0;
        done += bytes;
        ++count;
    }
    return width != 0 && done == width ? count : 0;
}

Place same_place(const ExitLine& a, const ExitLine& b) {
    const auto at_a = a.seen("rip");
    const auto at_b = b.seen("rip");
    if (!at_a || !at_b || *at_a == *at_b) return Place::Same;
    const bool a_is_before = a.before() && *at_b - *at_a <= kLongestInstruction;
    const bool b_is_before = b.before() && *at_a - *at_b <= kLongestInstruction;
    return a_is_before || b_is_before ? Place::Before : Place::Different;
}

std::string_view explain_rule(std::string_view rule) {
    if (rule == "timing.slice") return "the host's timer or signal, or the end of a time slice";
    if (rule == "timing.window") return "the guest can take an interrupt that waits";
    if (rule == "timing.halt") return "HLT with interrupts on: how often depends on when they come";
    if (rule == "timing.clock") return "interrupt controller, timer or clock: how often depends on time";
    if (rule == "kept.x2apic") return "an MSR of the APIC, which KVM does not pass on";
    if (rule == kSplitRule) return "an access to device memory that one backend shows in parts";
    if (rule == kBeforeRule) return "KVM finishes the instruction later: RIP is still at it";
    return "KVM carries it out itself";  // kept.
}

}  // namespace vtless::traces
