// SPDX-License-Identifier: MIT
#include <cerrno>

#include "vcpu/kvm/core.h"

namespace vtless::kvm {

Result<VmExit> Core::run() {
    if (!bound_) return fail_with(VCpuErrc::Backend, Failure::NotBound);
    if (!exit_ready_) {
        const auto kind = static_cast<uint32_t>(exits_.kind());
        if (const auto part = exits_.next_part()) return *part;
        if (exits_.waits()) return fail_with(VCpuErrc::InvalidInput, Failure::NotCompleted, kind);
        if (!exits_.can_go_on()) return fail_with(VCpuErrc::Backend, Failure::CannotGoOn, kind);
        if (const auto done = prepare_events(); !done) return Unexpected(done.error());
        if (window_wanted_ && window_is_open()) return VmExit(VmExit::Nothing{});
    }
    if (!exit_ready_) {
        if (const auto done = flush_registers(); !done) return Unexpected(done.error());
        const auto left = enter(false);
        if (!left) return Unexpected(left.error());
        if (!*left) return leave_early();
    }
    exit_ready_ = false;
    return exits_.take();
}

// A signal ended KVM_RUN: whose?
Result<VmExit> Core::leave_early() {
    if (kick_.take_expiry()) return VmExit::PreemptionTimer{};
    if (kick_.take_request()) kick_.rearm();
    return VmExit::ExternalInterrupt{kRequestVector};
}

// The timer is made when it is first wanted, by the thread whose it is.
Result<void> Core::start_slice() {
    if (!slice_) {
        auto timer = SliceTimer::create(vm_.kick_signal());
        if (!timer) return Unexpected(timer.error());
        slice_.emplace(std::move(*timer));
    }
    return slice_->start(config_.time_slice);
}

// KVM_RUN: whether there is an exit. at_once: only to finish what is in flight.
Result<bool> Core::enter(bool at_once) {
    const bool timed = config_.time_slice.count() > 0 && !at_once;
    Expected<int, int> left = 0;
    {
        Kick::Running running(kick_);
        if (at_once) kick_.stop_at_once();
        if (timed)
            if (const auto started = start_slice(); !started) return Unexpected(started.error());
        do left = fd_.raw(KVM_RUN, 0);  // EAGAIN: a start-up IPI has come
        while (!left && left.error() == EAGAIN);
        if (timed)
            if (const auto stopped = slice_->start(std::chrono::nanoseconds(0)); !stopped)
                return Unexpected(stopped.error());
        kick_.rearm();
    }
    registers_valid_ = false;
    readiness_stale_ = false;
    exits_.finished();
    if (left) return true;
    if (left.error() == EINTR) return false;
    return fail_with(VCpuErrc::Backend, Failure::Ioctl, static_cast<uint32_t>(KVM_RUN), left.error());
}

// Finishing an instruction may bring its next exit.
Result<void> Core::settle() {
    if (exit_ready_ || !exits_.in_flight() || exits_.waits() || !exits_.can_go_on()) return {};
    if (exits_.has_more_parts()) return {};
    return refresh_readiness();
}

Result<void> Core::refresh_readiness() {
    if (const auto done = flush_registers(); !done) return done;
    const auto left = enter(true);
    if (!left) return Unexpected(left.error());
    exit_ready_ = *left;
    return {};
}

// A WRMSR that can still be refused stays where it is.
Result<void> Core::fetch_registers() {
    if (!exits_.can_be_refused())
        if (const auto done = settle(); !done) return done;
    if (registers_valid_) return {};
    if (const auto done = call(fd_, KVM_GET_REGS, &regs_); !done) return Unexpected(done.error());
    if (const auto done = call(fd_, KVM_GET_SREGS, &sregs_); !done) return Unexpected(done.error());
    registers_valid_ = true;
    return {};
}

Result<void> Core::flush_registers() {
    if (!registers_changed_) return {};
    if (const auto done = call(fd_, KVM_SET_SREGS, &sregs_); !done) return Unexpected(done.error());
    if (const auto done = call(fd_, KVM_SET_REGS, &regs_); !done) return Unexpected(done.error());
    registers_changed_ = false;
    exits_.run().cr8 = sregs_.cr8;  // KVM_RUN loads CR8 from there, unless the local APIC is its own
    return {};
}

Result<uint64_t> Core::gpr(x86::Gpr index) {
    if (const auto done = fetch_registers(); !done) return Unexpected(done.error());
    return get_gpr(regs_, index);
}

// The answer to a port read may come as the new value of RAX: that is how AxVCpu's embedders give it.
Result<void> Core::set_gpr(x86::Gpr index, uint64_t value) {
    if (index == x86::Gpr::RAX && exits_.awaits_single_port_read())
        if (const auto done = exits_.complete_io_read(value); !done) return done;
    if (exits_.waits())
        return fail_with(VCpuErrc::InvalidInput, Failure::NotCompleted, static_cast<uint32_t>(exits_.kind()));
    if (const auto done = settle(); !done) return done;
    if (const auto done = fetch_registers(); !done) return done;
    kvm::set_gpr(regs_, index, value);
    registers_changed_ = true;
    return {};
}

Result<GuestState> Core::state() {
    if (const auto done = fetch_registers(); !done) return Unexpected(done.error());
    return load(regs_, sregs_);
}

// What settling would answer is the embedder's to answer: an MSR access may yet be a fault.
Result<ExitState> Core::state_at_exit() {
    if (!exits_.in_flight()) {
        const auto now = state();
        return now ? Result<ExitState>({*now, false}) : Result<ExitState>(Unexpected(now.error()));
    }
    kvm_regs regs{};
    kvm_sregs sregs{};
    if (const auto done = call(fd_, KVM_GET_REGS, &regs); !done) return Unexpected(done.error());
    if (const auto done = call(fd_, KVM_GET_SREGS, &sregs); !done) return Unexpected(done.error());
    return ExitState{load(regs, sregs), true};
}

Result<void> Core::set_state(const GuestState& state) {
    if (exits_.waits())
        return fail_with(VCpuErrc::InvalidInput, Failure::NotCompleted, static_cast<uint32_t>(exits_.kind()));
    if (const auto done = settle(); !done) return done;
    if (const auto done = fetch_registers(); !done) return done;
    store(state, regs_, sregs_);
    registers_changed_ = true;
    readiness_stale_ = true;
    return {};
}

Result<std::optional<Gpa>> Core::translate(Gva address) {
    if (const auto done = flush_registers(); !done) return Unexpected(done.error());
    kvm_translation translation{};
    translation.linear_address = address.value();
    if (const auto done = call(fd_, KVM_TRANSLATE, &translation); !done) return Unexpected(done.error());
    return translation.valid != 0 ? std::optional(Gpa(translation.physical_address)) : std::nullopt;
}

Result<void> Core::push_exception(const Exception& exception) {
    if (exceptions_.size() == kExceptions)
        return fail_with(VCpuErrc::ResourceBusy, Failure::QueueFull, kExceptions);
    exceptions_.push_back(exception);
    return {};
}

Result<void> Core::inject_nmi() {
    const auto done = call(fd_, KVM_NMI);
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

Result<bool> Core::can_take_interrupt() {
    if (has_events() || exits_.waits()) return false;
    if (const auto done = make_ready(); !done) return Unexpected(done.error());
    return !exit_ready_ && window_is_open();
}

// Nothing is in flight, and kvm_run says whether the guest can take an interrupt; or it holds an exit.
Result<void> Core::make_ready() {
    if (const auto done = settle(); !done) return done;
    return readiness_stale_ && !exit_ready_ ? refresh_readiness() : Result<void>();
}

// At most one event an entry: an exception, else the highest interrupt. KVM keeps what it has to repeat.
Result<void> Core::prepare_events() {
    if (has_events() || window_wanted_) {
        if (const auto done = make_ready(); !done) return done;
        if (exit_ready_) return {};
        const auto exception = inject_next_exception();
        if (!exception) return Unexpected(exception.error());
        if (!*exception && interrupts_.any() && window_is_open()) {
            unsigned vector = 255;
            while (!interrupts_.test(vector)) --vector;
            kvm_interrupt interrupt{vector};
            if (const auto done = call(fd_, KVM_INTERRUPT, &interrupt); !done)
                return Unexpected(done.error());
            interrupts_.reset(vector);
            exits_.run().ready_for_interrupt_injection = 0;
        }
    }
    exits_.run().request_interrupt_window = window_wanted_ || interrupts_.any() ? 1 : 0;
    return {};
}

Result<bool> Core::inject_next_exception() {
    if (exceptions_.empty()) return false;
    kvm_vcpu_events events{};
    if (const auto done = call(fd_, KVM_GET_VCPU_EVENTS, &events); !done) return Unexpected(done.error());
    if (events.exception.injected != 0 || events.interrupt.injected != 0) return true;  // that one first
    if (const auto awake = wake(); !awake) return Unexpected(awake.error());
    const Exception next = exceptions_.front();
    if (next.address) {
        if (const auto done = fetch_registers(); !done) return Unexpected(done.error());
        sregs_.cr2 = *next.address;
        registers_changed_ = true;
        if (const auto done = flush_registers(); !done) return Unexpected(done.error());
    }
    events.exception.injected = 1;
    events.exception.nr = static_cast<uint8_t>(next.vector);
    events.exception.has_error_code = next.has_error_code;
    events.exception.error_code = next.error_code;
    events.flags = 0;
    if (const auto done = call(fd_, KVM_SET_VCPU_EVENTS, &events); !done) return Unexpected(done.error());
    exceptions_.pop_front();
    return true;
}

}  // namespace vtless::kvm
