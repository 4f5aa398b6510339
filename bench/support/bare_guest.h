// SPDX-License-Identifier: MIT
// The floor: the same guest on Unicorn alone, in SVM guest mode, with the least that a stop needs.
#pragma once

#include <unicorn/unicorn.h>

#include <cstdint>
#include <memory>
#include <span>

namespace vtless::engine_test {
class BareMachine;
}

namespace vtless::bench {

// Linear = guest-physical addresses; pages are readable and writable, or executable.
class BareGuest {
  public:
    struct Options {
        bool block_hook = false;     // one that does nothing
        bool intercept_hlt = false;  // else HLT ends the run without a hook
        uint64_t refused_page = ~uint64_t{0};
    };

    explicit BareGuest(std::span<const uint8_t> code) : BareGuest(code, Options()) {}
    BareGuest(std::span<const uint8_t> code, const Options& options);
    ~BareGuest();

    uc_engine* uc() const;
    uint8_t* memory(uint64_t at);
    uint64_t get(int reg) const;
    void set(int reg, uint64_t value) { uc_reg_write(uc(), reg, &value); }
    // Stops before the instruction there.
    void hook_instruction(uint64_t at);

    uc_err resume(uint64_t rip) { return uc_emu_start(uc(), rip, 0, 0, 0); }
    // As a handler that has moved RIP.
    uc_err write_rip_and_resume(uint64_t rip) {
        uc_reg_write(uc(), UC_X86_REG_RIP, &rip);
        return resume(rip);
    }
    // From the start of the code to its HLT.
    void run_loop(uint64_t iterations);

  private:
    std::unique_ptr<engine_test::BareMachine> machine_;
};

}  // namespace vtless::bench
