// SPDX-License-Identifier: MIT
// Memory operands of instructions that the backend executes in the guest's place.
#pragma once

#include <optional>

#include "isa/x86/decode.h"
#include "vcpu/vmx/guest_memory.h"
#include "vcpu/vmx/segmentation.h"

namespace vtless::vmx {

// In real and virtual-8086 mode the types of segments do not count.
template <class Hw>
bool checks_segment_types(Core<Hw>& core) {
    const bool protection = (core.vmcs.read(x86::VmcsField::GUEST_CR0) & x86::cr0::PE) != 0;
    return protection && (core.vmcs.read(x86::VmcsField::GUEST_RFLAGS) & x86::rflags::VM) == 0;
}

template <class Hw>
LinearAddress linear_address(Core<Hw>& core, const SegmentAccess& access) {
    if (!core.in_64bit_mode())
        return linear_address(core.vmcs.segment(access.segment), access, checks_segment_types(core));
    const bool la57 = (core.vmcs.read(x86::VmcsField::GUEST_CR4) & x86::cr4::LA57) != 0;
    return linear_address_64(core.vmcs.segment_base(access.segment), access, la57 ? 57 : 48);
}

// Where an access of the guest's instruction failed: what run() has to return, after queueing the fault.
template <class Hw>
Result<VmExit> cannot_access(Core<Hw>& core, const Located& where, AccessKind kind) {
    if (where.end == Located::End::PageFault) {
        core.inject(Event::page_fault(where.gva.value(), where.error_code));
        return VmExit::Nothing{};
    }
    return VmExit::NestedPageFault{
        where.gpa, {kind == AccessKind::Read, kind == AccessKind::Write, kind == AccessKind::Fetch}};
}

template <class Hw>
x86::CodeMode code_mode(Core<Hw>& core) {
    const x86::AccessRights cs = core.vmcs.rights(x86::SegmentRegister::CS);
    if (cs.long_mode() && (core.efer() & x86::efer::LMA) != 0) return x86::CodeMode::BITS64;
    return cs.default_big() ? x86::CodeMode::BITS32 : x86::CodeMode::BITS16;
}

// The instruction at RIP, if its bytes can be read and it is one that decode.h knows.
template <class Hw>
std::optional<x86::MemoryInstruction> decode_at_rip(Core<Hw>& core, GuestMemory<Hw>& memory) {
    const x86::CodeMode mode = code_mode(core);
    const bool flat = mode == x86::CodeMode::BITS64;
    const uint64_t rip = core.vmcs.read(x86::VmcsField::GUEST_RIP);
    const uint64_t base = flat ? 0 : core.vmcs.segment_base(x86::SegmentRegister::CS);
    const Gva start(flat ? rip : (base + rip) & 0xffffffff);
    std::array<uint8_t, x86::kMaxInstructionBytes> bytes{};
    const Access fetch{AccessKind::Fetch, memory.user(), false};
    const size_t in_page = std::min<size_t>(bytes.size(), 0x1000 - start.page_offset());
    if (!memory.read(start, std::span(bytes.data(), in_page), fetch).ok()) return std::nullopt;
    size_t count = in_page;
    const std::span rest(bytes.data() + in_page, bytes.size() - in_page);
    if (!rest.empty() && memory.read(start + in_page, rest, fetch).ok()) count = bytes.size();
    return x86::decode_memory_instruction(std::span<const uint8_t>(bytes.data(), count), mode);
}

// A register used as an address or a count: its low `bytes`.
template <class Hw>
uint64_t count_register(Core<Hw>& core, x86::Gpr index, unsigned bytes) {
    return low_bytes(core.gpr(index), bytes);
}

// Moves an index register of a string instruction by one element.
template <class Hw>
void step_index(Core<Hw>& core, x86::Gpr index, unsigned element, unsigned address_bytes) {
    const bool down = (core.vmcs.read(x86::VmcsField::GUEST_RFLAGS) & x86::rflags::DF) != 0;
    const uint64_t old = core.gpr(index);
    const uint64_t next = down ? old - element : old + element;
    core.set_gpr(index, merge_gpr(old, low_bytes(next, address_bytes), address_bytes));
}

// One element of a string instruction.
struct Element {
    bool repeat = false;
    unsigned address_bytes = 8;
    uint64_t length = 0;  // of the instruction
    bool stop = false;    // REPE or REPNE found its condition
};

// Counts the element, and leaves the instruction after the last one.
template <class Hw>
void finish_element(Core<Hw>& core, const Element& element) {
    if (element.repeat) {
        const uint64_t old = core.gpr(x86::Gpr::RCX);
        const uint64_t left = low_bytes(old - 1, element.address_bytes);
        core.set_gpr(x86::Gpr::RCX, merge_gpr(old, left, element.address_bytes));
        if (left != 0 && !element.stop) return core.finish_instruction();
    }
    core.advance_rip(element.length);
}

}  // namespace vtless::vmx
