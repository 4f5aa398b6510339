// SPDX-License-Identifier: MIT
// A guest's general-purpose registers, as vmlaunch and vmresume take and leave them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "isa/x86/registers.h"

namespace vtless::sim {

class Engine;
class Gprs;

// Whose registers are in the engine. Moving all sixteen costs more than an exit does, so they stay until
// another guest's come.
class GprResidence {
  public:
    explicit GprResidence(Engine& engine) : engine_(&engine) {}
    ~GprResidence() { evict(); }
    GprResidence(const GprResidence&) = delete;
    GprResidence& operator=(const GprResidence&) = delete;

    void enter(Gprs& gprs) {
        if (resident_ != &gprs) [[unlikely]]
            replace(gprs);
    }
    void evict();

  private:
    friend class Gprs;
    void replace(Gprs& gprs);

    Engine* engine_;
    Gprs* resident_ = nullptr;
};

// RSP is not among them: it is VMCS field GUEST_RSP. Movable: the registers follow.
class Gprs {
  public:
    Gprs() = default;
    Gprs(Gprs&& other) noexcept { take(other); }
    Gprs& operator=(Gprs&& other) noexcept {
        if (this != &other) {
            leave();
            take(other);
        }
        return *this;
    }
    Gprs(const Gprs&) = delete;
    Gprs& operator=(const Gprs&) = delete;
    ~Gprs() { leave(); }

    uint64_t get(x86::Gpr index) const { return registers_[static_cast<size_t>(index)]; }
    void set(x86::Gpr index, uint64_t value) { registers_[static_cast<size_t>(index)] = value; }

  private:
    friend class GprResidence;
    void take(Gprs& other);
    void leave();

    std::array<uint64_t, x86::kGprCount> values_{};
    uint64_t* registers_ = values_.data();  // or the engine's own
    GprResidence* home_ = nullptr;          // in whose engine they are
};

}  // namespace vtless::sim
