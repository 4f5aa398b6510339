// SPDX-License-Identifier: MIT
// PhysCpu: a physical CPU as vCPUs see it, an object rather than AxVCpu's per-CPU variable, so that one host
// thread can play many. It knows the vCPU whose backend is being called on it.
#pragma once

#include <cstddef>

#include "vcpu/error.h"

namespace vtless {

template <class A, class Policy>
class VCpu;

namespace detail {

// The address of type_tag<T> names the type T without RTTI. Not const: linkers may fold constants.
template <class T>
inline char type_tag;

// What PhysCpu knows of any VCpu.
struct CurrentVCpu {
    const void* type;
    size_t id;
};

class MakeCurrent;

}  // namespace detail

// Not thread-safe: a PhysCpu and the vCPUs bound to it are used by one thread at a time. Must outlive them.
class PhysCpu {
  public:
    explicit PhysCpu(size_t id) : id_(id) {}
    PhysCpu(const PhysCpu&) = delete;
    PhysCpu& operator=(const PhysCpu&) = delete;

    size_t id() const { return id_; }
    bool has_current_vcpu() const { return current_ != nullptr; }

    // The vCPU whose backend is being called: null if there is none; OtherBackend if it is another type.
    template <class A, class Policy>
    Result<VCpu<A, Policy>*> current_vcpu() const;

  private:
    friend class detail::MakeCurrent;

    size_t id_;
    detail::CurrentVCpu* current_ = nullptr;
};

namespace detail {

enum class SameVCpu : bool { Refuse, Allow };

// Makes a vCPU the current one of a physical CPU for its own lifetime, whichever way that ends.
class MakeCurrent {
  public:
    MakeCurrent(PhysCpu& cpu, CurrentVCpu& vcpu) : cpu_(cpu), before_(cpu.current_) { cpu_.current_ = &vcpu; }
    ~MakeCurrent() { cpu_.current_ = before_; }
    MakeCurrent(const MakeCurrent&) = delete;
    MakeCurrent& operator=(const MakeCurrent&) = delete;

    static CurrentVCpu* current(const PhysCpu& cpu) { return cpu.current_; }
    static bool permits(const PhysCpu& cpu, const CurrentVCpu& vcpu, SameVCpu same) {
        return cpu.current_ == nullptr || (same == SameVCpu::Allow && cpu.current_ == &vcpu);
    }

  private:
    PhysCpu& cpu_;
    CurrentVCpu* before_;
};

}  // namespace detail
}  // namespace vtless
