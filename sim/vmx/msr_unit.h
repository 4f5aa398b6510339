// SPDX-License-Identifier: MIT
// RDMSR and WRMSR: the processor's model-specific registers. SDM Vol. 4 "Architectural MSRs" (2.1).
#pragma once

#include <array>
#include <cstdint>

#include "isa/x86/msr.h"
#include "sim/engine/engine.h"
#include "sim/vmx/allowed_values.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/root_state.h"

namespace vtless::sim {

// Whose registers an access means, where root and non-root operation have their own.
enum class World : uint8_t { Root, Guest };

// What WRMSR at CPL 0 does, but for IA32_EFER.LME, which cannot change while paging is on.
struct WrmsrRule {
    enum class Kind : uint8_t { NoSuchMsr, ReadOnly, Writable };

    Kind kind = Kind::NoSuchMsr;
    AllowedValues values;  // of a writable one
};
WrmsrRule wrmsr_rule(x86::Msr msr, const VmxCapabilities& can);

// Privilege and bitmaps are the caller's. IA32_EFER of the guest is not here: it changes paging.
class MsrUnit {
  public:
    MsrUnit(Engine& engine, RootState& root, const VmxCapabilities& capabilities);

    // False: #GP(0), because there is no such MSR, it is read-only, or the value is not allowed.
    bool read(x86::Msr msr, World world, uint64_t& value) const;
    bool write(x86::Msr msr, World world, uint64_t value);

    // Time-stamp counter without any VMX offset.
    uint64_t tsc() const { return engine_->cycles() + root_->tsc_offset; }

    Engine& engine() const { return *engine_; }
    RootState& root() const { return *root_; }
    const VmxCapabilities& capabilities() const { return *capabilities_; }

  private:
    static constexpr unsigned kMaxStored = 48;

    Engine* engine_;
    RootState* root_;
    const VmxCapabilities* capabilities_;
    std::array<uint64_t, kMaxStored> stored_{};
};

}  // namespace vtless::sim
