// SPDX-License-Identifier: MIT
// Recorder<A>: a backend around a backend that shows each exit to a sink. Where no Recorder is in the type
// there is nothing of it in the program.
#pragma once

#include <cstddef>
#include <utility>

#include "vcpu/arch_vcpu.h"

namespace vtless::traces {

// Sink: void operator()(A& arch, const VmExit& exit), called for each exit that run returns, before the
// caller sees it. It may read the backend; what it does must not change the guest.
template <ArchVCpu A, class Sink>
class Recorder {
  public:
    struct CreateConfig {
        typename A::CreateConfig arch;
        Sink sink;
    };
    using SetupConfig = typename A::SetupConfig;

    static Result<Recorder> create(VmId vm, VCpuId vcpu, const CreateConfig& config) {
        Result<A> arch = A::create(vm, vcpu, config.arch);
        if (!arch) return Unexpected(arch.error());
        return Recorder(std::move(*arch), config.sink);
    }

    Result<void> set_entry(Gpa entry) { return arch_.set_entry(entry); }
    Result<void> set_ept_root(Hpa root) { return arch_.set_ept_root(root); }
    Result<void> setup(const SetupConfig& config) { return arch_.setup(config); }
    Result<VmExit> run() {
        Result<VmExit> exit = arch_.run();
        if (exit) sink_(arch_, *exit);
        return exit;
    }
    Result<void> bind() { return arch_.bind(); }
    Result<void> unbind() { return arch_.unbind(); }
    Result<void> set_gpr(size_t index, uint64_t value) { return arch_.set_gpr(index, value); }
    Result<void> inject_interrupt(size_t vector) { return arch_.inject_interrupt(vector); }
    void set_return_value(uint64_t value) { arch_.set_return_value(value); }

    // The backend inside, for what it offers beyond ArchVCpu.
    A& inner() { return arch_; }
    const A& inner() const { return arch_; }

  private:
    Recorder(A&& arch, Sink sink) : arch_(std::move(arch)), sink_(std::move(sink)) {}

    A arch_;
    Sink sink_;
};

}  // namespace vtless::traces
