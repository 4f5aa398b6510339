// SPDX-License-Identifier: MIT
#include "sim/cpu/iret.h"

#include <array>

#include "isa/x86/rflags.h"
#include "sim/cpu/flags.h"
#include "sim/cpu/operation.h"
#include "sim/cpu/task_switch.h"

namespace vtless::sim {

namespace rf = x86::rflags;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

namespace {

constexpr uint64_t kKeptInRealMode = rf::VM | rf::VIF | rf::VIP;
constexpr uint64_t kLow32 = 0xffffffff;

class InterruptReturn : public Operation {
  public:
    InterruptReturn(CpuState& cpu, Mmu& mmu, unsigned operand_size)
        : Operation(cpu, mmu), size_(operand_size), stack_(current_stack()) {}

    bool real_mode();
    bool from_v8086();
    bool protected_mode();

  private:
    bool pop_frame() { return pop(stack_, size_, frame_); }
    uint64_t popped_rip() const { return frame_[0]; }
    uint16_t popped_cs() const { return static_cast<uint16_t>(frame_[1]); }
    uint64_t popped_rflags() const { return frame_[2]; }

    bool leave_task();
    bool to_v8086();
    bool read_code();
    bool check_target();
    bool read_stack_segment(uint16_t selector, x86::Segment& out);
    void load_stack_pointer(const x86::Segment& ss, uint64_t pointer);
    void drop_inner_segments();
    uint64_t new_flags() const;

    const unsigned size_;
    Stack stack_;
    std::array<uint64_t, 3> frame_{};
    Descriptor code_;
    unsigned new_cpl_ = 0;
    bool to64_ = false;
};

bool InterruptReturn::real_mode() {
    if (!pop_frame()) return false;
    if (popped_rip() > cpu().segment(SegmentRegister::CS).limit) return fail(Vector::GP);
    const uint64_t old = cpu().rflags();
    const uint64_t loaded = size_ == 2 ? 0xffff : ~(kKeptInRealMode | rf::kReserved);
    cpu().set_gpr(Gpr::RSP, stack_.pointer);
    load_real_segment(cpu(), SegmentRegister::CS, popped_cs());
    cpu().set_rip(popped_rip());
    cpu().set_rflags(((old & ~loaded) | (popped_rflags() & loaded & ~rf::kReserved)) | rf::kFixed1);
    return true;
}

bool InterruptReturn::from_v8086() {
    if (rf::iopl(cpu().rflags()) < 3) return fail(Vector::GP, 0);
    if (!pop_frame()) return false;
    if (popped_rip() > 0xffff) return fail(Vector::GP, 0);
    const uint64_t kept = rf::VM | rf::IOPL | rf::VIF | rf::VIP;
    const uint64_t loaded = (size_ == 2 ? 0xffff : kLow32) & ~(kept | rf::kReserved);
    cpu().set_gpr(Gpr::RSP, stack_.pointer);
    cpu().set_segment(SegmentRegister::CS, v8086_segment(popped_cs()));
    cpu().set_rip(popped_rip());
    cpu().set_rflags((cpu().rflags() & ~loaded) | (popped_rflags() & loaded) | rf::kFixed1);
    return true;
}

bool InterruptReturn::leave_task() {
    if (cpu().ia32e()) return fail(Vector::GP, 0);
    uint16_t link = 0;
    if (!read_system(Gva(cpu().segment_base(SegmentRegister::TR)), link) || !check_task(*this, link, true))
        return false;
    result().kind = CpuResult::Kind::TaskSwitch;
    result().task = link;
    return true;
}

bool InterruptReturn::to_v8086() {
    std::array<uint64_t, 6> rest{};
    if (!pop(stack_, 4, rest)) return false;
    if (popped_rip() > 0xffff) return fail(Vector::GP, 0);
    constexpr std::array kOrder{SegmentRegister::SS, SegmentRegister::ES, SegmentRegister::DS,
                                SegmentRegister::FS, SegmentRegister::GS};
    for (size_t i = 0; i < kOrder.size(); ++i)
        cpu().set_segment(kOrder[i], v8086_segment(static_cast<uint16_t>(rest[i + 1])));
    cpu().set_segment(SegmentRegister::CS, v8086_segment(popped_cs()));
    cpu().set_gpr(Gpr::RSP, rest[0]);
    cpu().set_rip(popped_rip());
    cpu().set_rflags((popped_rflags() & ~rf::kReserved) | rf::kFixed1);
    cpu().set_cpl(3);
    return true;
}

bool InterruptReturn::read_code() {
    const uint16_t selector = popped_cs();
    if (x86::selector_is_null(selector)) return fail(Vector::GP, 0);
    if (!read_descriptor(selector, Vector::GP, code_)) return false;
    const x86::AccessRights rights = code_.rights();
    new_cpl_ = x86::selector_rpl(selector);
    if (!rights.is_code() || new_cpl_ < cpu().cpl()) return fail_selector(Vector::GP, selector);
    if (rights.is_conforming_code() ? rights.dpl() > new_cpl_ : rights.dpl() != new_cpl_)
        return fail_selector(Vector::GP, selector);
    to64_ = cpu().ia32e() && rights.long_mode();
    if (to64_ && rights.default_big()) return fail_selector(Vector::GP, selector);
    if (!rights.present()) return fail_selector(Vector::NP, selector);
    return true;
}

bool InterruptReturn::check_target() {
    const bool outside =
        to64_ ? !is_canonical_for(mmu(), popped_rip()) : popped_rip() > code_.segment().limit;
    return outside ? fail(Vector::GP, 0) : true;
}

bool InterruptReturn::read_stack_segment(uint16_t selector, x86::Segment& out) {
    if (x86::selector_is_null(selector)) {
        if (!to64_ || new_cpl_ == 3 || x86::selector_rpl(selector) != new_cpl_) return fail(Vector::GP, 0);
        out = null_segment(selector);
        out.rights = out.rights.with_dpl(new_cpl_);
        return true;
    }
    Descriptor descriptor;
    if (!read_descriptor(selector, Vector::GP, descriptor)) return false;
    const x86::AccessRights rights = descriptor.rights();
    if (x86::selector_rpl(selector) != new_cpl_ || !rights.writable() || rights.dpl() != new_cpl_)
        return fail_selector(Vector::GP, selector);
    if (!rights.present()) return fail_selector(Vector::SS, selector);
    if (!set_accessed(descriptor)) return false;
    out = descriptor.segment();
    return true;
}

void InterruptReturn::load_stack_pointer(const x86::Segment& ss, uint64_t pointer) {
    const bool wide = to64_ || ss.rights.default_big();
    cpu().set_gpr(Gpr::RSP, wide ? pointer : (cpu().gpr(Gpr::RSP) & ~uint64_t{0xffff}) | (pointer & 0xffff));
}

// Outer code must not inherit segments that it could not load.
void InterruptReturn::drop_inner_segments() {
    for (const SegmentRegister index :
         {SegmentRegister::ES, SegmentRegister::DS, SegmentRegister::FS, SegmentRegister::GS}) {
        const x86::AccessRights rights = cpu().segment(index).rights;
        if (!rights.unusable() && rights.dpl() < new_cpl_ && !rights.is_conforming_code())
            cpu().set_segment(index, null_segment(0));
    }
}

uint64_t InterruptReturn::new_flags() const {
    uint64_t also = 0;
    if (size_ > 2) also |= rf::RF;
    if (size_ > 2 && cpu().cpl() == 0) also |= rf::VIF | rf::VIP;
    return (popped_flags(cpu(), popped_rflags(), size_) & ~also) | (popped_rflags() & also);
}

bool InterruptReturn::protected_mode() {
    if ((cpu().rflags() & rf::NT) != 0) return leave_task();
    if (!pop_frame()) return false;
    if (!cpu().ia32e() && size_ == 4 && cpu().cpl() == 0 && (popped_rflags() & rf::VM) != 0)
        return to_v8086();
    if (!read_code()) return false;

    const bool outer = new_cpl_ != cpu().cpl();
    const bool pops_stack = outer || cpu().code64();
    std::array<uint64_t, 2> pointer_and_segment{};
    x86::Segment ss;
    if (pops_stack) {
        if (!pop(stack_, size_, pointer_and_segment)) return false;
        if (!read_stack_segment(static_cast<uint16_t>(pointer_and_segment[1]), ss)) return false;
    }
    if (!check_target() || !set_accessed(code_)) return false;

    const uint64_t flags = new_flags();
    if (outer) drop_inner_segments();
    if (pops_stack) {
        cpu().set_segment(SegmentRegister::SS, ss);
        load_stack_pointer(ss, pointer_and_segment[0]);
    } else {
        cpu().set_gpr(Gpr::RSP, stack_.pointer);
    }
    cpu().set_segment(SegmentRegister::CS, code_.segment());
    cpu().set_rip(popped_rip());
    cpu().set_rflags(flags);
    cpu().set_cpl(new_cpl_);
    return true;
}

}  // namespace

CpuResult iret(CpuState& cpu, Mmu& mmu, unsigned operand_size) {
    InterruptReturn operation(cpu, mmu, operand_size);
    const bool done = !cpu.protected_mode() ? operation.real_mode()
                      : cpu.v8086()         ? operation.from_v8086()
                                            : operation.protected_mode();
    if (done && operation.result().done()) cpu.set_interrupt_shadow(false);
    return operation.result();
}

}  // namespace vtless::sim
