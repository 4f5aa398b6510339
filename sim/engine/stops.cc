// SPDX-License-Identifier: MIT
// From what Unicorn stopped at to what the guest did.
#include <algorithm>
#include <cstring>

#include "isa/x86/exception.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "sim/engine/engine.h"
#include "sim/engine/engine_pages.h"
#include "sim/engine/image_layout.h"
#include "sim/engine/instruction_decoder.h"
#include "sim/engine/unicorn.h"

namespace vtless::sim {
namespace {

using x86::Vector;

constexpr uint32_t kSvmExit = 0x100;
constexpr uint32_t kSvmException = 0x40;
constexpr uint32_t kSvmHlt = 0x78;

// Instructions that Unicorn's processor does not have: they arrive as #UD.
bool arrives_as_undefined(Instruction id) {
    switch (id) {
        case Instruction::VMCALL:
        case Instruction::VMCLEAR:
        case Instruction::VMLAUNCH:
        case Instruction::VMPTRLD:
        case Instruction::VMPTRST:
        case Instruction::VMREAD:
        case Instruction::VMRESUME:
        case Instruction::VMWRITE:
        case Instruction::VMXOFF:
        case Instruction::VMXON:
        case Instruction::INVEPT:
        case Instruction::INVVPID:
        case Instruction::VMFUNC:
        case Instruction::GETSEC:
        case Instruction::ENCLS:
        case Instruction::INVPCID:
        case Instruction::XSAVES:
        case Instruction::XRSTORS:
        case Instruction::INT1:
        case Instruction::SYSENTER:  // in 64-bit code: the engine's model is an AMD part
        case Instruction::SYSEXIT:
            return true;
        default:
            return false;
    }
}

// VMX lets these exit where Unicorn has found a #GP already: for the CPL, or for ECX.
bool arrives_as_general_protection(Instruction id, unsigned cpl) {
    if (id == Instruction::MONITOR || id == Instruction::MWAIT) return true;
    return cpl != 0 && (id == Instruction::MOV_TO_DR || id == Instruction::MOV_FROM_DR);
}

uint64_t page_of(uint64_t address) { return address & ~uint64_t{0xfff}; }

}  // namespace

// What stops at an instruction, not between two, ends a run of them.
bool Engine::stop_with(Stop::Kind kind) {
    const bool between = kind == Stop::Kind::Deadline || kind == Stop::Kind::Requested ||
                         kind == Stop::Kind::SingleStep || kind == Stop::Kind::BlockBoundary;
    if (run_.goes_on() && !between) [[unlikely]]
        run_.end();
    stop_.kind = kind;
    return true;
}

bool Engine::stop_with_exception(uint8_t vector, bool has_error_code, uint32_t error_code) {
    stop_.vector = vector;
    stop_.has_error_code = has_error_code;
    stop_.error_code = error_code;
    return stop_with(Stop::Kind::Exception);
}

// What faults leaves the flags as they were. Unicorn unwinds how they were to be evaluated, but not the
// operands of that, where the instruction has evaluated them before it faulted, or a hook has.
void Engine::take_flags_of_hook() {
    if (!at_hook(linear_rip())) return;
    constexpr uint64_t kArithmetic = x86::rflags::kArithmetic;
    CpuState& cpu = edit_state();
    cpu.set_rflags((cpu.rflags() & ~kArithmetic) | (hooked_flags_ & kArithmetic));
}

bool Engine::settle(bool refused) {
    if (hooked_pc_ != kNever) [[unlikely]] {
        const bool trap = intercept_ == kSvmExit + kSvmException + static_cast<unsigned>(Vector::DB);
        if (refused ? stop_.access != AccessType::Fetch : event_ == Event::Intercept && !trap) {
            take_flags_of_hook();
        }
    }
    if (refused) {
        if (stop_.access != AccessType::Fetch || refusal_ != Refusal::None) refund_unexecuted();
        return settle_fault();
    }
    // The two that are at most exits stay out of the jump table.
    if (event_ == Event::Intercept) [[likely]]
        return settle_intercept();
    if (event_ == Event::HookedAgain) {
        refund(last_block_->stop);
        return stop_with(Stop::Kind::Instruction);
    }
    return settle_rare_event();
}

bool Engine::settle_rare_event() {
    switch (event_) {
        case Event::HookedInstruction:
            if (system_call_rip_ != kNever) rip_ = system_call_rip_;
            refund_unexecuted();
            if (is_carried_out(stop_.instruction.id)) return carry_out();
            return stop_with(Stop::Kind::Instruction);
        case Event::NewHooks:
            if (last_block_ != nullptr) ran_to_the_end_of(last_block_);
            for (const uint64_t block : retranslate_) drop_translations(Hpa(block), 1);
            retranslate_.clear();
            if (flush_code_) {
                unicorn_->flush_code();
                flush_tlb();  // where it is may not be where it was foreseen: a strict TLB has stale tables
                flush_code_ = false;
            }
            return false;
        case Event::BlockLimit:
            if (last_block_ != nullptr) ran_to_the_end_of(last_block_);
            return settle_block_limit();
        case Event::FetchFault:
            if (last_block_ != nullptr) ran_to_the_end_of(last_block_);
            stop_.access = AccessType::Fetch;
            return settle_fetch_fault();
        case Event::Intercept:
        case Event::HookedAgain:
        case Event::None:
            break;
    }
    constexpr bool kAskedToStop = false;
    VTLESS_CHECK(kAskedToStop);
    return true;
}

bool Engine::settle_block_limit() {
    if (stepping_ && stepped_) return step_done();
    if (exit_requested_.exchange(false)) return stop_with(Stop::Kind::Requested);
    if (ticks_ >= deadline_) return stop_with(Stop::Kind::Deadline);
    if (want_interruptible_ && interruptible()) return stop_with(Stop::Kind::BlockBoundary);
    enter_stepping();
    return false;
}

// ---------------------------------------------------------------------------------------------- intercepts

bool Engine::settle_intercept() {
    const uint32_t code = intercept_ - kSvmExit;
    if (code >= kSvmException && code < kSvmException + 32) [[unlikely]] {
        return settle_exception(static_cast<uint8_t>(code - kSvmException));
    }
    if (!stops_as_before()) [[unlikely]] {
        if (const StoppedInstruction* known = decode_in_last_block(linear_rip())) set_instruction(*known);
        if (code == kSvmHlt && instruction().id != Instruction::HLT) return settle_refused_instruction();
        refund_unexecuted();
        (void)instruction();
    }
    const StoppedInstruction& found = stop_.instruction;
    // SVM's own instructions are not there for a guest of VMX.
    if (found.id == Instruction::UNDEFINED || found.id == Instruction::None) [[unlikely]] {
        return stop_with_exception(static_cast<uint8_t>(Vector::UD), false, 0);
    }
    return stop_with(Stop::Kind::Instruction);
}

// Whether this is the instruction that the block was left at last time: all is known then.
bool Engine::stops_as_before() {
    if (last_block_ == nullptr || last_block_->mode != CodeSize::Bits64) [[unlikely]]
        return false;
    const CodeBlock::StopPoint& stop = last_block_->stop;
    if (image_loaded_ || !stop.decoded || stop.offset != rip_ - last_pc_) [[unlikely]]
        return false;
    refund(stop);
    set_instruction(stop.instruction);
    return true;
}

bool Engine::settle_exception(uint8_t vector) {
    if (vector == static_cast<uint8_t>(Vector::DB)) {  // a trap: the instruction before RIP has run
        ran_to_the_end_of(last_block_);
        if (stepping_ && !guest_tf_) return step_done();
        return stop_with_exception(vector, false, 0);
    }
    refund_unexecuted();
    const bool refused =
        (vector == static_cast<uint8_t>(Vector::UD) && arrives_as_undefined(instruction().id)) ||
        (vector == static_cast<uint8_t>(Vector::GP) &&
         arrives_as_general_protection(instruction().id, cpl()));
    if (refused) return stop_with(Stop::Kind::Instruction);
    if (!x86::has_error_code(static_cast<Vector>(vector))) return stop_with_exception(vector, false, 0);
    load_image();
    uint32_t error_code;
    std::memcpy(&error_code, state_.image() + layout::kErrorCode, sizeof error_code);
    return stop_with_exception(vector, true, error_code);
}

// -------------------------------------------------------------------------------------------------- faults

bool Engine::settle_fault() {
    switch (refusal_) {
        case Refusal::DropCode:
            run_goes_on_here();
            drop_code(refused_page_);
            return false;
        case Refusal::Step:
            run_goes_on_here();
            enter_stepping();
            return false;
        case Refusal::None:
            break;
    }
    if (stop_.access == AccessType::Fetch) return settle_fetch_fault();
    stop_.fault.gva = Gva(faulting_address());
    switch (stop_.fault.kind) {
        case MmuFault::Kind::NonCanonical: {
            const bool stack = uses_stack_segment();
            return stop_with_exception(static_cast<uint8_t>(stack ? Vector::SS : Vector::GP), true, 0);
        }
        case MmuFault::Kind::PageFault:
            if (grant_implicit_access()) return false;
            return stop_with(Stop::Kind::PageFault);
        default:
            break;
    }
    return stop_with_ept_fault();
}

// The hook is asked for pages. Where the walk's end was refused, the offset is all that is missing; else the
// walk for the exact address gives the exact guest-physical one.
bool Engine::stop_with_ept_fault() {
    MmuFault& fault = stop_.fault;
    const bool at_end = (fault.qualification & x86::EptViolationQualification::FINAL_TRANSLATION) != 0;
    if (fault.kind == MmuFault::Kind::EptViolation && at_end) {
        fault.gpa = fault.gpa.page() + fault.gva.page_offset();
    } else {
        Translation ignored;
        const MmuFault exact = mmu_->translate(fault.gva, access_for(stop_.access), ignored);
        if (exact) fault = exact;
    }
    return stop_with(ept_stop(fault));
}

// Code is translated ahead of RIP: a block that runs into the refused page has not faulted yet. Stepping,
// each block is one instruction, and then it has.
bool Engine::settle_fetch_fault() {
    const uint64_t at = linear_rip();
    if (page_of(at) != fault_page_ && !stepping_) {
        enter_stepping();
        return false;
    }
    const Gva first(page_of(at) == fault_page_ ? at : fault_page_);
    Translation ignored;
    if (!mmu_->translate(first, access_for(AccessType::Fetch), ignored, stop_.fault)) stop_.fault.gva = first;
    if (stop_.fault.kind == MmuFault::Kind::NonCanonical) {
        return stop_with_exception(static_cast<uint8_t>(Vector::GP), true, 0);
    }
    if (stop_.fault.kind == MmuFault::Kind::PageFault) return stop_with(Stop::Kind::PageFault);
    return stop_with_ept_fault();
}

// An access that crosses into the refused page faults at that page's first byte.
uint64_t Engine::faulting_address() const {
    const uint64_t address = unicorn_->fault_address();
    return page_of(address) == fault_page_ ? address : fault_page_;
}

// At CPL 3 a segment load reads its descriptor as supervisor, but Unicorn asks for the page without saying
// so. SDM Vol. 3A "Determination of Access Rights" (4.6.1).
bool Engine::grant_implicit_access() {
    const Access asked = access_for(stop_.access);
    if (!asked.user || stepping_) return false;
    const CpuState& cpu = state();
    const uint64_t address = stop_.fault.gva.value();
    const auto inside = [&](uint64_t base, uint64_t limit) { return address - base <= limit; };
    const x86::Segment ldt = cpu.segment(x86::SegmentRegister::LDTR);
    const x86::Segment tss = cpu.segment(x86::SegmentRegister::TR);
    if (!inside(cpu.gdtr().base, cpu.gdtr().limit) && !inside(ldt.base, ldt.limit) &&
        !inside(tss.base, tss.limit)) {
        return false;
    }
    std::array<std::byte, kLongestInstruction> bytes;
    const size_t count = read_code(cpu.linear_rip(), bytes);
    if (!loads_segment(std::span(bytes).first(count), cpu.code64())) return false;
    Translation ignored;
    if (mmu_->translate(stop_.fault.gva, Access::implicit_supervisor(stop_.access), ignored)) return false;
    implicit_grant_ = fault_page_;
    flush_after_step_ = true;
    run_goes_on_here();
    enter_stepping();
    return true;
}

// SDM Vol. 1 "Canonical Addressing" (3.3.7.1): through SS the fault is #SS.
bool Engine::uses_stack_segment() {
    std::array<std::byte, kLongestInstruction> bytes;
    const size_t count = read_code(linear_rip(), bytes);
    return addresses_stack(std::span(bytes).first(count), code_size(state()));
}

// ---------------------------------------------------------------------------------------------- accounting

// The block hook has counted the whole block; what starts here has not run.
void Engine::refund(const CodeBlock::StopPoint& stop) {
    ticks_ -= stop.rest.ticks;
    instructions_ -= stop.rest.count;
    if (stop.offset == 0 && before_last_ == nullptr) return;  // nothing has run since the last stop
    ran_to_the_end_of(stop.offset == 0 ? before_last_ : nullptr);
}

void Engine::refund_unexecuted() {
    if (last_block_ == nullptr) return;
    const uint64_t offset = linear_rip() - last_pc_;
    if (offset >= last_block_->size) return ran_to_the_end_of(last_block_);
    refund(last_block_->stop_at(offset));
}

// nullptr: RIP is inside a block, so that no shadow reaches it.
void Engine::ran_to_the_end_of(const CodeBlock* block) {
    before_rip_ = block;
    given_shadow_ = Shadow::None;
}

bool Engine::foresee_code(uint64_t linear, Translation& page) {
    MmuFault fault;
    bool cached = false;
    return mmu_->foresee(Gva(linear), access_for(AccessType::Fetch), page, fault, cached);
}

// Bytes that may run, up to the first page that cannot be fetched. Outside RAM they are ones.
size_t Engine::read_code(uint64_t linear, std::span<std::byte> bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
        const uint64_t at = linear + done;
        const size_t count = std::min<size_t>(bytes.size() - done, 0x1000 - (at & 0xfff));
        Translation page;
        if (!foresee_code(at, page)) break;
        if (page.backed) {
            std::memcpy(bytes.data() + done, memory_->map(page.hpa), count);
        } else {
            std::memset(bytes.data() + done, 0xff, count);
        }
        done += count;
    }
    return done;
}

// What runs at this address, if it is in the block that was entered last: its bytes are still those.
const StoppedInstruction* Engine::decode_in_last_block(uint64_t linear) {
    if (last_block_ == nullptr) return nullptr;
    const uint64_t offset = linear - last_pc_;
    if (offset >= last_block_->size) return nullptr;
    CodeBlock::StopPoint& stop = last_block_->stop_at(offset);
    if (!stop.decoded) stop.instruction = decode_at(linear, last_block_->mode);
    stop.decoded = true;
    return &stop.instruction;
}

// The second page only if the first is not enough: reading it would mark it accessed.
StoppedInstruction Engine::decode_at(uint64_t linear, CodeSize mode) {
    std::array<std::byte, kLongestInstruction> bytes;
    const size_t in_page = std::min<size_t>(bytes.size(), 0x1000 - (linear & 0xfff));
    const size_t count = read_code(linear, std::span(bytes).first(in_page));
    StoppedInstruction decoded = decode_stopped_instruction(std::span(bytes).first(count), mode);
    if (decoded.id == Instruction::None && count == in_page && in_page < bytes.size()) {
        decoded = decode_stopped_instruction(std::span(bytes).first(read_code(linear, bytes)), mode);
    }
    return decoded;
}

}  // namespace vtless::sim
