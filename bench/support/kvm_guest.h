// SPDX-License-Identifier: MIT
// The guest on Linux KVM: VCpu over KvmVCpu, the same memory, EPT and entry state.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>

#include "bench/support/entry_state.h"
#include "bench/support/guest_memory.h"
#include "vcpu/kvm/failure.h"
#include "vcpu/kvm/host.h"
#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"

namespace vtless::bench {

class KvmGuest {
  public:
    explicit KvmGuest(std::span<const uint8_t> code) : memory_(code) {
        if (const auto made = make(); !made) why_not_ = kvm::describe(made.error());
    }

    // Empty, or why there is no guest here.
    const std::string& why_not() const { return why_not_; }

    // Runs, and checks that the exit is of this kind.
    template <class Exit>
    void run_to() {
        const Result<VmExit> exit = vcpu_->run();
        VTLESS_CHECK(exit && exit->template is<Exit>());
    }
    // From the start of the code to its HLT.
    void run_loop(uint64_t iterations) {
        VTLESS_CHECK(vcpu_->set_gpr(static_cast<size_t>(x86::Gpr::RCX), iterations));
        VTLESS_CHECK(vcpu_->get_arch_vcpu().set_entry(Gpa(GuestLayout::kCode)));
        run_to<VmExit::Halt>();
    }

  private:
    Result<void> make() {
        kvm::VmConfig config;
        config.memory = kvm::HostMemoryMap::of(memory_.host());
        auto vm = kvm::Vm::create(config);
        if (!vm) return Unexpected(vm.error());
        vm_ = std::move(*vm);
        auto vcpu = VCpu<kvm::KvmVCpu>::create(phys_cpu_, {}, {vm_.get()});
        if (!vcpu) return Unexpected(vcpu.error());
        vcpu_.emplace(std::move(*vcpu));
        kvm::SetupConfig setup;
        setup.entry_state = entry_state();
        // Some guests hang where KVM emulates: that ends the benchmark. Elsewhere it would cost two system
        // calls.
        if (!kvm::host_virtualizes()) setup.time_slice = std::chrono::seconds(10);
        if (const auto done = vcpu_->setup(Gpa(GuestLayout::kCode), memory_.ept_root(), setup); !done)
            return done;
        return vcpu_->bind();
    }

    GuestMemory memory_;
    std::string why_not_;
    std::unique_ptr<kvm::Vm> vm_;
    PhysCpu phys_cpu_{0};
    std::optional<VCpu<kvm::KvmVCpu>> vcpu_;
};

}  // namespace vtless::bench
