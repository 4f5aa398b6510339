// SPDX-License-Identifier: MIT
// PerCpu<A>: the virtualization hardware of one physical CPU, with the life cycle of AxPerCpu.
#pragma once

#include <optional>
#include <utility>

#include "vcpu/arch_vcpu.h"

namespace vtless {

// Starts uninitialized; init succeeds at most once; destruction disables what is still enabled. Until init
// has succeeded every operation is a NotInitialized error and is_enabled is false. Used on its own physical
// CPU only.
template <class A>
class PerCpu {
  public:
    PerCpu() { static_assert(ArchPerCpu<A>); }
    PerCpu(const PerCpu&) = delete;
    PerCpu& operator=(const PerCpu&) = delete;
    ~PerCpu() {
        if (is_enabled()) {
            const Result<void> disabled = arch_->hardware_disable();
            VTLESS_CHECK(disabled.has_value());
        }
    }

    // After a failure nothing is initialized and init may be tried again.
    Result<void> init(size_t cpu_id, const typename A::CreateConfig& config = {}) {
        if (arch_) {
            return fail(VCpuErrc::AlreadyInitialized);
        }
        Result<A> arch = A::create(cpu_id, config);
        if (!arch) {
            return Unexpected(arch.error());
        }
        arch_.emplace(std::move(*arch));
        cpu_id_ = cpu_id;
        return {};
    }

    bool is_initialized() const { return arch_.has_value(); }
    std::optional<size_t> cpu_id() const { return arch_ ? std::optional(cpu_id_) : std::nullopt; }
    // Null before init.
    A* arch_checked() { return arch_ ? &*arch_ : nullptr; }
    const A* arch_checked() const { return arch_ ? &*arch_ : nullptr; }

    bool is_enabled() const { return arch_ && arch_->is_enabled(); }
    Result<void> hardware_enable() {
        return arch_ ? arch_->hardware_enable() : fail(VCpuErrc::NotInitialized);
    }
    Result<void> hardware_disable() {
        return arch_ ? arch_->hardware_disable() : fail(VCpuErrc::NotInitialized);
    }

    size_t max_guest_page_table_levels() const {
        if constexpr (requires(const A& arch) { arch.max_guest_page_table_levels(); }) {
            if (arch_) {
                return arch_->max_guest_page_table_levels();
            }
        }
        return kDefaultPageTableLevels;
    }

  private:
    static constexpr size_t kDefaultPageTableLevels = 4;

    size_t cpu_id_ = 0;
    std::optional<A> arch_;
};

}  // namespace vtless
