// SPDX-License-Identifier: MIT
#include "sim/cpu/event_delivery.h"

#include <array>

#include "isa/x86/rflags.h"
#include "sim/cpu/operation.h"
#include "sim/cpu/task_switch.h"

namespace vtless::sim {

namespace rf = x86::rflags;
using x86::EventType;
using x86::Gpr;
using x86::SegmentRegister;
using x86::SystemType;
using x86::Vector;

namespace {

// INT n, INT3 and INTO check the gate's DPL and never set EXT; INT1 does neither.
bool checks_gate_privilege(EventType type) {
    return type == EventType::SOFTWARE_INTERRUPT || type == EventType::SOFTWARE_EXCEPTION;
}

}  // namespace

// Faults save RF as 1, but for #DB, which is one only if Event says so. SDM Vol. 3B "Instruction-Breakpoint
// Exception Condition" (18.3.1.1).
bool saves_resume_flag(const Event& event) {
    if (event.resume_flag) return true;
    if (event.type != EventType::HARDWARE_EXCEPTION) return false;
    switch (static_cast<Vector>(event.vector)) {
        case Vector::DB:
        case Vector::NMI:
        case Vector::BP:
        case Vector::OF:
        case Vector::DF:
        case Vector::MC:
            return false;
        default:
            return true;
    }
}

namespace {

class Delivery : public Operation {
  public:
    Delivery(CpuState& cpu, Mmu& mmu, const Event& event)
        : Operation(cpu, mmu, !checks_gate_privilege(event.type)), event_(event) {}

    bool real_mode();
    bool protected_mode();

    bool task_gate() const { return task_gate_; }

  private:
    uint64_t saved_rip() const;
    uint64_t saved_rflags() const;
    bool fail_gate(Vector vector) {
        return fail(vector, uint32_t{event_.vector} * 8 + x86::selector_error::IDT);
    }
    bool read_gate();
    bool read_code_segment();
    bool choose_stack64(Stack& stack);
    bool choose_stack(Stack& stack);
    bool push_frame(Stack& stack);
    void enter_handler(const Stack& stack);

    const Event& event_;
    x86::Gate gate_;
    Descriptor code_;
    unsigned new_cpl_ = 0;
    bool changes_stack_segment_ = false;
    bool task_gate_ = false;
};

uint64_t Delivery::saved_rip() const {
    return event_.instruction_length == 0 ? cpu().rip() : cpu().next_rip(event_.instruction_length);
}

uint64_t Delivery::saved_rflags() const {
    return (cpu().rflags() & ~rf::RF) | (saves_resume_flag(event_) ? rf::RF : 0);
}

// SDM Vol. 3B "Interrupt and Exception Handling" in real-address mode (21.1.4).
bool Delivery::real_mode() {
    const x86::DescriptorTable ivt = cpu().idtr();
    const unsigned at = event_.vector * 4u;
    if (at + 3 > ivt.limit) return fail(Vector::GP);
    std::array<uint16_t, 2> entry{};
    if (!read_system(Gva(ivt.base + at), entry)) return false;
    x86::Segment cs = cpu().segment(SegmentRegister::CS);
    if (entry[0] > cs.limit) return fail(Vector::GP);

    Stack stack = current_stack();
    const std::array<uint64_t, 3> frame{saved_rflags(), cs.selector, saved_rip()};
    if (!push(stack, 2, frame)) return false;
    load_real_segment(cpu(), SegmentRegister::CS, entry[1]);
    cpu().set_gpr(Gpr::RSP, stack.pointer);
    cpu().set_rip(entry[0]);
    cpu().set_rflags(cpu().rflags() & ~(rf::IF | rf::TF | rf::AC | rf::RF));
    cpu().set_interrupt_shadow(false);
    return true;
}

bool Delivery::read_gate() {
    const x86::DescriptorTable idt = cpu().idtr();
    const bool wide = cpu().ia32e();
    const unsigned size = wide ? 16 : 8;
    const unsigned at = event_.vector * size;
    if (at + size - 1 > idt.limit) return fail_gate(Vector::GP);
    std::array<uint64_t, 2> raw{};
    if (!read_system(Gva(idt.base + at), std::as_writable_bytes(std::span(raw)).first(size))) return false;
    gate_ = x86::gate_from_descriptor(raw[0], raw[1]);

    bool known = gate_.type == SystemType::INTERRUPT_GATE32 || gate_.type == SystemType::TRAP_GATE32;
    if (!wide)
        known = known || gate_.type == SystemType::INTERRUPT_GATE16 ||
                gate_.type == SystemType::TRAP_GATE16 || gate_.type == SystemType::TASK_GATE;
    if (!known || gate_.code_or_data) return fail_gate(Vector::GP);
    if (checks_gate_privilege(event_.type) && gate_.dpl < cpu().cpl()) return fail_gate(Vector::GP);
    if (!gate_.present) return fail_gate(Vector::NP);
    return true;
}

bool Delivery::read_code_segment() {
    if (x86::selector_is_null(gate_.selector)) return fail(Vector::GP, 0);
    if (!read_descriptor(gate_.selector, Vector::GP, code_)) return false;
    const x86::AccessRights rights = code_.rights();
    if (!rights.is_code() || rights.dpl() > cpu().cpl()) return fail_selector(Vector::GP, gate_.selector);
    if (cpu().ia32e() && (!rights.long_mode() || rights.default_big()))
        return fail_selector(Vector::GP, gate_.selector);
    if (!rights.present()) return fail_selector(Vector::NP, gate_.selector);
    new_cpl_ = rights.is_conforming_code() ? cpu().cpl() : rights.dpl();
    // Virtual-8086 mode is left for privilege level 0 only.
    if (cpu().v8086() && new_cpl_ != 0) return fail_selector(Vector::GP, gate_.selector);
    return true;
}

// SDM Vol. 3A "64-Bit Mode Stack Frame" (6.14.2), "Interrupt Stack Table" (6.14.5).
bool Delivery::choose_stack64(Stack& stack) {
    const bool inner = new_cpl_ != cpu().cpl();
    uint64_t pointer = cpu().gpr(Gpr::RSP);
    if (inner || gate_.ist != 0) {
        const x86::Segment tr = cpu().segment(SegmentRegister::TR);
        const unsigned at = gate_.ist != 0 ? gate_.ist * 8 + 28 : new_cpl_ * 8 + 4;
        if (at + 7 > tr.limit) return fail_selector(Vector::TS, tr.selector);
        if (!read_system(Gva(tr.base + at), pointer)) return false;
    }
    if (!is_canonical_for(mmu(), pointer)) return fail(Vector::SS, 0);
    x86::Segment segment = cpu().segment(SegmentRegister::SS);
    if (inner) {
        segment = null_segment(static_cast<uint16_t>(new_cpl_));
        segment.rights = segment.rights.with_dpl(new_cpl_);
    }
    changes_stack_segment_ = inner;
    stack = inner_stack(segment, pointer & ~uint64_t{15}, new_cpl_);
    stack.flat64 = true;
    return true;
}

bool Delivery::choose_stack(Stack& stack) {
    if (new_cpl_ == cpu().cpl()) {
        stack = current_stack();
        return true;
    }
    uint16_t selector = 0;
    uint64_t pointer = 0;
    x86::Segment segment;
    if (!read_tss_stack(new_cpl_, selector, pointer)) return false;
    if (!load_inner_stack_segment(selector, new_cpl_, segment)) return false;
    changes_stack_segment_ = true;
    stack = inner_stack(segment, pointer, new_cpl_);
    stack.fault_code = selector & 0xfffcu;
    return true;
}

bool Delivery::push_frame(Stack& stack) {
    std::array<uint64_t, 10> frame;
    size_t count = 0;
    if (cpu().v8086()) {
        for (const SegmentRegister index :
             {SegmentRegister::GS, SegmentRegister::FS, SegmentRegister::DS, SegmentRegister::ES})
            frame[count++] = cpu().selector(index);
    }
    if (changes_stack_segment_ || stack.flat64) {
        frame[count++] = cpu().selector(SegmentRegister::SS);
        frame[count++] = cpu().gpr(Gpr::RSP);
    }
    frame[count++] = saved_rflags();
    frame[count++] = cpu().selector(SegmentRegister::CS);
    frame[count++] = saved_rip();
    if (event_.has_error_code) frame[count++] = event_.error_code;
    const unsigned width = stack.flat64 ? 8 : gate_.is_16bit() ? 2 : 4;
    return push(stack, width, {frame.data(), count});
}

void Delivery::enter_handler(const Stack& stack) {
    x86::Segment cs = code_.segment();
    cs.selector = static_cast<uint16_t>((cs.selector & ~3u) | new_cpl_);
    if (cpu().v8086()) {
        for (const SegmentRegister index :
             {SegmentRegister::GS, SegmentRegister::FS, SegmentRegister::DS, SegmentRegister::ES})
            cpu().set_segment(index, null_segment(0));
    }
    if (changes_stack_segment_) cpu().set_segment(SegmentRegister::SS, stack.segment);
    cpu().set_segment(SegmentRegister::CS, cs);
    cpu().set_gpr(Gpr::RSP, stack.pointer);
    cpu().set_rip(gate_.offset);
    uint64_t cleared = rf::TF | rf::NT | rf::VM | rf::RF;
    if (gate_.clears_interrupt_flag()) cleared |= rf::IF;
    cpu().set_rflags(cpu().rflags() & ~cleared);
    cpu().set_cpl(new_cpl_);
    cpu().set_interrupt_shadow(false);
}

// SDM Vol. 3A "Exception and Interrupt Handling in Protected Mode" (6.12), and in 64-bit mode (6.14).
bool Delivery::protected_mode() {
    if (!read_gate()) return false;
    if (gate_.type == SystemType::TASK_GATE) {
        if (!check_task(*this, gate_.selector, false)) return false;
        task_gate_ = true;
        result().task = gate_.selector;
        return true;
    }
    if (!read_code_segment()) return false;
    Stack stack;
    if (!(cpu().ia32e() ? choose_stack64(stack) : choose_stack(stack))) return false;
    const bool outside =
        cpu().ia32e() ? !is_canonical_for(mmu(), gate_.offset) : gate_.offset > code_.segment().limit;
    if (outside) return fail(Vector::GP, 0);
    if (!set_accessed(code_) || !push_frame(stack)) return false;
    enter_handler(stack);
    return true;
}

}  // namespace

DeliveryResult deliver_event(CpuState& cpu, Mmu& mmu, const Event& event) {
    Delivery delivery(cpu, mmu, event);
    DeliveryResult result;
    if (cpu.protected_mode() ? delivery.protected_mode() : delivery.real_mode()) {
        if (delivery.task_gate()) {
            result.kind = DeliveryResult::Kind::TaskGate;
            result.task = delivery.result().task;
        }
        return result;
    }
    const CpuResult& failure = delivery.result();
    result.kind = failure.kind == CpuResult::Kind::MmuExit ? DeliveryResult::Kind::MmuExit
                                                           : DeliveryResult::Kind::Fault;
    result.nested = failure.event;
    result.cr2 = failure.cr2;
    result.mmu = failure.mmu;
    return result;
}

Combination combine(const Event& first, const Event& second) {
    Combination result;
    result.event = second;
    if (first.type != EventType::HARDWARE_EXCEPTION || second.type != EventType::HARDWARE_EXCEPTION)
        return result;
    const auto first_vector = static_cast<Vector>(first.vector);
    const auto second_vector = static_cast<Vector>(second.vector);
    const bool serious = x86::is_contributory(second_vector) || second_vector == Vector::PF;
    if (first_vector == Vector::DF && serious) {
        result.triple_fault = true;
    } else if (x86::makes_double_fault(first_vector, second_vector)) {
        result.event = Event::exception(Vector::DF, 0);
    }
    return result;
}

}  // namespace vtless::sim
