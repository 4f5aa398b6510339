// SPDX-License-Identifier: MIT
// The smallest use of VCpu: a backend whose guest makes one hypercall and then halts.
#include <cstdio>

#include "vcpu/vcpu.h"

using namespace vtless;

namespace {

class HypercallThenHalt {
  public:
    struct CreateConfig {};
    struct SetupConfig {};

    static Result<HypercallThenHalt> create(VmId, VCpuId, const CreateConfig&) { return HypercallThenHalt(); }
    Result<void> set_entry(Gpa entry) { return entry_ = entry, Result<void>(); }
    Result<void> set_ept_root(Hpa) { return {}; }
    Result<void> setup(const SetupConfig&) { return {}; }
    Result<void> bind() { return {}; }
    Result<void> unbind() { return {}; }
    Result<void> set_gpr(size_t, uint64_t) { return {}; }
    Result<void> inject_interrupt(size_t) { return {}; }
    void set_return_value(uint64_t value) { answer_ = value; }

    Result<VmExit> run() {
        if (answer_ == 0) {
            return VmExit(VmExit::Hypercall{.nr = entry_.value(), .args = {}});
        }
        return VmExit(VmExit::Halt{});
    }

  private:
    Gpa entry_;
    uint64_t answer_ = 0;
};

bool guest_runs_to_halt() {
    PhysCpu cpu(0);
    auto vcpu = VCpu<HypercallThenHalt>::create(cpu, {.vm_id = 1, .vcpu_id = 0}, {});
    if (!vcpu || !vcpu->setup(Gpa(42), Hpa(0), {}) || !vcpu->bind()) {
        return false;
    }
    const Result<VmExit> call = vcpu->run();
    const auto* hypercall = call ? call->get_if<VmExit::Hypercall>() : nullptr;
    if (hypercall == nullptr || hypercall->nr != 42 || !vcpu->set_return_value(7)) {
        return false;
    }
    const Result<VmExit> end = vcpu->run();
    return end && end->is<VmExit::Halt>() && vcpu->unbind() && vcpu->state() == VCpuState::Free;
}

}  // namespace

int main() {
    const bool ok = guest_runs_to_halt();
    std::puts(ok ? "the guest called and halted" : "the guest did not do what it should");
    return ok ? 0 : 1;
}
