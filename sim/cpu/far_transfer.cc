// SPDX-License-Identifier: MIT
#include "sim/cpu/far_transfer.h"

#include <array>
#include <cstring>

#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"
#include "sim/cpu/operation.h"
#include "sim/cpu/task_switch.h"

namespace vtless::sim {

using x86::Gpr;
using x86::SegmentRegister;
using x86::SystemType;
using x86::Vector;

namespace {

class Transfer : public Operation {
  public:
    Transfer(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, FarTransfer kind)
        : Operation(cpu, mmu), instruction_(instruction), call_(kind == FarTransfer::Call) {}

    bool read_pointer();
    bool real_mode();
    bool protected_mode();

  private:
    uint64_t return_rip() const { return cpu().next_rip(instruction_.length); }
    bool to_code(const Descriptor& code);
    bool through_call_gate(Descriptor& descriptor);
    bool read_gate_target(const x86::Gate& gate, Descriptor& code);
    bool call_inner(const x86::Gate& gate, Descriptor& code);
    bool to_task_gate(const Descriptor& descriptor);
    bool to_tss(const Descriptor& descriptor);
    bool privileged_enough(const Descriptor& descriptor);
    bool check_offset(const Descriptor& code, uint64_t offset);
    bool push_return(Stack& stack, unsigned width);
    void enter(const Descriptor& code, unsigned cpl, uint64_t offset);

    const StoppedInstruction& instruction_;
    const bool call_;
    uint16_t selector_ = 0;
    uint64_t offset_ = 0;
};

bool Transfer::read_pointer() {
    if (!instruction_.has_memory) {
        selector_ = instruction_.far_selector;
        offset_ = instruction_.far_offset;
        return true;
    }
    std::array<std::byte, 10> bytes{};
    const size_t offset_bytes = instruction_.operand_size;
    const CpuResult read =
        read_memory(cpu(), mmu(), instruction_, std::span(bytes).first(offset_bytes + sizeof(selector_)));
    if (!read.done()) return result() = read, false;
    std::memcpy(&offset_, bytes.data(), offset_bytes);
    std::memcpy(&selector_, bytes.data() + offset_bytes, sizeof(selector_));
    return true;
}

bool Transfer::real_mode() {
    const uint64_t limit = cpu().v8086() ? 0xffff : cpu().segment(SegmentRegister::CS).limit;
    if (offset_ > limit) return fail(Vector::GP, 0);
    if (call_) {
        Stack stack = current_stack();
        if (!push_return(stack, instruction_.operand_size)) return false;
        cpu().set_gpr(Gpr::RSP, stack.pointer);
    }
    if (cpu().v8086()) {
        cpu().set_segment(SegmentRegister::CS, v8086_segment(selector_));
    } else {
        load_real_segment(cpu(), SegmentRegister::CS, selector_);
    }
    cpu().set_rip(offset_);
    return true;
}

bool Transfer::protected_mode() {
    if (x86::selector_is_null(selector_)) return fail(Vector::GP, 0);
    Descriptor descriptor;
    if (!read_descriptor(selector_, Vector::GP, descriptor)) return false;
    const x86::AccessRights rights = descriptor.rights();
    if (rights.is_code()) return to_code(descriptor);
    const bool legacy = !cpu().ia32e();
    if (rights.is_system(SystemType::CALL_GATE32) || (legacy && rights.is_system(SystemType::CALL_GATE16)))
        return through_call_gate(descriptor);
    if (legacy && rights.is_system(SystemType::TASK_GATE)) return to_task_gate(descriptor);
    if (legacy && !rights.code_or_data()) return to_tss(descriptor);
    return fail_selector(Vector::GP, selector_);
}

bool Transfer::check_offset(const Descriptor& code, uint64_t offset) {
    const bool to64 = cpu().ia32e() && code.rights().long_mode();
    const bool outside = to64 ? !is_canonical_for(mmu(), offset) : offset > code.segment().limit;
    return outside ? fail(Vector::GP, 0) : true;
}

bool Transfer::push_return(Stack& stack, unsigned width) {
    return push(stack, width, std::array<uint64_t, 2>{cpu().selector(SegmentRegister::CS), return_rip()});
}

void Transfer::enter(const Descriptor& code, unsigned cpl, uint64_t offset) {
    x86::Segment cs = code.segment();
    cs.selector = static_cast<uint16_t>((cs.selector & ~3u) | cpl);
    cpu().set_segment(SegmentRegister::CS, cs);
    cpu().set_cpl(cpl);
    cpu().set_rip(offset);
}

bool Transfer::to_code(const Descriptor& descriptor) {
    Descriptor code = descriptor;
    const x86::AccessRights rights = code.rights();
    const unsigned cpl = cpu().cpl();
    const bool allowed = rights.is_conforming_code()
                             ? rights.dpl() <= cpl
                             : x86::selector_rpl(selector_) <= cpl && rights.dpl() == cpl;
    const bool both_sizes = cpu().ia32e() && rights.long_mode() && rights.default_big();
    if (!allowed || both_sizes) return fail_selector(Vector::GP, selector_);
    if (!rights.present()) return fail_selector(Vector::NP, selector_);
    if (!check_offset(code, offset_) || !set_accessed(code)) return false;
    if (call_) {
        Stack stack = current_stack();
        if (!push_return(stack, instruction_.operand_size)) return false;
        cpu().set_gpr(Gpr::RSP, stack.pointer);
    }
    enter(code, cpl, offset_);
    return true;
}

bool Transfer::privileged_enough(const Descriptor& descriptor) {
    const unsigned dpl = descriptor.rights().dpl();
    if (dpl < cpu().cpl() || dpl < x86::selector_rpl(selector_)) return fail_selector(Vector::GP, selector_);
    return true;
}

bool Transfer::read_gate_target(const x86::Gate& gate, Descriptor& code) {
    if (x86::selector_is_null(gate.selector)) return fail(Vector::GP, 0);
    if (!read_descriptor(gate.selector, Vector::GP, code)) return false;
    const x86::AccessRights rights = code.rights();
    const unsigned cpl = cpu().cpl();
    bool allowed = rights.is_code() && rights.dpl() <= cpl;
    if (!call_ && !rights.is_conforming_code() && rights.dpl() != cpl) allowed = false;
    if (cpu().ia32e() && (!rights.long_mode() || rights.default_big())) allowed = false;
    if (!allowed) return fail_selector(Vector::GP, gate.selector);
    if (!rights.present()) return fail_selector(Vector::NP, gate.selector);
    return check_offset(code, gate.offset);
}

bool Transfer::through_call_gate(Descriptor& descriptor) {
    if (!privileged_enough(descriptor)) return false;
    if (!descriptor.rights().present()) return fail_selector(Vector::NP, selector_);
    if (!read_upper_half(Vector::GP, descriptor)) return false;
    const x86::Gate gate = descriptor.gate();
    Descriptor code;
    if (!read_gate_target(gate, code)) return false;
    const bool inner = !code.rights().is_conforming_code() && code.rights().dpl() < cpu().cpl();
    if (call_ && inner) return call_inner(gate, code);
    if (!set_accessed(code)) return false;
    if (call_) {
        Stack stack = current_stack();
        stack.flat64 = cpu().ia32e();
        if (!push_return(stack, stack.flat64 ? 8 : gate.is_16bit() ? 2 : 4)) return false;
        cpu().set_gpr(Gpr::RSP, stack.pointer);
    }
    enter(code, cpu().cpl(), gate.offset);
    return true;
}

bool Transfer::call_inner(const x86::Gate& gate, Descriptor& code) {
    const unsigned cpl = code.rights().dpl();
    const unsigned width = cpu().ia32e() ? 8 : gate.is_16bit() ? 2 : 4;
    std::array<uint64_t, 36> frame{};
    size_t count = 0;
    frame[count++] = cpu().selector(SegmentRegister::SS);
    frame[count++] = cpu().gpr(Gpr::RSP);
    Stack stack;
    if (cpu().ia32e()) {
        const x86::Segment tr = cpu().segment(SegmentRegister::TR);
        const unsigned at = cpl * 8 + 4;
        uint64_t pointer = 0;
        if (at + 7 > tr.limit) return fail_selector(Vector::TS, tr.selector);
        if (!read_system(Gva(tr.base + at), pointer)) return false;
        if (!is_canonical_for(mmu(), pointer)) return fail(Vector::SS, 0);
        x86::Segment segment = null_segment(static_cast<uint16_t>(cpl));
        segment.rights = segment.rights.with_dpl(cpl);
        stack = inner_stack(segment, pointer, cpl);
        stack.flat64 = true;
    } else {
        uint16_t selector = 0;
        uint64_t pointer = 0;
        x86::Segment segment;
        if (!read_tss_stack(cpl, selector, pointer)) return false;
        if (!load_inner_stack_segment(selector, cpl, segment)) return false;
        stack = inner_stack(segment, pointer, cpl);
        stack.fault_code = selector & 0xfffcu;
        // Parameters keep their order: the one furthest up the caller's stack is pushed first.
        Stack caller = current_stack();
        std::array<uint64_t, 31> parameters{};
        if (!pop(caller, width, std::span(parameters).first(gate.parameters))) return false;
        for (unsigned i = gate.parameters; i > 0; --i) frame[count++] = parameters[i - 1];
    }
    frame[count++] = cpu().selector(SegmentRegister::CS);
    frame[count++] = return_rip();
    if (!set_accessed(code) || !push(stack, width, std::span(frame).first(count))) return false;
    cpu().set_segment(SegmentRegister::SS, stack.segment);
    cpu().set_gpr(Gpr::RSP, stack.pointer);
    enter(code, cpl, gate.offset);
    return true;
}

bool Transfer::to_task_gate(const Descriptor& descriptor) {
    if (!privileged_enough(descriptor)) return false;
    if (!descriptor.rights().present()) return fail_selector(Vector::NP, selector_);
    const uint16_t tss_selector = descriptor.gate().selector;
    if (!check_task(*this, tss_selector, false)) return false;
    result().kind = CpuResult::Kind::TaskSwitch;
    result().task = tss_selector;
    return true;
}

bool Transfer::to_tss(const Descriptor& descriptor) {
    const x86::AccessRights rights = descriptor.rights();
    const bool available =
        rights.is_system(SystemType::TSS16_AVAILABLE) || rights.is_system(SystemType::TSS32_AVAILABLE);
    if (!available || x86::selector_is_ldt(selector_)) return fail_selector(Vector::GP, selector_);
    if (!privileged_enough(descriptor) || !check_task(*this, descriptor, false)) return false;
    result().kind = CpuResult::Kind::TaskSwitch;
    result().task = selector_;
    return true;
}

}  // namespace

CpuResult far_transfer(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction, FarTransfer kind) {
    Transfer transfer(cpu, mmu, instruction, kind);
    const bool segments = cpu.protected_mode() && !cpu.v8086();
    if (transfer.read_pointer() && (segments ? transfer.protected_mode() : transfer.real_mode()) &&
        transfer.result().done()) {
        cpu.set_rflags(cpu.rflags() & ~x86::rflags::RF);
        cpu.set_interrupt_shadow(false);
    }
    return transfer.result();
}

}  // namespace vtless::sim
