// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Page-Modification Logging" (29.3.6).
#pragma once

#include <cstdint>

#include "isa/addr.h"

namespace vtless::sim {

class HostMemory;

// The page that takes the guest-physical addresses of pages that become dirty. The index is the VMCS's.
class PageModificationLog {
  public:
    PageModificationLog() = default;  // logs nothing
    PageModificationLog(Hpa page, uint64_t* index) : page_(page), index_(index) {}

    // No access may set an accessed or dirty flag of EPT.
    bool full() const { return index_ != nullptr && *index_ >= kEntries; }
    // Of an access that has made its page dirty. The log is not full.
    void append(const HostMemory& memory, Gpa gpa) const;

  private:
    static constexpr uint64_t kEntries = 512;

    Hpa page_;
    uint64_t* index_ = nullptr;
};

}  // namespace vtless::sim
