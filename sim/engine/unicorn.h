// SPDX-License-Identifier: MIT
// RAII and error handling around one uc_engine; no policy.
#pragma once

#include <unicorn/unicorn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "isa/check.h"
#include "isa/expected.h"
#include "isa/x86/registers.h"

namespace vtless::sim {

// What the hooks call; see Engine. `self` is what was passed to Unicorn::attach.
struct UnicornHooks {
    uc_cb_tlbevent_t fill;
    uc_cb_hookcode_t block;
    uc_hook_edge_gen_t new_block;
    uc_cb_hookintr_t intercept;
    uc_cb_hookcode_t code;
    void (*syscall)(uc_engine*, void* self);
    void (*sysenter)(uc_engine*, void* self);
    int (*rdtsc)(uc_engine*, void* self);  // not 0: the instruction is done
    int (*rdtscp)(uc_engine*, void* self);
    // Asked before the instruction at this linear address is translated. True: it never is, and where it
    // would run Unicorn stops.
    bool (*refuses)(uint64_t linear, void* self);
};

class Unicorn {
  public:
    static Expected<std::unique_ptr<Unicorn>, std::string> open();
    ~Unicorn();
    Unicorn(const Unicorn&) = delete;
    Unicorn& operator=(const Unicorn&) = delete;

    // Calls back for each load and store of what is translated from now on, with its host-physical address.
    // Off again, code that was translated meanwhile is only slower.
    void watch_accesses(uc_cb_hookmem_t callback, void* self);
    void ignore_accesses();

    // "2.1.4", of the library that is loaded.
    static std::string version();

    void map(uint64_t physical, size_t bytes, void* host);
    // False if hooks or the tree of exits are not laid out as image_layout.h says.
    bool attach(const UnicornHooks& hooks, void* self);
    // From now on blocks are translated to call the code hook before each instruction that begins in
    // [first, last], linear; those that have been stay as they are. There is but this one code hook, because
    // a list of them is searched whenever one is called.
    void hook_code(uint64_t first, uint64_t last);
    bool hooks_code(uint64_t first, uint64_t last) const {
        return first >= first_hooked_ && last <= last_hooked_;
    }

    uc_err start(uint64_t rip) { return uc_emu_start(uc_, rip, 0, 0, 0); }
    void stop() { uc_emu_stop(uc_); }

    uint64_t read(int reg) const {
        uint64_t value = 0;
        VTLESS_CHECK(uc_reg_read(uc_, reg, &value) == UC_ERR_OK);
        return value;
    }
    void write(int reg, uint64_t value) { VTLESS_CHECK(uc_reg_write(uc_, reg, &value) == UC_ERR_OK); }
    void write_msr(uint32_t msr, uint64_t value);
    std::array<uint64_t, 2> read_xmm(unsigned index) const;
    void write_xmm(unsigned index, const std::array<uint64_t, 2>& value);
    uint64_t read(x86::Gpr index) const;
    void write(x86::Gpr index, uint64_t value);

    // The processor's own state, of which the image is a copy: the same offsets. Between runs all of it is
    // valid; inside a hook RIP and the arithmetic flags are not. Null before locate_state().
    std::byte* state() { return state_; }
    // False if it is not what save() has just copied.
    bool locate_state();

    // The state image: save fills it, restore loads it. Neither touches TLB or translated code.
    std::byte* image() { return reinterpret_cast<std::byte*>(context_); }
    void save() { VTLESS_CHECK(uc_context_save(uc_, context_) == UC_ERR_OK); }
    void restore() { VTLESS_CHECK(uc_context_restore(uc_, context_) == UC_ERR_OK); }

    void flush_tlb() { VTLESS_CHECK(uc_ctl_flush_tlb(uc_) == UC_ERR_OK); }
    void flush_code() { VTLESS_CHECK(uc_ctl_flush_tb(uc_) == UC_ERR_OK); }
    // Drops the blocks that were translated from linear [first, last).
    void drop_code(uint64_t first, uint64_t last) {
        VTLESS_CHECK(uc_ctl_remove_cache(uc_, first, last) == UC_ERR_OK);
    }
    // The linear address of the last refused access.
    uint64_t fault_address() const;

  private:
    Unicorn() = default;
    std::byte* hooked_range() const;
    std::byte* tree_of_exits(uint64_t only) const;
    bool be_asked();

    uc_engine* uc_ = nullptr;
    uc_context* context_ = nullptr;
    std::byte* state_ = nullptr;
    UnicornHooks hooks_{};
    void* self_ = nullptr;
    uc_hook code_hook_{};
    uint64_t first_hooked_ = ~uint64_t{0};
    uint64_t last_hooked_ = 0;
    std::array<uc_hook, 2> access_hooks_{};
};

}  // namespace vtless::sim
