// SPDX-License-Identifier: MIT
// One Unicorn engine in SVM guest mode, driven through Unicorn's public API alone.
#pragma once

#include <unicorn/unicorn.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tests/engine/support/vmcb.h"

namespace vtless::engine_test {

inline constexpr uint64_t kPage = 0x1000;
inline constexpr uint64_t kRamSize = 64u << 20;
// A host-physical page that nothing is mapped at: an access to it is reported and stops.
inline constexpr uint64_t kSentinel = 1ull << 40;
inline constexpr uint64_t kNoAddress = ~0ull;

struct Translation {
    uint64_t physical;
    int permissions = UC_PROT_ALL;
};

struct Fill {
    uint64_t page;
    uc_mem_type type;
    friend bool operator==(const Fill&, const Fill&) = default;
};

// An access that hit an unmapped host-physical page.
struct Access {
    uc_mem_type type;
    uint64_t address;
    int size;
    uint64_t value;
    uint64_t rip;
};

struct Block {
    uint64_t address;
    uint32_t size;
};

class BareMachine {
  public:
    using Translate = std::function<std::optional<Translation>(uint64_t page, uc_mem_type type)>;

    // What is to be done to the processor before it enters guest mode for good.
    using HostSetup = std::function<void(BareMachine&)>;

    BareMachine() : BareMachine(HostSetup()) {}
    explicit BareMachine(const HostSetup& setup);
    ~BareMachine();
    BareMachine(const BareMachine&) = delete;
    BareMachine& operator=(const BareMachine&) = delete;

    uc_engine* uc() const { return uc_; }

    // Guest-physical = host-physical memory, 64 MiB from 0; the last MiB belongs to the trampoline.
    uint8_t* ram(uint64_t at) { return ram_ + at; }
    template <class T>
    void put(uint64_t at, T value) {
        std::memcpy(ram_ + at, &value, sizeof value);
    }
    template <class T>
    T get(uint64_t at) const {
        T value;
        std::memcpy(&value, ram_ + at, sizeof value);
        return value;
    }
    void code(uint64_t at, std::initializer_list<uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(), ram_ + at);
    }
    void code(uint64_t at, std::span<const uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(), ram_ + at);
    }

    // Loads `state` by VMRUN; nothing of the guest has run yet.
    void load(const GuestState& state, const Intercepts& intercepts = Intercepts::usual());
    uc_err resume(uint64_t rip);
    uc_err resume() { return resume(rip()); }
    // load, then run to the first stop.
    uc_err enter(const GuestState& state, const Intercepts& intercepts = Intercepts::usual());

    uint64_t reg(int id) const;
    uint64_t rip() const { return reg(UC_X86_REG_RIP); }
    void set_reg(int id, uint64_t value);

    // What the last run stopped at.
    std::optional<uint32_t> interrupt() const { return interrupt_; }
    bool stopped_at(SvmExit exit) const { return interrupt_ == kInterception + static_cast<uint32_t>(exit); }
    bool stopped_at_exception(uint32_t vector) const {
        return interrupt_ == kInterception + static_cast<uint32_t>(SvmExit::EXCEPTION) + vector;
    }
    uint64_t refused_page() const { return refused_page_; }
    const std::vector<Access>& accesses() const { return accesses_; }
    std::vector<Fill>& fills() { return fills_; }
    size_t fills_of(uint64_t page) const;

    // The trampoline's own pages never reach `translate`. By default a page is itself, RWX, inside RAM.
    void set_translation(Translate translate) { translate_ = std::move(translate); }
    static std::optional<Translation> identity(uint64_t page);
    static std::optional<Translation> write_xor_execute(uint64_t page, uc_mem_type type);
    void refuse(uint64_t page);
    void make_sentinel(uint64_t page);
    // Records accesses to unmapped pages. Not by default: the mere hook changes how stores run.
    void watch_unmapped(int types = UC_HOOK_MEM_UNMAPPED);

    // Hooks live as long as the machine; the trampoline's blocks are filtered out.
    uc_hook on_block(std::function<void(Block)> hook);
    uc_hook on_new_block(std::function<void(uc_tb)> hook);
    uc_hook on_code(uint64_t address, std::function<void()> hook);
    // The hook answers whether the instruction is to be skipped (SYSCALL, SYSENTER do not care).
    uc_hook on_instruction(int instruction, std::function<bool()> hook);
    bool accepts_instruction_hook(int instruction);
    void remove(uc_hook hook) { uc_hook_del(uc_, hook); }
    void stop() { uc_emu_stop(uc_); }
    void flush_tlb();
    void flush_blocks();
    void drop_blocks(uint64_t address, uint64_t end);

  private:
    struct HookBase {
        virtual ~HookBase() = default;
    };
    template <class F>
    struct Hook : HookBase {
        explicit Hook(F f) : call(std::move(f)) {}
        F call;
    };
    template <class F>
    F* keep(F f);

    static bool fill_entry(uc_engine*, uint64_t page, uc_mem_type type, uc_tlb_entry* out, void* self);
    static void interrupt_entry(uc_engine* uc, uint32_t number, void* self);
    static bool unmapped_entry(uc_engine*, uc_mem_type, uint64_t address, int size, int64_t value,
                               void* self);

    void configure();
    void map_memory();
    void prepare_host(const HostSetup& setup);
    void clear_stop();

    uint8_t* ram_ = nullptr;
    uc_engine* uc_ = nullptr;
    uc_context* host_ = nullptr;  // the state just before VMRUN
    Translate translate_;
    std::optional<uint32_t> interrupt_;
    uint64_t refused_page_ = kNoAddress;
    size_t fetches_ = 0;  // fetch fills since the last resume
    std::vector<Fill> fills_;
    std::vector<Access> accesses_;
    bool watched_ = false;
    std::vector<std::unique_ptr<HookBase>> hooks_;
};

}  // namespace vtless::engine_test
