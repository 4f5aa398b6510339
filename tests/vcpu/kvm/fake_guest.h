// SPDX-License-Identifier: MIT
// A vCPU over the fake system calls, whose exits the test makes up.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/vcpu/kvm/fake_kernel.h"
#include "tests/vcpu/kvm/test_memory.h"
#include "vcpu/kvm/failure.h"
#include "vcpu/kvm/kvm_vcpu.h"

namespace vtless::kvm {

class FakeGuest : public ::testing::Test {
  protected:
    static constexpr uint64_t kDevice = 0x10000000;

    FakeGuest() : ept_(std::move(*vmm::EptTable<TestMemory>::create(memory_))) {
        EXPECT_TRUE(ept_.map({Gpa(0), Hpa(0), 0x10000}));
        config_.mmio = {{Gpa(kDevice), 0x1000}};
    }

    Result<void> make_vm() {
        vm_config_.memory = HostMemoryMap::of(memory_);
        vm_config_.kernel = &kernel_;
        auto vm = Vm::create(vm_config_);
        if (!vm) return Unexpected(vm.error());
        vm_ = std::move(*vm);
        return {};
    }
    // The whole way to bind.
    Result<void> boot() {
        if (const auto made = make_vm(); !made) return made;
        auto vcpu = KvmVCpu::create(0, 0, {vm_.get()});
        if (!vcpu) return Unexpected(vcpu.error());
        vcpu_.emplace(std::move(*vcpu));
        if (const auto mapped = vcpu_->set_ept_root(ept_.root()); !mapped) return mapped;
        if (const auto done = vcpu_->setup(config_); !done) return done;
        return vcpu_->bind();
    }
    // The next run's exit is what fill makes of kvm_run.
    VmExit run(FakeKernel::Run fill) {
        kernel_.run = std::move(fill);
        const auto exit = vcpu_->run();
        if (exit) return *exit;
        ADD_FAILURE() << describe(exit.error());
        return VmExit::SystemDown{};
    }
    // Without a KVM_RUN.
    VmExit rest() {
        return run([](kvm_run&, uint8_t*) -> int { return ADD_FAILURE() << "KVM_RUN", EFAULT; });
    }
    static std::string text(const Result<void>& result) { return result ? "ok" : describe(result.error()); }

    FakeKernel kernel_;
    TestMemory memory_;
    vmm::EptTable<TestMemory> ept_;
    VmConfig vm_config_;  // but for memory and kernel
    SetupConfig config_;
    std::unique_ptr<Vm> vm_;
    std::optional<KvmVCpu> vcpu_;
};

}  // namespace vtless::kvm
