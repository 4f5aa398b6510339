// SPDX-License-Identifier: MIT
// The VMX instructions.
#include "capi/outcome.h"

using namespace vtless;
using namespace vtless::capi;
using sim::VmxProcessor;

namespace {

// Nobody else may touch the machine while its guest runs.
class Running {
  public:
    explicit Running(Machine& machine) : flag_(&machine.running) {
        mine_ = !flag_->exchange(true, std::memory_order_acquire);
    }
    ~Running() {
        if (mine_) flag_->store(false, std::memory_order_release);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    bool mine() const { return mine_; }

  private:
    std::atomic<bool>* flag_;
    bool mine_ = false;
};

[[gnu::noinline]] void remember_code(Processor& processor) {
    const Machine& machine = *processor.machine;
    for (const Range& range : machine.watched)
        processor.code.remember(processor.hw->engine(), machine.memory, range);
}

template <x86::VmxStatus (VmxProcessor::*kInstruction)(sim::Gprs&)>
vtless_outcome enter(vtless_processor* handle, vtless_gprs* gprs) {
    if (!usable(handle)) [[unlikely]]
        return misuse(refuse_handle(handle));
    if (gprs == nullptr) [[unlikely]]
        return misuse(need(gprs, "gprs"));
    Processor& processor = *handle->body;
    const Running running(*processor.machine);
    if (!running.mine()) return misuse(refuse_handle(handle));
    const bool watched = !processor.machine->watched.empty();
    if (watched) processor.code.check(processor.machine->memory);
    constexpr unsigned kRsp = static_cast<unsigned>(x86::Gpr::RSP);
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        if (i != kRsp) processor.gprs.set(static_cast<x86::Gpr>(i), gprs->gpr[i]);
    }
    const x86::VmxStatus status = (processor.hw.get()->*kInstruction)(processor.gprs);
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        if (i != kRsp) gprs->gpr[i] = processor.gprs.get(static_cast<x86::Gpr>(i));
    }
    if (watched) remember_code(processor);
    return outcome(status);
}

}  // namespace

vtless_outcome vtless_vmxon(vtless_processor* processor, uint64_t hpa) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.vmxon(Hpa(hpa)); });
}

vtless_outcome vtless_vmxoff(vtless_processor* processor) {
    return execute(processor, [](VmxProcessor& hw) { return hw.vmxoff(); });
}

vtless_outcome vtless_vmclear(vtless_processor* processor, uint64_t hpa) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.vmclear(Hpa(hpa)); });
}

vtless_outcome vtless_vmptrld(vtless_processor* processor, uint64_t hpa) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.vmptrld(Hpa(hpa)); });
}

vtless_outcome vtless_vmptrst(vtless_processor* processor, uint64_t* hpa) {
    return execute(processor, hpa, [=](VmxProcessor& hw) {
        Hpa region;
        const x86::VmxStatus status = hw.vmptrst(region);
        if (status.ok()) *hpa = region.value();
        return status;
    });
}

vtless_outcome vtless_vmread(vtless_processor* processor, uint32_t field, uint64_t* value) {
    return execute(processor, value,
                   [=](VmxProcessor& hw) { return hw.vmread(static_cast<x86::VmcsField>(field), *value); });
}

vtless_outcome vtless_vmwrite(vtless_processor* processor, uint32_t field, uint64_t value) {
    return execute(processor,
                   [=](VmxProcessor& hw) { return hw.vmwrite(static_cast<x86::VmcsField>(field), value); });
}

vtless_outcome vtless_vmlaunch(vtless_processor* processor, vtless_gprs* gprs) {
    return enter<&VmxProcessor::vmlaunch>(processor, gprs);
}

vtless_outcome vtless_vmresume(vtless_processor* processor, vtless_gprs* gprs) {
    return enter<&VmxProcessor::vmresume>(processor, gprs);
}

vtless_outcome vtless_invept(vtless_processor* processor, uint64_t type, const uint64_t descriptor[2]) {
    return execute(processor, descriptor, [=](VmxProcessor& hw) {
        return hw.invept(static_cast<x86::InveptType>(type), {descriptor[0], descriptor[1]});
    });
}

vtless_outcome vtless_invvpid(vtless_processor* processor, uint64_t type, const uint64_t descriptor[2]) {
    return execute(processor, descriptor, [=](VmxProcessor& hw) {
        // Reserved bits that are set fail like a type that there is not.
        const uint64_t valid_type = (descriptor[0] >> 16) == 0 ? type : ~uint64_t{0};
        return hw.invvpid(static_cast<x86::InvvpidType>(valid_type),
                          {static_cast<uint16_t>(descriptor[0]), Gva(descriptor[1])});
    });
}
