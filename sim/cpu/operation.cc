// SPDX-License-Identifier: MIT
#include "sim/cpu/operation.h"

#include <array>
#include <cstring>

#include "isa/check.h"
#include "isa/x86/rflags.h"

namespace vtless::sim {

using x86::SegmentRegister;
using x86::SystemType;
using x86::Vector;

namespace {

constexpr size_t kMaxWords = 36;  // a call gate's 31 parameters, and the frame
constexpr uint16_t kSelectorMask = 0xfffc;

}  // namespace

CpuResult CpuResult::of(const MmuFault& mmu_fault, bool stack) {
    CpuResult result;
    result.mmu = mmu_fault;
    switch (mmu_fault.kind) {
        case MmuFault::Kind::None:
            return result;
        case MmuFault::Kind::NonCanonical:
            return fault(stack ? Vector::SS : Vector::GP, 0);
        case MmuFault::Kind::PageFault:
            result = fault(Vector::PF, mmu_fault.error_code);
            result.cr2 = mmu_fault.gva.value();
            result.mmu = mmu_fault;
            return result;
        case MmuFault::Kind::EptViolation:
        case MmuFault::Kind::EptMisconfiguration:
        case MmuFault::Kind::PageModificationLogFull:
        case MmuFault::Kind::ApicAccess:
            result.kind = Kind::MmuExit;
            return result;
    }
    return result;
}

bool Operation::fail(Vector vector) {
    result_ = CpuResult::fault(vector);
    return false;
}

// Real-address mode has no error codes.
bool Operation::fail(Vector vector, uint32_t code) {
    result_ = cpu_.protected_mode() ? CpuResult::fault(vector, code | external_) : CpuResult::fault(vector);
    return false;
}

bool Operation::fail_selector(Vector vector, uint16_t selector) {
    return fail(vector, selector & kSelectorMask);
}

bool Operation::fail(const MmuFault& fault, bool stack) {
    result_ = CpuResult::of(fault, stack);
    if (fault.kind == MmuFault::Kind::NonCanonical) result_.event.error_code |= external_;
    return false;
}

bool Operation::read_system(Gva address, std::span<std::byte> bytes) {
    const MmuFault fault = mmu_.read(address, bytes, Access::implicit_supervisor(AccessType::Read));
    return fault ? fail(fault) : true;
}

bool Operation::write_system(Gva address, std::span<const std::byte> bytes) {
    const MmuFault fault = mmu_.write(address, bytes, Access::implicit_supervisor(AccessType::Write));
    return fault ? fail(fault) : true;
}

bool Operation::read_descriptor(uint16_t selector, Vector vector, Descriptor& out) {
    uint64_t base = 0;
    uint64_t limit = 0;
    if (x86::selector_is_ldt(selector)) {
        const x86::Segment ldt = cpu_.segment(SegmentRegister::LDTR);
        if (ldt.rights.unusable()) return fail_selector(vector, selector);
        base = ldt.base;
        limit = ldt.limit;
    } else {
        const x86::DescriptorTable gdt = cpu_.gdtr();
        base = gdt.base;
        limit = gdt.limit;
    }
    const unsigned offset = x86::selector_offset(selector);
    if (offset + 7 > limit) return fail_selector(vector, selector);
    out.selector = selector;
    out.hi = 0;
    out.address = Gva(base + offset);
    return read_system(out.address, out.lo);
}

bool Operation::read_upper_half(Vector vector, Descriptor& descriptor) {
    if (!cpu_.ia32e()) return true;
    const bool ldt = x86::selector_is_ldt(descriptor.selector);
    const uint64_t limit = ldt ? cpu_.segment(SegmentRegister::LDTR).limit : cpu_.gdtr().limit;
    if (x86::selector_offset(descriptor.selector) + 15 > limit)
        return fail_selector(vector, descriptor.selector);
    if (!read_system(descriptor.address + 8, descriptor.hi)) return false;
    // Bits 12:8 of its second word must look like no descriptor.
    if (Field<44, 40>::get(descriptor.hi) != 0) return fail_selector(vector, descriptor.selector);
    return true;
}

bool Operation::set_accessed(Descriptor& descriptor) {
    constexpr uint64_t kAccessed = uint64_t{x86::segment_type::ACCESSED} << 40;
    if ((descriptor.lo & kAccessed) != 0) return true;
    descriptor.lo |= kAccessed;
    const auto rights = static_cast<uint8_t>(descriptor.lo >> 40);
    return write_system(descriptor.address + 5, rights);
}

bool Operation::set_busy(Descriptor& tss, bool busy) {
    constexpr uint64_t kBusy = uint64_t{x86::segment_type::TSS_BUSY} << 40;
    tss.lo = busy ? tss.lo | kBusy : tss.lo & ~kBusy;
    const auto rights = static_cast<uint8_t>(tss.lo >> 40);
    return write_system(tss.address + 5, rights);
}

bool Operation::push(Stack& stack, unsigned width, std::span<const uint64_t> words) {
    VTLESS_DCHECK(words.size() <= kMaxWords);
    const uint64_t bytes = width * words.size();
    const uint64_t old_offset = stack.pointer & stack.mask();
    if (!stack.flat64 && old_offset != 0 && old_offset < bytes && words.size() > 1) {
        // Each word on its own, since only some of them wrap around.
        for (const uint64_t& word : words)
            if (!push(stack, width, {&word, 1})) return false;
        return true;
    }
    std::array<std::byte, kMaxWords * 8> frame;
    for (size_t i = 0; i < words.size(); ++i)
        std::memcpy(frame.data() + (words.size() - 1 - i) * width, &words[i], width);
    const uint64_t pointer = stack.moved(0 - bytes);
    const uint64_t offset = pointer & stack.mask();
    if (!stack.flat64 && !within_limit(stack.segment, offset, bytes))
        return fail(Vector::SS, stack.fault_code);
    Access access = stack.access;
    access.type = AccessType::Write;
    const Gva address(stack.flat64 ? offset : (stack.segment.base + offset) & 0xffffffff);
    if (mmu_.write(address, {frame.data(), bytes}, access)) {
        // It is the first push that faults which is reported, and pushes go down.
        const std::span<const std::byte> pushed(frame.data(), bytes);
        for (uint64_t at = bytes; at != 0; at -= width) {
            const MmuFault fault =
                mmu_.write(address + (at - width), pushed.subspan(at - width, width), access);
            if (fault) return fail(fault, true);
        }
    }
    stack.pointer = pointer;
    return true;
}

bool Operation::pop(Stack& stack, unsigned width, std::span<uint64_t> words) {
    Access access = stack.access;
    access.type = AccessType::Read;
    for (uint64_t& word : words) {
        const uint64_t offset = stack.pointer & stack.mask();
        if (!stack.flat64 && !within_limit(stack.segment, offset, width))
            return fail(Vector::SS, stack.fault_code);
        const Gva address(stack.flat64 ? offset : (stack.segment.base + offset) & 0xffffffff);
        word = 0;
        const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&word, 1)).first(width);
        if (const MmuFault fault = mmu_.read(address, bytes, access)) return fail(fault, true);
        stack.pointer = stack.moved(width);
    }
    return true;
}

Stack Operation::current_stack() const {
    Stack stack = inner_stack(cpu_.segment(SegmentRegister::SS), cpu_.gpr(x86::Gpr::RSP), cpu_.cpl());
    stack.flat64 = cpu_.code64();
    return stack;
}

Stack Operation::inner_stack(const x86::Segment& segment, uint64_t pointer, unsigned cpl) const {
    Stack stack;
    stack.segment = segment;
    stack.pointer = pointer;
    stack.access.user = cpl == 3;
    // RFLAGS.AC is that of the code before the transfer: user code's must not open the inner stack.
    stack.access.ac_flag = cpu_.cpl() < 3 && (cpu_.rflags() & x86::rflags::AC) != 0;
    return stack;
}

bool Operation::read_tss_stack(unsigned cpl, uint16_t& selector, uint64_t& pointer) {
    const x86::Segment tr = cpu_.segment(SegmentRegister::TR);
    const bool wide = tr.rights.type() == static_cast<unsigned>(SystemType::TSS32_BUSY) ||
                      tr.rights.type() == static_cast<unsigned>(SystemType::TSS32_AVAILABLE);
    const unsigned at = wide ? cpl * 8 + 4 : cpl * 4 + 2;
    if (at + (wide ? 5 : 3) > tr.limit) return fail_selector(Vector::TS, tr.selector);
    if (wide) {
        std::array<uint16_t, 3> words{};
        if (!read_system(Gva(tr.base + at), words)) return false;
        pointer = words[0] | uint64_t{words[1]} << 16;
        selector = words[2];
        return true;
    }
    std::array<uint16_t, 2> words{};
    if (!read_system(Gva(tr.base + at), words)) return false;
    pointer = words[0];
    selector = words[1];
    return true;
}

bool Operation::load_inner_stack_segment(uint16_t selector, unsigned cpl, x86::Segment& out) {
    if (x86::selector_is_null(selector)) return fail(Vector::TS, 0);
    Descriptor descriptor;
    if (!read_descriptor(selector, Vector::TS, descriptor)) return false;
    const x86::AccessRights rights = descriptor.rights();
    if (x86::selector_rpl(selector) != cpl || rights.dpl() != cpl || !rights.writable())
        return fail_selector(Vector::TS, selector);
    if (!rights.present()) return fail_selector(Vector::SS, selector);
    if (!set_accessed(descriptor)) return false;
    out = descriptor.segment();
    return true;
}

bool within_limit(const x86::Segment& segment, uint64_t offset, uint64_t bytes) {
    const uint64_t last = offset + bytes - 1;
    if (!segment.rights.is_expand_down()) return last <= segment.limit;
    return offset > segment.limit && last <= (segment.rights.default_big() ? 0xffffffff : 0xffff);
}

void load_real_segment(CpuState& cpu, SegmentRegister index, uint16_t selector) {
    x86::Segment segment = cpu.segment(index);
    segment.selector = selector;
    segment.base = uint64_t{selector} << 4;
    cpu.set_segment(index, segment);
}

x86::Segment v8086_segment(uint16_t selector) {
    return {selector, uint64_t{selector} << 4, 0xffff, {0xf3}};  // present, DPL 3, writable data, accessed
}

x86::Segment null_segment(uint16_t selector) { return {selector, 0, 0, {x86::AccessRights::kUnusable}}; }

bool is_canonical_for(const Mmu& mmu, uint64_t address) {
    return is_canonical(address, mmu.linear_address_bits());
}

}  // namespace vtless::sim
