// SPDX-License-Identifier: MIT
// KVM's CPUID tables.
#pragma once

#include <linux/kvm.h>

#include <vector>

#include "vcpu/kvm/flexible.h"
#include "vcpu/kvm/vm.h"

namespace vtless::kvm {

// kvm_cpuid2, of 32-bit words.
class CpuidTable {
  public:
    explicit CpuidTable(size_t entries)
        : words_((sizeof(EntriesHeader) + entries * sizeof(kvm_cpuid_entry2)) / 4) {
        header().count = static_cast<uint32_t>(entries);
    }
    explicit CpuidTable(const std::vector<CpuidEntry>& entries);

    EntriesHeader* request() { return &header(); }
    std::vector<CpuidEntry> entries();

  private:
    EntriesHeader& header() { return *reinterpret_cast<EntriesHeader*>(words_.data()); }
    kvm_cpuid_entry2* first() { return reinterpret_cast<kvm_cpuid_entry2*>(&header() + 1); }

    std::vector<uint32_t> words_;
};

}  // namespace vtless::kvm
