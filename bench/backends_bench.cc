// SPDX-License-Identifier: MIT
// The same guests on the simulated processor and on Linux KVM, side by side: `ns` for each exit or iteration,
// of the best batch. They say how far apart the two are here and have no target. Where the processor has
// neither VMX nor SVM, a KVM emulates instructions in the kernel, and its rows say so.
#include <algorithm>
#include <limits>

#include "bench/support/guest_code.h"
#include "bench/support/kvm_guest.h"
#include "bench/support/vcpu_guest.h"
#include "bench/support/versus.h"
#include "vcpu/kvm/host.h"

namespace {

using namespace vtless;
using namespace vtless::bench;

constexpr uint64_t kExits = 100;
constexpr uint64_t kIterations = 1000;

const char* kvm_label() {
    return kvm::host_virtualizes() ? "KVM on a processor with VMX or SVM"
                                   : "KVM THAT EMULATES in the kernel: no processor's time";
}

template <class Run>
void measure(benchmark::State& state, uint64_t units, Run run) {
    double best = std::numeric_limits<double>::infinity();
    for (auto _ : state) best = std::min(best, ns_per(units, run));
    state.counters["ns"] = best;
}

template <class Guest, class Exit>
void exits(benchmark::State& state, Guest& guest) {
    measure(state, kExits, [&guest] {
        for (uint64_t i = 0; i < kExits; ++i) guest.template run_to<Exit>();
    });
}

template <class Guest>
void iterations(benchmark::State& state, Guest& guest) {
    measure(state, kIterations, [&guest] { guest.run_loop(kIterations); });
}

template <class Body>
void on_kvm(benchmark::State& state, std::span<const uint8_t> code, Body body) {
    KvmGuest guest(code);
    if (!guest.why_not().empty()) return state.SkipWithError(("SKIP: " + guest.why_not()).c_str());
    state.SetLabel(kvm_label());
    body(guest);
}

template <class Body>
void on_sim(benchmark::State& state, std::span<const uint8_t> code, Body body) {
    VcpuGuest guest(code);
    state.SetLabel("the simulated processor");
    body(guest);
}

template <class Exit>
bool add_exits(const std::string& name, std::span<const uint8_t> code) {
    const auto body = [](benchmark::State& state) {
        return [&state]<class Guest>(Guest& guest) { exits<Guest, Exit>(state, guest); };
    };
    return add((name + "/sim").c_str(), [=](benchmark::State& state) { on_sim(state, code, body(state)); }) &&
           add((name + "/kvm").c_str(), [=](benchmark::State& state) { on_kvm(state, code, body(state)); });
}

bool add_loop(const std::string& name, std::span<const uint8_t> code) {
    const auto body = [](benchmark::State& state) {
        return [&state](auto& guest) { iterations(state, guest); };
    };
    return add((name + "/sim").c_str(), [=](benchmark::State& state) { on_sim(state, code, body(state)); }) &&
           add((name + "/kvm").c_str(), [=](benchmark::State& state) { on_kvm(state, code, body(state)); });
}

const bool registered = add_exits<VmExit::Halt>("backends/hlt_exit", VTLESS_GUEST(hlt_loop)) &&
                        add_exits<VmExit::IoWrite>("backends/out_exit", VTLESS_GUEST(out_loop)) &&
                        add_loop("backends/10_instructions", VTLESS_GUEST(blocks_of_10)) &&
                        add_loop("backends/loads_and_stores", VTLESS_GUEST(loads_and_stores)) &&
                        add_loop("backends/call_and_return", VTLESS_GUEST(calls_and_returns));

}  // namespace
