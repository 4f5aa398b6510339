// SPDX-License-Identifier: MIT
// What runs while Unicorn runs: translation of addresses, accounting of blocks, discovery of code.
#include <algorithm>
#include <array>

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/engine/engine.h"
#include "sim/engine/engine_pages.h"
#include "sim/engine/image_layout.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {
namespace {

constexpr uint64_t kPageMask = 0xfff;

int fetch_permissions(const Translation& page) {
    return page.readable ? UC_PROT_READ | UC_PROT_EXEC : UC_PROT_EXEC;
}

}  // namespace

void Engine::halt(Event event) {
    event_ = event;
    limit_.store(0, std::memory_order_relaxed);
    unicorn_->stop();
}

// Where no block begins before Unicorn stops, so that the limit can stay.
void Engine::stop_now(Event event) {
    event_ = event;
    unicorn_->stop();
}

// ------------------------------------------------------------------------------------------- translation

Access Engine::access_for(AccessType type) const {
    Access access{type, cpl() == 3, false, false};
    if (!access.user && (mmu_->paging().cr4 & x86::cr4::SMAP)) {
        access.ac_flag = (rflags() & x86::rflags::AC) != 0;
    }
    return access;
}

bool Engine::on_fill(uint64_t va, AccessType type, uint64_t& physical, int& permissions) {
    stop_.access = type;
    if (va - kAliasWindow < memory_->size()) {
        physical = va - kAliasWindow;
        permissions = UC_PROT_READ | UC_PROT_EXEC;
        return true;
    }
    if (state_.image() == nullptr) {  // the self-probe, before there is a guest
        physical = va;
        permissions = UC_PROT_ALL;
        return va != (kRefusedAddress & ~kPageMask);
    }
    VTLESS_CHECK(running_);
    if (type == AccessType::Fetch) return fill_code(va, physical, permissions);
    const Access access = va == implicit_grant_ ? Access::implicit_supervisor(type) : access_for(type);
    Translation page;
    if (!mmu_->translate(Gva(va), access, page, stop_.fault) && !lends_page(va, type, page)) {
        fault_page_ = va;
        return false;
    }
    if (!pending_drops_.empty()) {
        refusal_ = Refusal::DropCode;
        refused_page_ = Hpa(pending_drops_.back());
        return false;
    }
    if (ticks_ > deadline_ && !stepping_) [[unlikely]] {
        // The walk has taken the time that the block's rest was to have. The instruction has begun before.
        refusal_ = Refusal::Step;
        begun_ = true;
        return false;
    }
    if (page.backed) {
        physical = page.hpa.page().value();
        permissions = page_permissions(page, type);
    } else {
        fill_unbacked(page, type, physical, permissions);
    }
    if (watch_.any() && watch_.is_watched(va)) open_watched(va, physical);
    return permissions != 0;
}

// Code is looked up before it runs, if it ever does: the walk that the guest can notice is on_block_slow's.
// Until then Unicorn must not read data there unasked.
bool Engine::fill_code(uint64_t va, uint64_t& physical, int& permissions) {
    Translation page;
    bool cached = false;
    if (!mmu_->foresee(Gva(va), access_for(AccessType::Fetch), page, stop_.fault, cached)) {
        fault_page_ = va;
        return false;
    }
    page.readable = page.readable && cached;
    if (page.backed) {
        physical = page.hpa.page().value();
        permissions = fetch_permissions(page);
    } else {
        fill_unbacked(page, AccessType::Fetch, physical, permissions);
    }
    return true;
}

// Where the walk came to the APIC-access page.
bool Engine::lends_page(uint64_t va, AccessType type, Translation& page) {
    if (va != lent_to_ || type == AccessType::Fetch || stop_.fault.kind != MmuFault::Kind::ApicAccess)
        return false;
    page = {};
    page.hpa = lent_page_;
    page.readable = true;
    page.writable = true;
    page.backed = memory_->contains(lent_page_, 1);
    flush_after_step_ = true;
    return true;
}

// For one instruction: the next has to ask again.
void Engine::open_watched(uint64_t va, uint64_t physical) {
    watch_.opened(va, physical);
    flush_after_step_ = true;
}

// Nothing answers there: reads give ones, and stores must not be remembered.
void Engine::fill_unbacked(const Translation& page, AccessType type, uint64_t& physical,
                           int& permissions) const {
    const bool store = type == AccessType::Write;
    physical = kEnginePages + (store ? EnginePages::kSink : EnginePages::kOnes);
    permissions = store ? UC_PROT_WRITE : type == AccessType::Fetch ? fetch_permissions(page) : UC_PROT_READ;
}

// The protocol of page_state.h.
int Engine::page_permissions(const Translation& page, AccessType type) {
    if (type == AccessType::Fetch) return fetch_permissions(page);
    const bool code = pages_.has_code(page.hpa);
    const int readable = code && page.executable ? UC_PROT_READ | UC_PROT_EXEC : UC_PROT_READ;
    if (!page.writable) return readable;
    if (!code) {
        pages_.add_writer(page.hpa);
        return UC_PROT_READ | UC_PROT_WRITE;
    }
    if (type == AccessType::Read) return readable;
    // An executable translation keeps each store checked. Where the guest forbids execution it may be lent
    // for one instruction only.
    if (stepping_ && !page.executable) {
        flush_after_step_ = true;
        return UC_PROT_ALL;
    }
    const bool drop = pages_.code_has_lost_its_use(page.hpa);
    if (page.executable && !drop) return UC_PROT_ALL;
    refusal_ = drop ? Refusal::DropCode : Refusal::Step;
    refused_page_ = page.hpa.page();
    return 0;
}

// -------------------------------------------------------------------------------------------- accounting

// What a block costs when it is entered may depend on the block before, or what the next one does on it.
bool Engine::looks_closer(const CodeBlock& block) {
    return (block.repeats && block.count() == 1) || block.restarts || !block.exact || !block.ends_run;
}

// The walk for the block's first byte, and for its last one if it is of an instruction that runs. What is on
// the page behind is not fetched before it is reached.
Engine::Fetch Engine::fetch_block(uint64_t pc, uint32_t size, Hpa& at) {
    const Access access = access_for(AccessType::Fetch);
    Translation page;
    if (!mmu_->translate(Gva(pc), access, page, stop_.fault)) return Fetch::Faults;
    at = page.hpa;
    const Gva last(pc + size - 1);
    if (((pc ^ last.value()) & ~kPageMask) == 0 || mmu_->holds(last, access)) return Fetch::Done;
    if (!stepping_) return Fetch::NotAtOnce;
    return mmu_->translate(last, access, page, stop_.fault) ? Fetch::Done : Fetch::Faults;
}

// False if the map lacks the block: then all code is translated again.
bool Engine::resolve_block(uint64_t pc, uint32_t size, Hpa at, BlockSlot& slot) {
    BlockOrigin& from = origin(slot);
    const bool unchanged = slot.pc == pc && slot.size == size && from.hpa == at &&
                           from.code_version == code_.version() && slot.block != nullptr;
    if (unchanged) {
        from.generation = generation_;
        slot.generation = looks_closer(*slot.block) ? kLookCloser : generation_;
        return true;
    }
    const CodeBlock* block = code_.find_unique(at, size);
    if (block == nullptr) block = code_.find(at, size, current_mode());
    if (block == nullptr) return false;
    from = {at, code_.version(), generation_};
    slot.pc = pc;
    slot.block = block;
    slot.generation = looks_closer(*block) ? kLookCloser : generation_;
    slot.ticks = block->ticks;
    slot.size = static_cast<uint16_t>(size);
    slot.count = static_cast<uint16_t>(block->count());
    return true;
}

bool Engine::interruptible() const {
    if ((state_.rflags() & x86::rflags::IF) == 0) return false;
    return !state_.interrupt_shadow();
}

void Engine::on_block_slow(uint64_t pc, uint32_t size, BlockSlot& slot) {
    if (!running_ || event_ != Event::None) return;
    const bool known = slot.pc == pc && slot.size == size && origin(slot).generation == generation_ &&
                       slot.block->mode == current_mode();
    if (!known) {
        Hpa at;
        const Fetch fetch = fetch_block(pc, size, at);
        if (fetch == Fetch::Faults) {
            fault_page_ = stop_.fault.gva.page().value();
            return halt(Event::FetchFault);
        }
        if (fetch == Fetch::NotAtOnce) {
            step_one_ = true;
            return halt(Event::BlockLimit);
        }
        if (!resolve_block(pc, size, at, slot)) {
            flush_code_ = true;
            return halt(Event::NewHooks);
        }
    }
    // Stepped, an instruction traps when it has run: to start again it must have written its own bytes.
    if (stepping_ && stepped_ && pc == last_pc_) return;
    if (stepping_ && stepped_) return halt(Event::BlockLimit);
    if (!slot.block->exact && !stepping_) {
        step_one_ = true;
        return halt(Event::BlockLimit);
    }
    if (starts_again(pc, *slot.block)) slot.generation = kLookCloser;
    if (slot.block->repeats && continues_repeat(slot) && repeat_is_paid(*slot.block)) {
        last_pc_ = pc;
        last_block_ = slot.block;
        return;
    }
    if (!pending_drops_.empty()) return halt(Event::NewHooks);
    const CodeBlock& block = block_in_run(slot);
    if (exit_requested_.load() || (ticks_ >= deadline_ && !begun_) ||
        (want_interruptible_ && interruptible()) || (!stepping_ && ticks_ + block.ticks > deadline_)) {
        run_.leave(block, pc, 0);
        return halt(Event::BlockLimit);
    }
    stepped_ = true;
    begun_ = false;
    if (slot.block->repeats) repeat_count_ = repeat_count(*slot.block);
    account(slot, ticks_ + block.ticks);
    last_block_ = &block;
    if (!stepping_) update_limit();
}

// The slot's block with what it costs here. Stepped, its instructions are part of a run of which no block is
// known.
const CodeBlock& Engine::block_in_run(const BlockSlot& slot) {
    if (stepping_ || run_.goes_on_at(slot.pc)) return run_.enter(*slot.block, slot.pc);
    run_.end();
    if (!slot.block->ends_run) run_.leave(*slot.block, slot.pc, slot.block->size);
    return *slot.block;
}

// What starts at RIP has not run, but nothing has happened to the guest in between.
void Engine::run_goes_on_here() {
    if (last_block_ == nullptr) return;
    const uint64_t offset = linear_rip() - last_pc_;
    if (offset < last_block_->size) run_.leave(*last_block_, last_pc_, offset);
}

// --------------------------------------------------------------------------------------------- discovery

CodeSize Engine::current_mode() const { return code_size(state_); }

void Engine::mark_code(Hpa at) {
    if (!memory_->contains(at, 1) || pages_.has_code(at)) return;
    pages_.set_code(at, true);
    if (pages_.has_writer(at)) flush_tlb();
}

// Runs once for each new block, before the block does.
void Engine::on_new_block(uint64_t pc, uint32_t size, unsigned instructions) {
    if (!running_ || pc - kAliasWindow < memory_->size()) return;
    Translation first;
    Translation last;
    if (!foresee_code(pc, first) || !foresee_code(pc + size - 1, last)) return;
    mark_code(first.hpa);
    mark_code(last.hpa);
    std::array<std::byte, 0x2000> buffer;
    const auto bytes = std::span(buffer).first(size);
    read_code(pc, bytes);
    const CodeBlock& block = code_.add(first.hpa, current_mode(), bytes, instructions);
    if (config_.profile != nullptr) config_.profile->forget_blocks();
    if (config_.code_observer != nullptr) config_.code_observer->on_new_block(block, bytes);
    slots_[slot_index(pc)] = {};
    if (block.hooked.empty()) return;
    const uint64_t first_hooked = pc + block.hooked.front();
    const uint64_t last_hooked = pc + block.hooked.back();
    if (unicorn_->hooks_code(first_hooked, last_hooked)) return;
    unicorn_->hook_code(first_hooked, last_hooked);
    if (memory_->contains(first.hpa, 1)) {
        retranslate_.push_back(first.hpa.value());
    } else {
        flush_code_ = true;
    }
    starts_again(pc, block);
    halt(Event::NewHooks);
}

// ------------------------------------------------------------------------------------------------- stops

// Instructions between those that need it are hooked too, and what another address space has at the same
// linear addresses: that just runs. The hook itself makes Unicorn mistake the flags if it faults: see
// take_flags_of_hook().
void Engine::on_code(uint64_t pc) {
    if (event_ != Event::None) return;
    if (stops_again(pc)) [[likely]]
        return stop_now(Event::HookedAgain);
    if (passes_in_last_block(pc)) return pass_hook(pc);
    if (divides_in_last_block(pc) && !quotient_overflows()) return pass_hook(pc);
    const StoppedInstruction* known = decode_in_last_block(pc);
    const StoppedInstruction found = known != nullptr ? *known : decode_at(pc, current_mode());
    if (!needs_hook(found) || runs_natively(found)) return pass_hook(pc);
    set_instruction(found);
    if (known != nullptr) last_block_->stop.hooked = !is_carried_out(found.id);
    stop_now(Event::HookedInstruction);
}

// Whether the hook is where the block was left last time.
bool Engine::stops_again(uint64_t pc) {
    if (last_block_ == nullptr) return false;
    const CodeBlock::StopPoint& stop = last_block_->stop;
    if (!stop.hooked || stop.offset != pc - last_pc_) return false;
    set_instruction(stop.instruction);
    return true;
}

bool Engine::passes_in_last_block(uint64_t linear) const {
    if (last_block_ == nullptr || linear - last_pc_ >= last_block_->size) return false;
    return std::ranges::find(last_block_->hooked, linear - last_pc_) == last_block_->hooked.end();
}

void Engine::pass_hook(uint64_t pc) {
    hooked_pc_ = pc;
    hooked_in_ = instructions_;
    hooked_flags_ = unicorn_->read(UC_X86_REG_EFLAGS);
}

// Unicorn does nothing for the instruction itself; RIP is set back when it has stopped.
void Engine::on_system_call(Instruction id) {
    if (event_ != Event::None) return;
    system_call_rip_ = unicorn_->read(UC_X86_REG_RIP);
    set_instruction({});
    stop_.instruction.id = id;
    stop_.instruction.length = 2;
    halt(Event::HookedInstruction);
}

// The block has been counted whole, this instruction and what follows it included.
int Engine::on_time_stamp(bool with_aux) {
    if (event_ != Event::None || last_block_ == nullptr) return 1;
    const uint64_t rip = unicorn_->read(UC_X86_REG_RIP);
    uint64_t linear = rip;
    if (last_block_->mode != CodeSize::Bits64) {
        linear = static_cast<uint32_t>(state_.segment_base(x86::SegmentRegister::CS) + rip);
    }
    const uint64_t ticks = ticks_ - last_block_->rest_from(linear - last_pc_).ticks;
    const uint64_t now = ticks / kTicksPerCycle + tsc_offset_;
    state_.set_gpr(x86::Gpr::RAX, static_cast<uint32_t>(now));
    state_.set_gpr(x86::Gpr::RDX, now >> 32);
    if (with_aux) state_.set_gpr(x86::Gpr::RCX, tsc_aux_);
    return 1;
}

void Engine::on_intercept(uint32_t number) {
    // The stop before SYSCALL stands: natively that does nothing, and then TF traps.
    if (running_ && event_ != Event::None) return;
    intercept_ = number;
    stop_now(Event::Intercept);
}

}  // namespace vtless::sim
