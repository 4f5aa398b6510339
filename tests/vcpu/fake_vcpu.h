// SPDX-License-Identifier: MIT
// A backend without a guest: it logs what is called, fails where it is told to, and calls back from inside.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vcpu/vcpu.h"

namespace vtless::testing {

struct FakeLog {
    std::vector<std::string> calls;
    std::string fail_in;                                  // name of the call that fails
    std::function<void(const std::string& call)> during;  // called from inside each call
    VmExit exit = VmExit::Nothing{};
};

inline constexpr uint64_t kFakeFailure = 77;

template <int kTag>  // different backends for tests of the type check
class FakeVCpuOf {
  public:
    struct CreateConfig {
        FakeLog* log;
    };
    struct SetupConfig {
        int value = 0;
    };

    static Result<FakeVCpuOf> create(VmId vm, VCpuId vcpu, const CreateConfig& config) {
        FakeVCpuOf made(config.log);
        Result<void> done = made.enter("create", "(" + std::to_string(vm) + "," + std::to_string(vcpu) + ")");
        if (!done) {
            return Unexpected(done.error());
        }
        return made;
    }
    Result<void> set_entry(Gpa entry) { return enter("set_entry", argument(entry.value())); }
    Result<void> set_ept_root(Hpa root) { return enter("set_ept_root", argument(root.value())); }
    Result<void> setup(const SetupConfig& config) { return enter("setup", argument(uint64_t(config.value))); }
    Result<void> bind() { return enter("bind", ""); }
    Result<void> unbind() { return enter("unbind", ""); }
    Result<void> set_gpr(size_t index, uint64_t value) {
        return enter("set_gpr", "(" + std::to_string(index) + "," + std::to_string(value) + ")");
    }
    Result<void> inject_interrupt(size_t vector) { return enter("inject_interrupt", argument(vector)); }
    void set_return_value(uint64_t value) { (void)enter("set_return_value", argument(value)).has_value(); }
    Result<VmExit> run() {
        const Result<void> done = enter("run", "");
        return done ? Result<VmExit>(log_->exit) : Result<VmExit>(Unexpected(done.error()));
    }

  private:
    explicit FakeVCpuOf(FakeLog* log) : log_(log) {}

    static std::string argument(uint64_t value) { return "(" + std::to_string(value) + ")"; }

    Result<void> enter(const std::string& call, const std::string& arguments) {
        log_->calls.push_back(call + arguments);
        if (log_->during) {
            log_->during(call);
        }
        if (call == log_->fail_in) {
            return fail(VCpuErrc::Backend, kFakeFailure);
        }
        return {};
    }

    FakeLog* log_;
};

using FakeVCpu = FakeVCpuOf<0>;
using OtherFakeVCpu = FakeVCpuOf<1>;
static_assert(ArchVCpu<FakeVCpu>);

// The state is set by force: this is for tests of one operation in one state.
template <class Policy = policy::AxVCpu03, class A = FakeVCpu>
VCpu<A, Policy> make_vcpu(PhysCpu& cpu, FakeLog& log, VCpuState state, VCpuId id = 0) {
    auto vcpu = VCpu<A, Policy>::create(
        cpu, {.vm_id = 1, .vcpu_id = id, .favor_phys_cpu = 0, .phys_cpu_set = {}}, {&log});
    vcpu.value().set_state(state);
    log.calls.clear();
    return std::move(*vcpu);
}

}  // namespace vtless::testing
