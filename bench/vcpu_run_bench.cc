// SPDX-License-Identifier: MIT
// What does VCpu::run cost on top of the backend's own run? For every exit kind, alternating batches of
// Mock::run called directly and through VCpu: `direct`, `vcpu` and their difference `more` in ns a call
// (goal: at most 1.5). The same for an exit that is a std::variant: what VmExit's own union is measured
// against.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <variant>

#include "bench/support/versus.h"
#include "vcpu/vcpu.h"

namespace {

using namespace vtless;

using VariantExit =
    std::variant<VmExit::Hypercall, VmExit::MmioRead, VmExit::MmioWrite, VmExit::SysRegRead,
                 VmExit::SysRegWrite, VmExit::IoRead, VmExit::IoWrite, VmExit::ExternalInterrupt,
                 VmExit::NestedPageFault, VmExit::Halt, VmExit::CpuUp, VmExit::CpuDown, VmExit::SystemDown,
                 VmExit::Nothing, VmExit::FailEntry, VmExit::SendIPI, VmExit::PreemptionTimer,
                 VmExit::Unhandled>;
static_assert(std::variant_size_v<VariantExit> == kExitKinds);
static_assert(sizeof(VariantExit) == sizeof(VmExit));

// Leaves with the payload it holds. ClobberMemory keeps the compiler from learning, through the call, that
// the vCPU's state does not change in it.
template <class Payload>
class Mock {
  public:
    struct CreateConfig {};
    struct SetupConfig {};

    static Result<Mock> create(VmId, VCpuId, const CreateConfig&) { return Mock(); }
    Result<void> set_entry(Gpa) { return {}; }
    Result<void> set_ept_root(Hpa) { return {}; }
    Result<void> setup(const SetupConfig&) { return {}; }
    Result<void> bind() { return {}; }
    Result<void> unbind() { return {}; }
    Result<void> set_gpr(size_t, uint64_t) { return {}; }
    Result<void> inject_interrupt(size_t) { return {}; }
    void set_return_value(uint64_t) {}

    [[gnu::noinline]] Result<VmExit> run() {
        benchmark::ClobberMemory();
        return payload_;
    }
    [[gnu::noinline]] Result<VariantExit> run_variant() {
        benchmark::ClobberMemory();
        return payload_;
    }

  private:
    Payload payload_{};
};

template <class Payload>
VCpu<Mock<Payload>> ready_vcpu(PhysCpu& cpu) {
    Result<VCpu<Mock<Payload>>> vcpu = VCpu<Mock<Payload>>::create(cpu, {}, {});
    VTLESS_CHECK(vcpu && vcpu->setup(Gpa(0), Hpa(0), {}) && vcpu->bind());
    return std::move(*vcpu);
}

constexpr int kBatch = 1024;

template <class F>
double batch_ns(F&& call) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kBatch; ++i) {
        auto exit = call();
        benchmark::DoNotOptimize(exit);
    }
    const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - start;
    return passed.count() / kBatch;
}

struct Best {
    double direct_ns;
    double through_ns;
};

// The best batch of each: what else the machine does makes batches slower, never faster. They alternate, so
// that a change of the clock's frequency meets both.
template <class Direct, class Through>
Best compare(benchmark::State& state, Direct&& direct, Through&& through) {
    double direct_ns = std::numeric_limits<double>::infinity();
    double through_ns = direct_ns;
    for (auto _ : state) {
        direct_ns = std::min(direct_ns, batch_ns(direct));
        const double this_ns = batch_ns(through);
        through_ns = std::min(through_ns, this_ns);
        state.SetIterationTime(this_ns * 1e-9 * kBatch);
    }
    state.counters["direct"] = direct_ns;
    state.counters["vcpu"] = through_ns;
    state.counters["more"] = through_ns - direct_ns;
    state.counters["ratio"] = through_ns / direct_ns;
    return {direct_ns, through_ns};
}

template <class Payload>
void run(benchmark::State& state) {
    PhysCpu cpu(0);
    VCpu<Mock<Payload>> vcpu = ready_vcpu<Payload>(cpu);
    Mock<Payload>& mock = vcpu.get_arch_vcpu();
    const Best best = compare(
        state, [&] { return mock.run(); }, [&] { return vcpu.run(); });
    bench::record_part("VCpu<Fake>::run, the worst of all exit kinds", name(Payload::kKind),
                       bench::Target::at_most_more_ns(1.5), {best.direct_ns, best.through_ns});
}

template <class Payload>
void run_variant(benchmark::State& state) {
    PhysCpu cpu(0);
    VCpu<Mock<Payload>> vcpu = ready_vcpu<Payload>(cpu);
    Mock<Payload>& mock = vcpu.get_arch_vcpu();
    compare(
        state, [&] { return mock.run_variant(); },
        [&] {
            return vcpu.manipulate_arch_vcpu(VCpuState::Ready, VCpuState::Ready,
                                             [](Mock<Payload>& arch) { return arch.run_variant(); });
        });
}

void refused(benchmark::State& state) {
    PhysCpu cpu(0);
    VCpu<Mock<VmExit::Halt>> vcpu = ready_vcpu<VmExit::Halt>(cpu);
    vcpu.set_state(VCpuState::Invalid);
    Mock<VmExit::Halt>& mock = vcpu.get_arch_vcpu();
    compare(
        state, [&] { return mock.run(); }, [&] { return vcpu.run(); });
}

template <class... Payloads>
void register_for(std::variant<Payloads...>*) {
    const auto add = [](const std::string& name, auto* function) {
        benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime()->MinTime(0.2);
    };
    (add(std::string("run/") + name(Payloads::kKind), run<Payloads>), ...);
    (add(std::string("run_variant/") + name(Payloads::kKind), run_variant<Payloads>), ...);
    add("run/refused", refused);
}

const bool registered = (register_for(static_cast<VariantExit*>(nullptr)), true);

}  // namespace
