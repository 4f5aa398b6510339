// SPDX-License-Identifier: MIT
#include "vcpu/kvm/exits.h"

#include <bit>
#include <cstring>

#include "isa/x86/exit_reason.h"

namespace vtless::kvm {

namespace {

uint64_t load(const uint8_t* bytes, unsigned count) {
    uint64_t value = 0;
    std::memcpy(&value, bytes, count);
    return value;
}

void store(uint8_t* bytes, uint64_t value, unsigned count) { std::memcpy(bytes, &value, count); }

constexpr const char* kSection = "Linux, The Definitive KVM API Documentation, KVM_RUN";

EntryExplanation explain_internal_error(uint32_t suberror) {
    switch (suberror) {
        case KVM_INTERNAL_ERROR_EMULATION:
            return {"kvm.internal_error.emulation",
                    kSection,
                    "KVM has to execute the instruction itself, and cannot",
                    "suberror",
                    suberror,
                    ""};
        case KVM_INTERNAL_ERROR_SIMUL_EX:
            return {"kvm.internal_error.simultaneous_exceptions",
                    kSection,
                    "KVM met an exception during an exception that it cannot combine",
                    "suberror",
                    suberror,
                    ""};
        case KVM_INTERNAL_ERROR_DELIVERY_EV:
            return {"kvm.internal_error.delivery",
                    kSection,
                    "the delivery of an event touched what KVM must emulate: unmapped or device memory",
                    "suberror",
                    suberror,
                    ""};
        case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
            return {"kvm.internal_error.unexpected_exit",
                    kSection,
                    "the processor left the guest for a reason that KVM does not know",
                    "suberror",
                    suberror,
                    ""};
        default:
            return {
                "kvm.internal_error.unknown", kSection, "an internal error of KVM", "suberror", suberror, ""};
    }
}

}  // namespace

VmExit Exits::take() {
    done_ = 0;
    waits_ = false;
    in_flight_ = false;
    const VmExit exit = decode();
    kind_ = exit.kind();
    return exit;
}

VmExit Exits::decode() {
    kvm_run& exit = run();
    switch (exit.exit_reason) {
        case KVM_EXIT_IO:
            return io_part();
        case KVM_EXIT_MMIO:
            return mmio_part();
        case KVM_EXIT_HLT:
            return VmExit::Halt{};
        case KVM_EXIT_IRQ_WINDOW_OPEN:
            return VmExit::Nothing{};
        case KVM_EXIT_IOAPIC_EOI:
            if (config_.eoi_hook.function == nullptr) return unhandled();
            config_.eoi_hook.function(config_.eoi_hook.context, exit.eoi.vector);
            return VmExit::Nothing{};
        case KVM_EXIT_INTR:
            return VmExit::ExternalInterrupt{kRequestVector};
        case KVM_EXIT_X86_RDMSR:
            waits_ = in_flight_ = true;
            return VmExit::SysRegRead{exit.msr.index, 0};
        case KVM_EXIT_X86_WRMSR:
            exit.msr.error = 0;
            in_flight_ = true;
            return VmExit::SysRegWrite{exit.msr.index, exit.msr.data};
        case KVM_EXIT_HYPERCALL: {
            in_flight_ = true;
            VmExit::Hypercall call{exit.hypercall.nr, {}};
            for (size_t i = 0; i < call.args.size(); ++i) call.args[i] = exit.hypercall.args[i];
            return call;
        }
        case KVM_EXIT_SHUTDOWN:
            return final(VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::TRIPLE_FAULT), 0});
        case KVM_EXIT_FAIL_ENTRY:
            return fail_entry(
                exit.fail_entry.hardware_entry_failure_reason,
                {"kvm.fail_entry", kSection,
                 "the processor refused the guest's state; KVM says no more than its number",
                 "hardware_entry_failure_reason", exit.fail_entry.hardware_entry_failure_reason, ""});
        case KVM_EXIT_INTERNAL_ERROR:
            return fail_entry(kInternalError | exit.internal.suberror,
                              explain_internal_error(exit.internal.suberror));
        default:
            return unhandled();
    }
}

// raw: KVM's exit reason, bit 63 set, for it is none of the processor's. KVM_EXIT_UNKNOWN has the
// processor's.
VmExit Exits::unhandled() {
    const uint32_t reason = run().exit_reason;
    if (reason == KVM_EXIT_UNKNOWN) return final(VmExit::Unhandled{run().hw.hardware_exit_reason, 0});
    return final(VmExit::Unhandled{kInternalError | reason, 0});
}

VmExit Exits::fail_entry(uint64_t reason, const EntryExplanation& why) {
    explanation_ = why;
    return final(VmExit::FailEntry{reason, &explanation_});
}

VmExit Exits::io_part() {
    const auto& io = run().io;
    const bool good_size = io.size == 1 || io.size == 2 || io.size == 4;
    if (!good_size || io.data_offset > bytes_ || uint64_t{io.count} * io.size > bytes_ - io.data_offset)
        return unhandled();
    const auto width = static_cast<AccessWidth>(io.size);
    if (io.direction == KVM_EXIT_IO_IN) {
        waits_ = in_flight_ = true;
        return VmExit::IoRead{io.port, width};
    }
    const uint64_t data = load(shared_ + io.data_offset + uint64_t{done_} * io.size, io.size);
    ++done_;
    in_flight_ = true;
    const vmx::PowerOffPort& power = config_.power_off;
    if (power.enabled && io.size == 2 && io.port == power.port && data == power.value)
        return VmExit::SystemDown{};
    return VmExit::IoWrite{io.port, width, data};
}

unsigned Exits::mmio_width() { return std::bit_floor(run().mmio.len - done_); }

VmExit Exits::mmio_part() {
    const auto& mmio = run().mmio;
    if (mmio.len == 0 || mmio.len > sizeof mmio.data) return unhandled();
    const Gpa address(mmio.phys_addr + done_);
    in_flight_ = true;
    bool device = false;
    for (const vmx::MmioRange& range : config_.mmio)
        device = device || range.contains(Gpa(mmio.phys_addr), mmio.len);
    const bool write = mmio.is_write != 0;
    if (!device) return final(VmExit::NestedPageFault{address, {!write, write, false}});
    const auto width = static_cast<AccessWidth>(mmio_width());
    if (!write) {
        waits_ = true;
        return VmExit::MmioRead{address, width, width, false, 0};
    }
    const uint64_t data = load(mmio.data + done_, bytes(width));
    done_ += bytes(width);
    return VmExit::MmioWrite{address, width, data};
}

bool Exits::has_more_parts() {
    const kvm_run& exit = run();
    return in_flight_ && !waits_ && can_go_on_ &&
           ((exit.exit_reason == KVM_EXIT_IO && done_ < exit.io.count) ||
            (exit.exit_reason == KVM_EXIT_MMIO && done_ < exit.mmio.len));
}

std::optional<VmExit> Exits::next_part() {
    if (!has_more_parts()) return std::nullopt;
    const VmExit part = run().exit_reason == KVM_EXIT_IO ? io_part() : mmio_part();
    kind_ = part.kind();
    return part;
}

bool Exits::awaits_single_port_read() { return waits_ && kind_ == ExitKind::IoRead && run().io.count == 1; }

Result<void> Exits::complete_io_read(uint64_t value) {
    if (!waits_ || kind_ != ExitKind::IoRead)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    const auto& io = run().io;
    store(shared_ + io.data_offset + uint64_t{done_} * io.size, value, io.size);
    ++done_;
    waits_ = false;
    return {};
}

Result<void> Exits::complete_mmio_read(uint64_t value) {
    if (!waits_ || kind_ != ExitKind::MmioRead)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    const unsigned width = mmio_width();
    store(run().mmio.data + done_, value, width);
    done_ += width;
    waits_ = false;
    return {};
}

Result<void> Exits::complete_sysreg_read(uint64_t value) {
    if (!waits_ || kind_ != ExitKind::SysRegRead)
        return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    run().msr.data = value;
    run().msr.error = 0;
    waits_ = false;
    return {};
}

Result<void> Exits::fail_sysreg_access() {
    const bool pending =
        (waits_ && kind_ == ExitKind::SysRegRead) || (in_flight_ && kind_ == ExitKind::SysRegWrite);
    if (!pending) return fail_with(VCpuErrc::InvalidInput, Failure::NothingPending);
    run().msr.error = 1;
    waits_ = false;
    return {};
}

bool Exits::complete_hypercall(uint64_t value) {
    if (!in_flight_ || kind_ != ExitKind::Hypercall) return false;
    run().hypercall.ret = value;
    return true;
}

}  // namespace vtless::kvm
