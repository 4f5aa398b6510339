// SPDX-License-Identifier: MIT
// The system calls of KVM without KVM: each succeeds, but for one that a test lets fail.
#pragma once

#include <linux/kvm.h>

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "vcpu/kvm/kernel.h"

namespace vtless::kvm {

class FakeKernel final : public Kernel {
  public:
    // KVM_RUN: fills the vCPU's shared memory; errno, or 0.
    using Run = std::function<int(kvm_run& run, uint8_t* shared)>;

    Expected<int, int> open(const char* path) override;
    Expected<int, int> ioctl(int fd, unsigned long request, uintptr_t argument) override;
    Expected<uint8_t*, int> map(int fd, size_t bytes) override;
    void unmap(uint8_t* first, size_t bytes) override;
    void close(int fd) override;

    std::map<unsigned long, int> errors;   // errno by request
    std::map<unsigned long, int> answers;  // else what it returns
    std::map<uintptr_t, int> extensions;   // else 1
    std::optional<int> open_error;
    std::optional<int> map_error;
    Run run;
    Run finish;  // KVM_RUN that only finishes an instruction; without one it does, and EINTR
    std::vector<uint32_t> interrupts;          // as they were injected
    std::vector<kvm_enable_cap> capabilities;  // as they were enabled
    std::vector<kvm_msi> messages;             // as they were signalled
    std::vector<kvm_irq_routing_entry> routes;
    struct PassedMsrs {
        kvm_msr_filter_range range{};
        std::vector<uint8_t> bitmap;
    };
    std::vector<PassedMsrs> passed_msrs;  // of the last filter
    std::vector<kvm_cpuid_entry2> cpuid;  // what it supports
    kvm_mp_state activity{};
    kvm_lapic_state local_apic{};
    kvm_vcpu_events events{};
    kvm_regs regs{};
    kvm_sregs sregs{};
    std::vector<kvm_userspace_memory_region> regions;  // as they were set
    bool passes(uint32_t access, uint32_t msr) const;
    int open_files = 0;
    int mappings = 0;

    static constexpr size_t kSharedBytes = 0x3000;
    static constexpr uint64_t kPioOffset = 4096;

  private:
    alignas(4096) uint8_t shared_[kSharedBytes] = {};
};

}  // namespace vtless::kvm
