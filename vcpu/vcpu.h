// SPDX-License-Identifier: MIT
// VCpu<A>: the architecture-independent virtual CPU, with the semantics of AxVCpu 0.3 over a backend A.
// docs/vcpu.md has each method's legal states and errors.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "vcpu/arch_vcpu.h"
#include "vcpu/phys_cpu.h"
#include "vcpu/policy.h"

namespace vtless {

struct VCpuIdentity {
    VmId vm_id = 0;
    VCpuId vcpu_id = 0;
    size_t favor_phys_cpu = 0;             // id of the physical CPU that a scheduler should prefer
    std::optional<size_t> phys_cpu_set{};  // bit mask of the physical CPUs allowed; nothing: all
};

namespace detail {

// Leads from one state to another; one that is left open, by an exception, ends in Invalid.
class StateTransition {
  public:
    StateTransition(VCpuState& state, VCpuState during) : state_(state), during_(during) { state_ = during; }
    ~StateTransition() {
        if (open_) {
            state_ = VCpuState::Invalid;
        }
    }
    StateTransition(const StateTransition&) = delete;
    StateTransition& operator=(const StateTransition&) = delete;

    // A vCPU that became Invalid meanwhile stays so.
    void close(bool ok, VCpuState to) {
        open_ = false;
        if (ok && state_ == during_) [[likely]] {
            state_ = to;
        } else {
            close_otherwise(ok, to);
        }
    }

  private:
    [[gnu::cold]] void close_otherwise(bool ok, VCpuState to) {
        state_ = ok && state_ != VCpuState::Invalid ? to : VCpuState::Invalid;
    }

    VCpuState& state_;
    const VCpuState during_;
    bool open_ = true;
};

}  // namespace detail

// Move-constructible except during an operation (checked), not copyable, not thread-safe; may move between
// threads while no operation is in progress. Where upstream panics it returns an error.
template <class A, class Policy = policy::AxVCpu03>
class VCpu : private detail::CurrentVCpu {
  public:
    // `cpu` is where the vCPU is set up and bound, until bind names another. Errors: A::create's.
    static Result<VCpu> create(PhysCpu& cpu, const VCpuIdentity& identity,
                               const typename A::CreateConfig& config) {
        static_assert(ArchVCpu<A>);
        Result<A> arch = A::create(identity.vm_id, identity.vcpu_id, config);
        if (!arch) {
            return Unexpected(arch.error());
        }
        return VCpu(cpu, identity, std::move(*arch));
    }

    VCpu(VCpu&& other)
        : CurrentVCpu(other.checked_idle()),
          cpu_(other.cpu_),
          state_(std::exchange(other.state_, VCpuState::Invalid)),
          identity_(other.identity_),
          arch_(std::move(other.arch_)) {}
    VCpu& operator=(VCpu&&) = delete;
    ~VCpu() { checked_idle(); }

    VCpuId id() const { return identity_.vcpu_id; }
    VmId vm_id() const { return identity_.vm_id; }
    size_t favor_phys_cpu() const { return identity_.favor_phys_cpu; }
    std::optional<size_t> phys_cpu_set() const { return identity_.phys_cpu_set; }
    bool is_bsp() const { return id() == 0; }
    PhysCpu& phys_cpu() const { return *cpu_; }

    VCpuState state() const { return state_; }
    // Breaks the state machine on purpose: the only way out of Invalid.
    void set_state(VCpuState state) { state_ = state; }

    // Created to Free: entry, EPT root, set-up, as far as the first error.
    Result<void> setup(Gpa entry, Hpa ept_root, const typename A::SetupConfig& config) {
        return manipulate_arch_vcpu(VCpuState::Created, VCpuState::Free, [&](A& arch) {
            Result<void> done = arch.set_entry(entry);
            if (done) {
                done = arch.set_ept_root(ept_root);
            }
            return done ? arch.setup(config) : done;
        });
    }

    // Free to Ready. The backend is bound to the physical CPU that executes: `cpu`, or the one named last.
    Result<void> bind() {
        return manipulate_arch_vcpu(VCpuState::Free, VCpuState::Ready, [](A& arch) { return arch.bind(); });
    }
    Result<void> bind(PhysCpu& cpu) {
        if (&cpu != cpu_ && (state_ != VCpuState::Free || is_current())) {
            return refuse(VCpuState::Free, VCpuState::Ready);
        }
        cpu_ = &cpu;
        return bind();
    }
    // Ready to Free.
    Result<void> unbind() {
        return manipulate_arch_vcpu(VCpuState::Ready, VCpuState::Free, [](A& arch) { return arch.unbind(); });
    }

    // Ready to Running to Ready. The exit is built in place; before a change see bench/vcpu_run_bench.cc.
    Result<VmExit> run() {
        return attempt(VCpuState::Ready, VCpuState::Running, VCpuState::Ready,
                       [](A& arch) { return arch.run(); });
    }

    // In any state, also from within this vCPU's own operations. They never change the state.
    Result<void> set_entry(Gpa entry) {
        return call_arch([=](A& arch) { return arch.set_entry(entry); });
    }
    Result<void> set_gpr(size_t index, uint64_t value) {
        return call_arch([=](A& arch) { return arch.set_gpr(index, value); });
    }
    Result<void> inject_interrupt(size_t vector) {
        return call_arch([=](A& arch) { return arch.inject_interrupt(vector); });
    }
    Result<void> set_return_value(uint64_t value) {
        return call_arch([=](A& arch) { return arch.set_return_value(value), Result<void>(); });
    }
    // The backend itself: nothing is checked and this vCPU is not made current.
    A& get_arch_vcpu() { return arch_; }
    const A& get_arch_vcpu() const { return arch_; }

    // Calls f(), which returns a Result, in state `from`; then the state is `to`, or Invalid if f failed.
    template <class F>
    std::invoke_result_t<F> with_state_transition(VCpuState from, VCpuState to, F&& f) {
        using R = std::invoke_result_t<F>;
        return starts_in(from) ? pass_through(from, to, std::forward<F>(f)) : R(refuse_state(from, to));
    }
    Result<void> transition_state(VCpuState from, VCpuState to) {
        return with_state_transition(from, to, [] { return Result<void>(); });
    }

    // Calls f(), which returns a Result, with this vCPU current on its physical CPU. Nested if there is one.
    template <class F>
    std::invoke_result_t<F> with_current_cpu_set(F&& f) {
        using R = std::invoke_result_t<F>;
        return may_be_current(kSame) ? as_current(std::forward<F>(f)) : R(nested());
    }

    // Both: calls f(A&), which returns a Result. The state is checked first.
    template <class F>
    std::invoke_result_t<F, A&> manipulate_arch_vcpu(VCpuState from, VCpuState to, F&& f) {
        return attempt(from, from, to, std::forward<F>(f));
    }

  private:
    static constexpr detail::SameVCpu kSame =
        Policy::kNestOnSameVCpu ? detail::SameVCpu::Allow : detail::SameVCpu::Refuse;

    VCpu(PhysCpu& cpu, const VCpuIdentity& identity, A&& arch)
        : CurrentVCpu{&detail::type_tag<VCpu>, identity.vcpu_id},
          cpu_(&cpu),
          identity_(identity),
          arch_(std::move(arch)) {}

    bool is_current() const { return detail::MakeCurrent::current(*cpu_) == this; }
    bool starts_in(VCpuState from) const { return state_ == from && from != VCpuState::Invalid; }
    bool may_be_current(detail::SameVCpu same) const {
        return detail::MakeCurrent::permits(*cpu_, *this, same);
    }

    // These three return what f returns where the caller wants it. A second return statement, or a result in
    // an inner block, would copy its 72 bytes through a store-forwarding stall: 6 to 25 ns.
    template <class F>
    std::invoke_result_t<F> pass_through(VCpuState during, VCpuState to, F&& f) {
        detail::StateTransition transition(state_, during);
        auto result = std::forward<F>(f)();
        transition.close(result.has_value(), to);
        return result;
    }
    template <class F>
    std::invoke_result_t<F> as_current(F&& f) {
        detail::MakeCurrent current(*cpu_, *this);
        return std::forward<F>(f)();
    }
    template <class F>
    std::invoke_result_t<F, A&> attempt(VCpuState from, VCpuState during, VCpuState to, F&& f) {
        using R = std::invoke_result_t<F, A&>;
        return starts_in(from) && may_be_current(kSame)
                   ? pass_through(during, to,
                                  [&] { return as_current([&] { return std::forward<F>(f)(arch_); }); })
                   : R(refuse(from, during == from ? to : during));
    }

    template <class F>
    Result<void> call_arch(F&& f) {
        return may_be_current(detail::SameVCpu::Allow) ? as_current([&] { return f(arch_); })
                                                       : Result<void>(nested());
    }

    [[gnu::cold, gnu::noinline]] Unexpected<VCpuError> refuse(VCpuState from, VCpuState to) {
        if (!starts_in(from)) {
            return refuse_state(from, to);
        }
        invalidate_refused();
        return nested();
    }
    Unexpected<VCpuError> refuse_state(VCpuState from, VCpuState to) {
        const VCpuState actual = state_;
        invalidate_refused();
        return Unexpected(VCpuError::bad_state(from, to, actual));
    }
    Unexpected<VCpuError> nested() const {
        return fail(VCpuErrc::Nested, detail::MakeCurrent::current(*cpu_)->id);
    }
    void invalidate_refused() {
        if (Policy::kRefusalInvalidates) {
            state_ = VCpuState::Invalid;
        }
    }

    const CurrentVCpu& checked_idle() const {
        VTLESS_CHECK(!is_current());
        return *this;
    }

    friend class PhysCpu;

    PhysCpu* cpu_;
    VCpuState state_ = VCpuState::Created;
    VCpuIdentity identity_;
    A arch_;
};

template <class A, class Policy = policy::AxVCpu03>
Result<VCpu<A, Policy>*> get_current_vcpu(const PhysCpu& cpu) {
    return cpu.current_vcpu<A, Policy>();
}

template <class A, class Policy>
Result<VCpu<A, Policy>*> PhysCpu::current_vcpu() const {
    using V = VCpu<A, Policy>;
    if (current_ != nullptr && current_->type != &detail::type_tag<V>) {
        return fail(VCpuErrc::OtherBackend, current_->id);
    }
    return static_cast<V*>(current_);
}

}  // namespace vtless
