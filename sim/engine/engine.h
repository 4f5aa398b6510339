// SPDX-License-Identifier: MIT
// Runs guest code of one logical processor in non-root operation, and stops where software has to act.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "isa/expected.h"
#include "sim/engine/code_map.h"
#include "sim/engine/code_observer.h"
#include "sim/engine/cpu_state.h"
#include "sim/engine/page_state.h"
#include "sim/engine/stop.h"
#include "sim/engine/straight_run.h"
#include "sim/mmu/data_watch.h"
#include "sim/mmu/mmu.h"
#include "sim/profile/cycle_profile.h"
#include "sim/time/cycle_costs.h"
#include "sim/time/ticks.h"

namespace vtless::sim {

class Unicorn;
struct CpuResult;
struct EnginePages;

struct EngineConfig {
    // Not 0: flushes Unicorn's own TLB at pseudo-random moments. Nothing that a guest or a digest can see may
    // depend on it; tests turn it on.
    uint64_t flush_seed = 0;
    InstructionCosts costs{};
    TransitionCosts transitions{};
    CodeObserver* code_observer = nullptr;  // not owned
    CycleProfile* profile = nullptr;        // not owned: outlives the engine

    // From now on time is the number of instructions.
    void count_instructions() {
        costs = {.carried_out = 1, .uniform = 1};
        transitions = TransitionCosts::none();
    }
};

// Stops that can be done without: running the instruction natively is right then, and cheaper.
struct OptionalStops {
    static constexpr uint8_t kPause = 1;
    static constexpr uint8_t kDescriptorTables = 2;  // LGDT LIDT LLDT SGDT SIDT SLDT STR
    static constexpr uint8_t kIret = 4;
    static constexpr uint8_t kRdtsc =
        8;  // off: it gives cycles() + the offset of set_tsc_offset, whatever CR4.TSD says
    static constexpr uint8_t kRdtscp = 16;  // on: RDTSC stops as well

    uint8_t which = kRdtsc | kRdtscp;

    constexpr bool has(uint8_t any) const { return (which & any) != 0; }
    friend constexpr bool operator==(OptionalStops, OptionalStops) = default;
};

// Everything that a guest can observe here, cycles and instruction counts included, is a function of the
// guest and of the calls made, never of how Unicorn cuts code into blocks or fills its TLB. Not thread-safe,
// but for request_exit().
class Engine {
  public:
    static constexpr uint64_t kNever = ~uint64_t{0};

    // memory and mmu outlive the engine. The error says what Unicorn lacks or refused.
    static Expected<std::unique_ptr<Engine>, std::string> create(HostMemory& memory, Mmu& mmu,
                                                                 const EngineConfig& config = {});
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Runs the guest until something has to be done for it. RIP is then at the instruction that has not run.
    // Changes of Mmu::generation() since the last run are honoured.
    // OneInstruction: or one iteration of a REP instruction; stops with SingleStep, or otherwise if it cannot
    // run.
    enum class Extent : uint8_t { UntilStop, OneInstruction };
    const Stop& run(Extent extent = Extent::UntilStop);
    // The same, and a profile is told.
    const Stop& run_profiled(Extent extent);
    // run(UntilStop) for the one who runs guests all the time: with a single caller it becomes a part of it,
    // and a frame less between Unicorn, whose exits are a longjmp, and whoever asked is 5 ns less.
    const Stop& run_guest();
    // OneInstruction, whose accesses to data in this page, which is the APIC-access page, go to another. If
    // they lead to neither an EPT violation nor a page fault, that is.
    const Stop& run_with_page(Gva linear_page, Hpa page);
    // The stop that run returned last.
    const Stop& stop() const { return stop_; }
    // Whether the stop came between two iterations of a REP string instruction that the engine runs itself.
    bool between_iterations() const;
    // The instruction at RIP. Its id is None where the bytes cannot be fetched; UNDEFINED for those that the
    // engine runs itself as well as for invalid ones.
    const StoppedInstruction& instruction();

    // One register at a time: plain loads and stores.
    uint64_t gpr(x86::Gpr index) const { return state_.gpr(index); }
    void set_gpr(x86::Gpr index, uint64_t value) { state_.set_gpr(index, value); }
    // Where they are, for as long as the engine lives.
    uint64_t* gprs() { return state_.gprs(); }
    uint64_t rip() const {
        if (image_loaded_) [[unlikely]]
            return state_.rip();
        return rip_;
    }
    void set_rip(uint64_t value);
    uint64_t rflags() const { return state_.rflags(); }
    unsigned cpl() const {
        if (!state_.protected_mode()) return 0;
        return state_.v8086() ? 3 : state_.cpl();
    }
    uint64_t tsc_aux() const { return image_loaded_ ? state_.tsc_aux() : tsc_aux_; }
    // All of the state, in place. After edit_state() the next run brings the mode flags of the translator in
    // line with it. Registers set above are seen here, and vice versa.
    const CpuState& state() const;
    CpuState& edit_state();

    Shadow shadow() const;
    // Cheap; false means that shadow() is None.
    bool may_have_shadow() const { return possible_shadow() != Shadow::None; }
    void set_shadow(Shadow shadow);

    // Notes which of these bytes instructions use, those that go through the Mmu included. While there are
    // any the guest is to be run one instruction at a time.
    void watch(std::span<const WatchedBytes> bytes);
    bool watching() const { return watch_.any(); }
    // Which, since the last one began: bit n is for bytes[n].
    uint8_t watch_hits() const { return watch_.hits(); }

    // Simulated time. Cycles of guest instructions are added as they run; the caller adds what it simulates.
    uint64_t cycles() const { return ticks_ / kTicksPerCycle; }
    uint64_t instructions() const { return instructions_; }
    void add_cycles(uint64_t count) { ticks_ += count * kTicksPerCycle; }
    // They pass while nothing runs.
    void wait(uint64_t cycles);
    CycleProfile* profile() const { return config_.profile; }
    CycleProfile::Moment moment() const { return {ticks_, instructions_, mmu_->counters().references}; }
    const TransitionCosts& transition_costs() const { return config_.transitions; }
    // An instruction that the caller has carried out for the guest, at the usual cost or another.
    void retire() { retire(config_.costs.carried_out); }
    void retire(uint64_t cycles) {
        instructions_ += 1;
        add_cycles(cycles);
    }
    // One whose time has been added. Where only instructions are counted it has not.
    void retire_timed() { retire(config_.costs.uniform); }

    // run() stops at the first instruction boundary where cycles() >= deadline; iterations of a REP
    // instruction are such boundaries.
    void set_deadline(uint64_t cycles) {
        deadline_ = cycles < kNever / kTicksPerCycle ? cycles * kTicksPerCycle : kNever;
    }
    // run() stops at the first instruction boundary where RFLAGS.IF is set and no shadow holds events off.
    void stop_when_interruptible(bool on) { want_interruptible_ = on; }
    void set_optional_stops(OptionalStops stops) {
        if (stops != optional_stops_) [[unlikely]]
            change_optional_stops(stops);
    }
    void set_tsc_offset(uint64_t offset) { tsc_offset_ = offset; }
    // Whether code of this page of RAM is kept translated: writes to it have to be noted.
    bool has_code(Hpa page) const { return pages_.has_code(page); }
    // From any thread: run() stops at an instruction boundary soon, with Requested.
    void request_exit();

  private:
    friend struct EngineHooks;

    // Why Unicorn came back, as the hooks saw it.
    // HookedAgain: a hooked instruction where the block was left last time, so that all is known.
    enum class Event : uint8_t {
        None,
        Intercept,
        HookedAgain,
        HookedInstruction,
        NewHooks,
        BlockLimit,
        FetchFault
    };

    // Of a block's bytes. NotAtOnce: the page behind its first one has not been walked, and will be when the
    // instruction that reaches it runs.
    enum class Fetch : uint8_t { Done, NotAtOnce, Faults };

    // What a store to a page with code waits for, an access whose walk has written to such a page, or one
    // whose walk has passed the deadline.
    enum class Refusal : uint8_t { None, DropCode, Step };

    // One entry of the block hook's table: what the block at `pc` costs, in this generation. All that the
    // hook reads, in half a cache line.
    struct BlockSlot {
        uint64_t pc = 0;  // linear
        const CodeBlock* block = nullptr;
        uint32_t generation = kLookCloser;
        uint32_t ticks = 0;
        uint16_t size = 0;
        uint16_t count = 0;
    };
    // Where a slot's block was found; the same index.
    struct BlockOrigin {
        Hpa hpa;
        uint64_t code_version = 0;
        uint32_t generation = 0;
    };
    static constexpr size_t kBlockSlots = 8192;
    // As the generation of a slot, sends the hook to its slow path each time.
    static constexpr uint32_t kLookCloser = 0;

    Engine(HostMemory& memory, Mmu& mmu, const EngineConfig& config);

    // engine.cc
    Expected<void, std::string> open();
    [[gnu::always_inline]] const Stop& run_until_stop(Extent extent);
    void load_image() const;
    void prepare_run();
    void sync_translation();
    void start_generation();
    void flush_tlb();
    void drop_code(Hpa page);
    void drop_translations(Hpa first, uint64_t bytes);
    void drop_pending_code();
    void update_limit();
    void change_optional_stops(OptionalStops stops);
    void shuffle_tlb();
    static void on_host_write(void* self, Hpa first, uint64_t bytes);

    void set_instruction(const StoppedInstruction& instruction) {
        stop_.instruction = instruction;
        instruction_known_ = true;
    }
    Shadow possible_shadow() const {
        return before_rip_ != nullptr ? before_rip_->shadow_at_end : given_shadow_;
    }

    // stops.cc: each returns true when stop_ is to be returned, false to go on.
    bool settle(bool refused);
    bool settle_intercept();
    [[gnu::noinline]] bool settle_rare_event();
    bool settle_exception(uint8_t vector);
    bool settle_fault();
    bool settle_fetch_fault();
    bool stop_with_ept_fault();
    bool settle_block_limit();
    bool stop_with(Stop::Kind kind);
    bool stop_with_exception(uint8_t vector, bool has_error_code, uint32_t error_code);
    bool grant_implicit_access();
    bool stops_as_before();
    void refund_unexecuted();
    void refund(const CodeBlock::StopPoint& stop);
    void ran_to_the_end_of(const CodeBlock* block);
    bool at_hook(uint64_t linear) const { return linear == hooked_pc_ && instructions_ == hooked_in_; }
    [[gnu::cold, gnu::noinline]] void take_flags_of_hook();
    uint64_t linear_rip() const {
        const bool flat = !image_loaded_ && last_block_ != nullptr && last_block_->mode == CodeSize::Bits64;
        return flat ? rip_ : state().linear_rip();
    }
    uint64_t faulting_address() const;
    bool uses_stack_segment();
    bool foresee_code(uint64_t linear, Translation& page);
    size_t read_code(uint64_t linear, std::span<std::byte> bytes);
    StoppedInstruction decode_at(uint64_t linear, CodeSize mode);
    const StoppedInstruction* decode_in_last_block(uint64_t linear);

    // stepping.cc
    void enter_stepping();
    void leave_stepping();
    void take_back_permissions();
    bool step_done();
    bool emulate_flag_instruction();
    bool stop_with_result(const CpuResult& result, const StoppedInstruction& instruction);

    // carried_out.cc
    bool divides_in_last_block(uint64_t linear) const;
    bool quotient_overflows() const;
    bool runs_natively(const StoppedInstruction& instruction) const;
    [[gnu::cold, gnu::noinline]] bool carry_out();
    CpuResult carry_out(const StoppedInstruction& instruction, CpuState& cpu);
    bool on_translate(uint64_t linear);
    bool crashes_translator(uint64_t linear);
    [[gnu::cold, gnu::noinline]] bool settle_refused_instruction();
    // Of an instruction that the engine carries out.
    struct Price {
        uint64_t ticks = 0;
        uint64_t linear = 0;  // where it is
    };
    Price price(const StoppedInstruction& instruction, unsigned capstone_id);
    bool conclude(const CpuResult& result, const StoppedInstruction& instruction, const Price& price,
                  bool traps);

    // profiling.cc
    void start_profile();
    void on_profiled_block(uint64_t pc, uint32_t size);
    CodePlace place(uint64_t linear) const;
    void charge(const Price& price);

    // hooks.cc
    bool on_fill(uint64_t va, AccessType type, uint64_t& physical, int& permissions);
    bool fill_code(uint64_t va, uint64_t& physical, int& permissions);
    bool lends_page(uint64_t va, AccessType type, Translation& page);
    void fill_unbacked(const Translation& page, AccessType type, uint64_t& physical, int& permissions) const;
    void on_access(uint64_t physical, size_t bytes, bool store) {
        if (running_) watch_.note_physical(physical, bytes, store);
    }
    void open_watched(uint64_t va, uint64_t physical);
    int page_permissions(const Translation& page, AccessType type);
    void on_block(uint64_t pc, uint32_t size) {
        BlockSlot& slot = slots_[slot_index(pc)];
        const uint64_t after = ticks_ + slot.ticks;
        if (slot.pc != pc || slot.size != size || slot.generation != generation_ ||
            after > limit_.load(std::memory_order_relaxed)) [[unlikely]] {
            on_block_slow(pc, size, slot);
            return;
        }
        account(slot, after);
    }
    BlockOrigin& origin(const BlockSlot& slot) { return origins_[static_cast<size_t>(&slot - slots_.get())]; }
    static size_t slot_index(uint64_t pc) { return (pc ^ pc >> 13) & (kBlockSlots - 1); }
    void account(const BlockSlot& slot, uint64_t ticks_after) {
        ticks_ = ticks_after;
        instructions_ += slot.count;
        before_last_ = last_block_;
        last_block_ = slot.block;
        last_pc_ = slot.pc;
    }
    const CodeBlock& block_in_run(const BlockSlot& slot);
    void run_goes_on_here();
    [[gnu::noinline]] void on_block_slow(uint64_t pc, uint32_t size, BlockSlot& slot);
    static bool looks_closer(const CodeBlock& block);
    Fetch fetch_block(uint64_t pc, uint32_t size, Hpa& at);
    bool resolve_block(uint64_t pc, uint32_t size, Hpa at, BlockSlot& slot);
    bool interruptible() const;
    void on_new_block(uint64_t pc, uint32_t size, unsigned instructions);
    void mark_code(Hpa at);
    void on_code(uint64_t pc);
    bool stops_again(uint64_t pc);
    bool passes_in_last_block(uint64_t linear) const;
    void pass_hook(uint64_t pc);
    void on_system_call(Instruction id);
    void on_intercept(uint32_t number);
    int on_time_stamp(bool with_aux);
    void halt(Event event);
    void stop_now(Event event);
    Access access_for(AccessType type) const;

    // restarts.cc
    bool cut_last_block_short(uint64_t pc, const CodeBlock& block) const;
    bool starts_again(uint64_t pc, const CodeBlock& block);
    bool continues_repeat(const BlockSlot& slot) const;
    uint64_t repeat_count(const CodeBlock& block) const;
    bool repeat_is_paid(const CodeBlock& block) const;
    bool first_iteration_starts_again(const CodeBlock& block) const;
    uint64_t peek(uint64_t linear, uint64_t width) const;

    CodeSize current_mode() const;

    HostMemory* memory_;
    Mmu* mmu_;
    EngineConfig config_;
    std::unique_ptr<EnginePages> own_pages_;
    std::unique_ptr<Unicorn> unicorn_;
    CodeMap code_;
    StraightRun run_;
    DataWatch watch_;
    PageStates pages_;
    std::unique_ptr<BlockSlot[]> slots_;
    std::unique_ptr<BlockOrigin[]> origins_;

    mutable CpuState state_{nullptr};
    mutable bool image_loaded_ = false;
    bool image_edited_ = false;
    uint64_t rip_ = 0;
    uint64_t tsc_aux_ = 0;  // no instruction that the engine runs itself touches it

    Stop stop_;
    bool instruction_known_ = false;  // stop_.instruction is the one at RIP
    Event event_ = Event::None;
    bool running_ = false;
    bool asked_by_translator_ = false;   // by the self-probe
    uint32_t intercept_ = 0;             // UC_HOOK_INTR's number, for Event::Intercept
    uint64_t system_call_rip_ = kNever;  // SYSCALL and SYSENTER are seen after RIP has moved
    uint64_t hooked_pc_ = kNever;        // the code hook that was passed last: its linear address,
    uint64_t hooked_in_ = 0;             // instructions_ in that block, and RFLAGS
    uint64_t hooked_flags_ = 0;
    uint64_t fault_page_ = 0;
    Refusal refusal_ = Refusal::None;
    Hpa refused_page_;
    uint64_t implicit_grant_ = kNever;  // linear page that one instruction may read as supervisor
    uint64_t lent_to_ = kNever;         // linear page that is lent_page_ for one instruction
    Hpa lent_page_;
    std::vector<uint64_t> retranslate_;  // host-physical addresses of blocks, for Event::NewHooks
    bool flush_code_ = false;            // all of it, for Event::NewHooks
    // Host-physical pages whose code has changed. While the guest runs, that is by a walk of its page tables.
    std::vector<uint64_t> pending_drops_;

    uint64_t ticks_ = 0;
    uint64_t instructions_ = 0;
    std::atomic<uint64_t> limit_ = kNever;  // the block hook looks closer from here on
    uint64_t deadline_ = kNever;            // in ticks
    uint64_t last_pc_ = 0;
    const CodeBlock* last_block_ = nullptr;
    const CodeBlock* before_last_ = nullptr;
    const CodeBlock* before_rip_ = nullptr;  // the block that ended right before RIP, if one did
    Shadow given_shadow_ = Shadow::None;
    uint64_t repeat_count_ = 0;  // when the block of a REP instruction was entered last

    bool want_interruptible_ = false;
    std::atomic<bool> exit_requested_ = false;
    bool stepping_ = false;  // RFLAGS.TF is set, and guest_tf_ is what the guest would see
    bool guest_tf_ = false;
    bool begun_ = false;    // the instruction at RIP has, before the deadline
    bool stepped_ = false;  // since the last start one instruction has begun
    bool stop_after_step_ = false;
    bool step_one_ = false;          // the block's instructions are not known
    bool flush_after_step_ = false;  // a permission was lent for one instruction
    OptionalStops optional_stops_;
    uint64_t tsc_offset_ = 0;
    uint32_t generation_ = 1;
    uint64_t mmu_generation_ = 0;
    uint64_t shuffle_ = 0;
};

}  // namespace vtless::sim
