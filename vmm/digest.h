// SPDX-License-Identifier: MIT
// The two fingerprints of a run. docs/digests.md says which words enter them and when.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "isa/x86/registers.h"
#include "vcpu/exit.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

// The registers that are hashed at each exit.
struct ExitRegisters {
    std::array<uint64_t, x86::kGprCount> gprs{};
    uint64_t rip = 0;
    uint64_t rflags = 0;
    uint64_t cr0 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
};

// XXH3 (64 bits) of everything added, in order, words as little-endian bytes.
class Hasher {
  public:
    Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();

    void add(std::span<const uint64_t> words);
    void add(std::span<const uint8_t> bytes);
    uint64_t value() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// `digest` is architectural: what the guest did. `time_digest` also covers when.
class RunDigests {
  public:
    void add_exit(const VmExit& exit, const ExitRegisters& registers, uint64_t cycles, uint64_t instructions);
    // Once, at the end.
    void add_memory(const GuestMemory& memory);

    uint64_t digest() const { return architecture_.value(); }
    uint64_t time_digest() const { return time_.value(); }

  private:
    Hasher architecture_;
    Hasher time_;
};

}  // namespace vtless::vmm
