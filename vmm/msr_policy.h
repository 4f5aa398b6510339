// SPDX-License-Identifier: MIT
// The MSRs that the VMM answers for: those that exit and that the backend leaves to its embedder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace vtless::vmm {

// Known MSRs have a value and bits that a guest may change; a write of another bit, like any access to an MSR
// that is not known, is #GP in the guest, as on KVM without its ignore_msrs option. A few are write-only
// triggers that do nothing here.
class MsrPolicy {
  public:
    MsrPolicy();

    // Nothing, or false, means #GP(0).
    std::optional<uint64_t> read(uint32_t msr);
    bool write(uint32_t msr, uint64_t value);

    // How often each unknown MSR was asked for.
    const std::map<uint32_t, uint64_t>& refused() const { return refused_; }

  private:
    struct Entry {
        uint64_t value = 0;
        uint64_t writable = 0;
    };
    void add(uint32_t msr, uint64_t value, uint64_t writable) { entries_[msr] = {value, writable}; }
    void add_memory_types();

    std::map<uint32_t, Entry> entries_;
    std::map<uint32_t, uint64_t> refused_;
};

}  // namespace vtless::vmm
