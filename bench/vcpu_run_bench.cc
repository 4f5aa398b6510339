// SPDX-License-Identifier: MIT
// What does VCpu::run cost on top of the backend's own run? For every exit kind, alternating batches of
// Mock::run called directly and through VCpu: `direct`, `vcpu` and their difference `more` in ns a call
// (goal: at most 1.5). The same for an exit that is a std::variant: what VmExit's own union is measured
// against.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <variant>
#include <vector>

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

// The 10th percentile: other load on the machine makes batches slower, never faster.
double quiet(std::vector<double>& values) {
    const auto tenth = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 10);
    std::nth_element(values.begin(), tenth, values.end());
    return *tenth;
}

// Batches alternate, so that what else the machine does meets both alike.
template <class Direct, class Through>
void compare(benchmark::State& state, Direct&& direct, Through&& through) {
    std::vector<double> direct_ns;
    std::vector<double> through_ns;
    for (auto _ : state) {
        direct_ns.push_back(batch_ns(direct));
        through_ns.push_back(batch_ns(through));
        state.SetIterationTime(through_ns.back() * 1e-9 * kBatch);
    }
    const double direct_quiet = quiet(direct_ns);
    const double through_quiet = quiet(through_ns);
    state.counters["direct"] = direct_quiet;
    state.counters["vcpu"] = through_quiet;
    state.counters["more"] = through_quiet - direct_quiet;
    state.counters["ratio"] = through_quiet / direct_quiet;
}

template <class Payload>
void run(benchmark::State& state) {
    PhysCpu cpu(0);
    VCpu<Mock<Payload>> vcpu = ready_vcpu<Payload>(cpu);
    Mock<Payload>& mock = vcpu.get_arch_vcpu();
    compare(
        state, [&] { return mock.run(); }, [&] { return vcpu.run(); });
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

// What a run loop pays: run, then a switch to the payload. Against the same on the backend.
template <class Payload>
void run_and_match(benchmark::State& state) {
    PhysCpu cpu(0);
    VCpu<Mock<Payload>> vcpu = ready_vcpu<Payload>(cpu);
    Mock<Payload>& mock = vcpu.get_arch_vcpu();
    const auto match = [](const Result<VmExit>& exit) {
        return exit->visit(
            [](const auto& payload) { return sizeof(payload) + size_t{payload.kKind == ExitKind::Halt}; });
    };
    compare(
        state, [&] { return match(mock.run()); }, [&] { return match(vcpu.run()); });
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
    const auto add = [](std::string name, auto* function) {
        benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime()->MinTime(0.05);
    };
    (add(std::string("run/") + name(Payloads::kKind), run<Payloads>), ...);
    (add(std::string("run_and_match/") + name(Payloads::kKind), run_and_match<Payloads>), ...);
    (add(std::string("run_variant/") + name(Payloads::kKind), run_variant<Payloads>), ...);
    add("run/refused", refused);
}

const bool registered = (register_for(static_cast<VariantExit*>(nullptr)), true);

}  // namespace
