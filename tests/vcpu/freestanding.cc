// SPDX-License-Identifier: MIT
// Compiled freestanding and never run: every function of VCpu and PerCpu, instantiated.
#include "vcpu/per_cpu.h"
#include "vcpu/vcpu.h"

namespace vtless {

struct BareVCpu {
    struct CreateConfig {};
    struct SetupConfig {};

    static Result<BareVCpu> create(VmId, VCpuId, const CreateConfig&) { return BareVCpu{}; }
    Result<void> set_entry(Gpa value) { return entry = value, Result<void>(); }
    Result<void> set_ept_root(Hpa value) { return ept_root = value, Result<void>(); }
    Result<void> setup(const SetupConfig&) { return {}; }
    Result<void> bind() { return {}; }
    Result<void> unbind() { return {}; }
    Result<void> set_gpr(size_t index, uint64_t value) {
        if (index >= 16) {
            return fail(VCpuErrc::InvalidInput, index);
        }
        gprs[index] = value;
        return {};
    }
    Result<void> inject_interrupt(size_t) { return {}; }
    void set_return_value(uint64_t value) { gprs[0] = value; }
    Result<VmExit> run() { return VmExit::Hypercall{gprs[0], {gprs[7], gprs[6]}}; }

    uint64_t gprs[16] = {};
    Gpa entry;
    Hpa ept_root;
};

struct BarePerCpu {
    struct CreateConfig {};

    static Result<BarePerCpu> create(size_t, const CreateConfig&) { return BarePerCpu{}; }
    bool is_enabled() const { return enabled; }
    Result<void> hardware_enable() { return enabled = true, Result<void>(); }
    Result<void> hardware_disable() { return enabled = false, Result<void>(); }

    bool enabled = false;
};

template class VCpu<BareVCpu>;
template class VCpu<BareVCpu, policy::Successor>;
template class PerCpu<BarePerCpu>;

uint64_t boot(PhysCpu& cpu) {
    Result<VCpu<BareVCpu>> vcpu = VCpu<BareVCpu>::create(cpu, {}, {});
    if (!vcpu || !vcpu->setup(Gpa(0x7c00), Hpa(0x1000), {}) || !vcpu->bind()) {
        return 0;
    }
    const Result<VmExit> exit = vcpu->run();
    return exit ? exit->visit([](const auto& payload) { return uint64_t{sizeof(payload)}; }) : 0;
}

}  // namespace vtless
