// SPDX-License-Identifier: MIT
#include "sim/engine/engine.h"

#include <algorithm>
#include <cstring>

#include "isa/x86/rflags.h"
#include "sim/engine/engine_pages.h"
#include "sim/engine/guest_mode.h"
#include "sim/engine/image_layout.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {

// Unicorn's callbacks; `self` is the Engine.
struct EngineHooks {
    static Engine& engine(void* self) { return *static_cast<Engine*>(self); }

    static bool fill(uc_engine*, uint64_t va, uc_mem_type type, uc_tlb_entry* out, void* self) {
        const AccessType access = type == UC_MEM_WRITE   ? AccessType::Write
                                  : type == UC_MEM_FETCH ? AccessType::Fetch
                                                         : AccessType::Read;
        int permissions = 0;
        const bool mapped = engine(self).on_fill(va, access, out->paddr, permissions);
        out->perms = static_cast<uc_prot>(permissions);
        return mapped;
    }
    static void block(uc_engine*, uint64_t pc, uint32_t size, void* self) { engine(self).on_block(pc, size); }
    static void profiled_block(uc_engine*, uint64_t pc, uint32_t size, void* self) {
        engine(self).on_profiled_block(pc, size);
    }
    static void new_block(uc_engine*, uc_tb* block, uc_tb*, void* self) {
        engine(self).on_new_block(block->pc, block->size, block->icount);
    }
    static void intercept(uc_engine*, uint32_t number, void* self) { engine(self).on_intercept(number); }
    static void code(uc_engine*, uint64_t pc, uint32_t, void* self) { engine(self).on_code(pc); }
    static void syscall(uc_engine*, void* self) { engine(self).on_system_call(Instruction::SYSCALL); }
    static void sysenter(uc_engine*, void* self) { engine(self).on_system_call(Instruction::SYSENTER); }

    static void access(uc_engine*, uc_mem_type type, uint64_t physical, int bytes, int64_t, void* self) {
        engine(self).on_access(physical, static_cast<size_t>(bytes), type == UC_MEM_WRITE);
    }
    static int rdtsc(uc_engine*, void* self) { return engine(self).on_time_stamp(false); }
    static int rdtscp(uc_engine*, void* self) { return engine(self).on_time_stamp(true); }

    static bool refuses(uint64_t linear, void* self) { return engine(self).on_translate(linear); }

    static constexpr UnicornHooks all(bool profiled) {
        return {fill,      profiled ? profiled_block : block,
                new_block, intercept,
                code,      syscall,
                sysenter,  rdtsc,
                rdtscp,    refuses};
    }
};

Engine::Engine(HostMemory& memory, Mmu& mmu, const EngineConfig& config)
    : memory_(&memory),
      mmu_(&mmu),
      config_(config),
      own_pages_(std::make_unique<EnginePages>()),
      code_(config.costs),
      run_(config.costs),
      pages_(memory.size()),
      slots_(std::make_unique<BlockSlot[]>(kBlockSlots)),
      origins_(std::make_unique<BlockOrigin[]>(kBlockSlots)),
      shuffle_(config.flush_seed) {}

Engine::~Engine() {
    memory_->remove_write_listener(this);
    mmu_->set_watch(nullptr);
    mmu_->set_clock(nullptr, 0);
}

Expected<std::unique_ptr<Engine>, std::string> Engine::create(HostMemory& memory, Mmu& mmu,
                                                              const EngineConfig& config) {
    auto engine = std::unique_ptr<Engine>(new Engine(memory, mmu, config));
    if (auto opened = engine->open(); !opened) return Unexpected(opened.error());
    return engine;
}

Expected<void, std::string> Engine::open() {
    auto unicorn = Unicorn::open();
    if (!unicorn) return Unexpected(unicorn.error());
    unicorn_ = std::move(*unicorn);
    std::memset(own_pages_->bytes, 0, EnginePages::kSize);
    std::memset(own_pages_->bytes + EnginePages::kOnes, 0xff, 0x1000);
    unicorn_->map(0, memory_->size(), memory_->base());
    unicorn_->map(kEnginePages, EnginePages::kSize, own_pages_->bytes);
    if (!unicorn_->attach(EngineHooks::all(config_.profile != nullptr), this)) {
        return Unexpected("Unicorn " + Unicorn::version() + ": its hooks or exits are laid out otherwise");
    }
    if (auto entered = enter_guest_mode(*unicorn_, *own_pages_, intercept_); !entered) return entered;
    if (!asked_by_translator_) {
        return Unexpected("Unicorn " + Unicorn::version() + ": it looks exits up otherwise");
    }
    state_ = CpuState(unicorn_->state());
    memory_->add_write_listener(on_host_write, this);
    mmu_->set_clock(&ticks_, uint64_t{config_.transitions.walk_reference} * kTicksPerCycle);
    flush_tlb();
    if (config_.profile != nullptr) start_profile();
    return {};
}

// --------------------------------------------------------------------------------------------- registers

void Engine::set_rip(uint64_t value) {
    rip_ = value;
    instruction_known_ = false;
    if (image_loaded_) state_.set_rip(value);
}

void Engine::load_image() const {
    if (image_loaded_) return;
    state_.set_rip(rip_);
    image_loaded_ = true;
}

const CpuState& Engine::state() const {
    load_image();
    return state_;
}

CpuState& Engine::edit_state() {
    load_image();
    image_edited_ = true;
    return state_;
}

// The image tells whether, what ran before tells which; mostly the latter already says no.
Shadow Engine::shadow() const {
    const Shadow possible = possible_shadow();
    if (possible == Shadow::None) return Shadow::None;
    return state().interrupt_shadow() ? possible : Shadow::None;
}

void Engine::set_shadow(Shadow shadow) {
    edit_state().set_interrupt_shadow(shadow != Shadow::None);
    given_shadow_ = shadow;
    before_rip_ = nullptr;
}

const StoppedInstruction& Engine::instruction() {
    if (instruction_known_) return stop_.instruction;
    instruction_known_ = true;
    if (!image_loaded_ && last_block_ != nullptr && last_block_->mode == CodeSize::Bits64) {
        stop_.instruction = decode_at(rip_, CodeSize::Bits64);
    } else {
        stop_.instruction = decode_at(state().linear_rip(), code_size(state()));
    }
    return stop_.instruction;
}

// --------------------------------------------------------------------------------------------------- run

inline const Stop& Engine::run_until_stop(Extent extent) {
    stop_after_step_ = extent == Extent::OneInstruction;
    begun_ = false;
    if (stop_after_step_) [[unlikely]] {
        watch_.clear_hits();
        instruction_known_ = false;  // RIP may have been edited in the image
        enter_stepping();
    } else if (exit_requested_.load(std::memory_order_relaxed) && exit_requested_.exchange(false))
        [[unlikely]] {
        stop_.kind = Stop::Kind::Requested;
        return stop_;
    } else if (ticks_ >= deadline_) [[unlikely]] {
        stop_.kind = Stop::Kind::Deadline;
        return stop_;
    }
    for (;;) {
        if (stepping_ && emulate_flag_instruction()) [[unlikely]]
            break;
        prepare_run();
        running_ = true;
        const uc_err error = unicorn_->start(rip_);
        running_ = false;
        rip_ = state_.rip();
        VTLESS_CHECK(error == UC_ERR_OK || error == UC_ERR_EXCEPTION);
        if (settle(error == UC_ERR_EXCEPTION)) [[likely]]
            break;
    }
    if (stepping_) [[unlikely]]
        leave_stepping();
    return stop_;
}

const Stop& Engine::run(Extent extent) { return run_until_stop(extent); }

const Stop& Engine::run_guest() { return run_until_stop(Extent::UntilStop); }

const Stop& Engine::run_with_page(Gva linear_page, Hpa page) {
    lent_to_ = linear_page.value();
    lent_page_ = page;
    const Stop& stop = run_profiled(Extent::OneInstruction);
    lent_to_ = kNever;
    return stop;
}

void Engine::prepare_run() {
    drop_pending_code();
    sync_translation();
    if (shuffle_ != 0) [[unlikely]]
        shuffle_tlb();
    if (image_edited_) [[unlikely]] {
        rip_ = state_.rip();
        tsc_aux_ = state_.tsc_aux();
        state_.sync_mode();
        image_edited_ = false;
    } else if (image_loaded_) [[unlikely]] {
        rip_ = state_.rip();
    }
    image_loaded_ = false;
    event_ = Event::None;
    instruction_known_ = false;
    refusal_ = Refusal::None;
    system_call_rip_ = kNever;
    hooked_pc_ = kNever;
    before_last_ = before_rip_;
    last_block_ = nullptr;
    stepped_ = false;
    update_limit();
}

void Engine::update_limit() {
    const bool look_closer = stepping_ || want_interruptible_ || run_.goes_on();
    const uint64_t limit = look_closer ? 0 : deadline_;
    // Ordered stores are dear. Whoever requests an exit after the load below sets the limit to 0 after it
    // too.
    if (limit_.load(std::memory_order_relaxed) != limit) [[unlikely]]
        limit_.store(limit);
    if (exit_requested_.load()) [[unlikely]]
        limit_.store(0);
}

void Engine::request_exit() {
    exit_requested_.store(true);
    limit_.store(0);
}

void Engine::change_optional_stops(OptionalStops stops) {
    optional_stops_ = stops;
    const uint64_t intercepts = intercept_masks(stops).instructions;
    std::memcpy(edit_state().image() + layout::kIntercepts, &intercepts, sizeof intercepts);
}

// ------------------------------------------------------------------------------------------- translation

// Unicorn's TLB holds effective permissions, so it goes whenever the rules change, even where the
// architecture flushes nothing.
void Engine::sync_translation() {
    if (mmu_->generation() == mmu_generation_) [[likely]]
        return;
    mmu_generation_ = mmu_->generation();
    flush_tlb();
}

// What the slots say holds no longer.
void Engine::start_generation() {
    if (++generation_ != kLookCloser) return;
    generation_ = kLookCloser + 1;
    std::fill_n(slots_.get(), kBlockSlots, BlockSlot());
    std::fill_n(origins_.get(), kBlockSlots, BlockOrigin());
}

// Code that was translated to be stepped before the hooks were there does not call them.
void Engine::watch(std::span<const WatchedBytes> bytes) {
    const bool before = watch_.any();
    if (!watch_.set(bytes)) return;
    const bool now = watch_.any();
    if (now && !before) unicorn_->watch_accesses(EngineHooks::access, this);
    if (before && !now) unicorn_->ignore_accesses();
    if (now && !before) unicorn_->flush_code();
    mmu_->set_watch(now ? &watch_ : nullptr);
    flush_tlb();
}

void Engine::flush_tlb() {
    watch_.close();
    start_generation();
    unicorn_->flush_tlb();
    pages_.forget_writers();
}

// Xorshift64: where the flushes fall does not matter, only that they fall everywhere.
void Engine::shuffle_tlb() {
    shuffle_ ^= shuffle_ << 13;
    shuffle_ ^= shuffle_ >> 7;
    shuffle_ ^= shuffle_ << 17;
    if ((shuffle_ & 7) == 0) flush_tlb();
}

void Engine::on_host_write(void* self, Hpa first, uint64_t bytes) {
    auto& engine = *static_cast<Engine*>(self);
    if (bytes == 0 || !engine.memory_->contains(first, bytes)) return;
    for (Hpa page = first.page(); page < first + bytes; page += HostMemory::kFrameSize) {
        if (!engine.pages_.has_code(page)) continue;
        engine.pending_drops_.push_back(page.value());
        if (engine.running_) engine.limit_.store(0, std::memory_order_relaxed);
    }
}

void Engine::drop_pending_code() {
    if (!pending_drops_.empty()) [[unlikely]] {
        for (const uint64_t page : pending_drops_) drop_code(Hpa(page));
        pending_drops_.clear();
    }
    if (before_rip_ == nullptr) code_.sweep();
}

void Engine::drop_code(Hpa page) {
    if (!pages_.has_code(page)) return;
    start_generation();
    drop_translations(page.page(), HostMemory::kFrameSize);
    pages_.set_code(page, false);
    code_.drop_page(page);
}

// Unicorn finds blocks by a linear address of theirs, and asks the fill hook where that is. The guest's own
// would not do: its page may have left Unicorn's TLB, and a walk now could change what the guest sees.
void Engine::drop_translations(Hpa first, uint64_t bytes) {
    const uint64_t alias = kAliasWindow + first.value();
    unicorn_->drop_code(alias, alias + bytes);
}

}  // namespace vtless::sim
