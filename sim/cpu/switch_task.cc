// SPDX-License-Identifier: MIT
// From one task to another. SDM Vol. 3A "Task Switching" (8.3).
#include <array>

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/control_registers.h"
#include "sim/cpu/task_switch.h"

namespace vtless::sim {

namespace rf = x86::rflags;
using x86::Gpr;
using x86::SegmentRegister;
using x86::SystemType;
using x86::TaskSwitchSource;
using x86::Vector;

namespace {

// Where a TSS has what: "32-Bit Task-State Segment" (8.2.1), "16-Bit Task-State Segment" (8.6).
struct Layout {
    unsigned width;  // bytes of a register
    unsigned rip;    // then flags, and the general registers in their usual order
    unsigned selectors;
    unsigned selector_count;  // ES, CS, SS, DS, FS, GS
    unsigned ldt;
    unsigned bytes;

    unsigned flags() const { return rip + width; }
    unsigned gpr(unsigned index) const { return rip + (2 + index) * width; }
    unsigned selector(unsigned index) const { return selectors + index * width; }
    unsigned saved_end() const { return selector(selector_count); }
};
constexpr Layout kLayout32{4, 0x20, 0x48, 6, 0x60, 0x68};
constexpr Layout kLayout16{2, 0x0e, 0x22, 4, 0x2a, 0x2c};
constexpr unsigned kCr3 = 0x1c;  // of 32 bits
constexpr unsigned kDebugTrap = 0x64;

const Layout& layout_of(x86::AccessRights tss) {
    const bool wide = tss.is_system(SystemType::TSS32_AVAILABLE) || tss.is_system(SystemType::TSS32_BUSY);
    return wide ? kLayout32 : kLayout16;
}

class Switch : public Operation {
  public:
    Switch(CpuState& cpu, Mmu& mmu, const TaskSwitch& request)
        : Operation(cpu, mmu, request.external), request_(request) {}

    bool run() {
        return prepare() && leave_old_task() && load_registers() && load_segments() && push_error();
    }

  private:
    bool nests() const {
        return request_.source == TaskSwitchSource::CALL ||
               request_.source == TaskSwitchSource::IDT_TASK_GATE;
    }
    bool returns() const { return request_.source == TaskSwitchSource::IRET; }
    bool writable(Gva first, uint64_t bytes);
    bool prepare();
    bool leave_old_task();
    bool save_registers();
    bool load_registers();
    bool load_segments();
    bool load_ldt();
    bool load_code(uint16_t selector);
    bool load_stack(uint16_t selector);
    bool load_data(SegmentRegister index, uint16_t selector);
    bool read_new(uint16_t selector, Descriptor& out);
    bool push_error();
    uint32_t image(unsigned at, unsigned width) const;

    const TaskSwitch& request_;
    x86::Segment old_tss_;
    Descriptor old_;
    Descriptor next_;
    Gva next_base_;
    const Layout* layout_ = nullptr;
    std::array<std::byte, 0x68> image_{};  // of the new task
};

uint32_t Switch::image(unsigned at, unsigned width) const {
    uint32_t value = 0;
    for (unsigned i = 0; i < width; ++i) value |= std::to_integer<uint32_t>(image_[at + i]) << (8 * i);
    return value;
}

bool Switch::writable(Gva first, uint64_t bytes) {
    const Access access = Access::implicit_supervisor(AccessType::Write);
    Translation ignored;
    for (const Gva at : {first, first + (bytes - 1)}) {
        if (const MmuFault fault = mmu().translate(at, access, ignored)) return fail(fault);
    }
    return true;
}

// All that can fail in the old task.
bool Switch::prepare() {
    old_tss_ = cpu().segment(SegmentRegister::TR);
    const Layout& old_layout = layout_of(old_tss_.rights);
    if (old_tss_.limit + 1 < old_layout.saved_end()) return fail_selector(Vector::TS, old_tss_.selector);
    if (!read_descriptor(old_tss_.selector, Vector::TS, old_)) return false;
    if (!read_descriptor(request_.tss, Vector::TS, next_)) return false;
    layout_ = &layout_of(next_.rights());
    next_base_ = Gva(next_.segment().base);
    return read_system(next_base_, std::span(image_).first(layout_->bytes)) &&
           writable(Gva(old_tss_.base) + old_layout.rip, old_layout.saved_end() - old_layout.rip) &&
           (nests() ? writable(next_base_, 2) : writable(old_.address + 5, 1)) &&
           (returns() || writable(next_.address + 5, 1));
}

bool Switch::save_registers() {
    const Layout& layout = layout_of(old_tss_.rights);
    const auto save = [&](unsigned at, uint64_t value) {
        const auto low = static_cast<uint32_t>(value);
        return write_system(Gva(old_tss_.base) + at, std::as_bytes(std::span(&low, 1)).first(layout.width));
    };
    uint64_t flags = (cpu().rflags() & ~rf::RF) | (request_.resume_flag ? rf::RF : 0);
    if (returns()) flags &= ~rf::NT;
    bool saved = save(layout.rip, request_.return_rip) && save(layout.flags(), flags);
    for (unsigned i = 0; i < 8; ++i) saved = saved && save(layout.gpr(i), cpu().gpr(static_cast<Gpr>(i)));
    for (unsigned i = 0; i < layout.selector_count; ++i) {
        const uint16_t selector = cpu().selector(static_cast<SegmentRegister>(i));
        saved = saved && write_system(Gva(old_tss_.base) + layout.selector(i), selector);
    }
    return saved;
}

bool Switch::leave_old_task() {
    if (!save_registers()) return false;
    if (!nests() && !set_busy(old_, false)) return false;
    if (nests() && !write_system(next_base_, old_tss_.selector)) return false;
    if (!returns() && !set_busy(next_, true)) return false;
    x86::Segment tr = next_.segment();
    tr.rights = tr.rights.with_type(tr.rights.type() | x86::segment_type::TSS_BUSY);
    cpu().set_segment(SegmentRegister::TR, tr);
    cpu().set_cr0(cpu().cr0() | x86::cr0::TS);
    mmu().set_paging(paging_state(cpu(), mmu()));
    return true;
}

bool Switch::load_registers() {
    const Layout& layout = *layout_;
    const uint32_t flags = image(layout.flags(), layout.width);
    cpu().set_rflags((flags & ~rf::kReserved) | rf::kFixed1 | (nests() ? rf::NT : 0));
    cpu().set_rip(image(layout.rip, layout.width));
    for (unsigned i = 0; i < 8; ++i) cpu().set_gpr(static_cast<Gpr>(i), image(layout.gpr(i), layout.width));
    cpu().set_interrupt_shadow(false);
    for (unsigned i = 0; i < 6; ++i) {
        const uint16_t selector =
            i < layout.selector_count ? static_cast<uint16_t>(image(layout.selector(i), 2)) : uint16_t{0};
        cpu().set_segment(static_cast<SegmentRegister>(i), null_segment(selector));
    }
    cpu().set_segment(SegmentRegister::LDTR, null_segment(static_cast<uint16_t>(image(layout.ldt, 2))));
    cpu().set_cpl(cpu().v8086() ? 3 : x86::selector_rpl(cpu().selector(SegmentRegister::CS)));
    if (layout.width == 2 || !cpu().paging()) return true;
    const CpuResult loaded = write_cr3(cpu(), mmu(), image(kCr3, 4));
    if (!loaded.done()) result() = loaded;
    return loaded.done();
}

bool Switch::load_segments() {
    const auto selector = [&](SegmentRegister index) { return cpu().selector(index); };
    constexpr std::array kData{SegmentRegister::DS, SegmentRegister::ES, SegmentRegister::FS,
                               SegmentRegister::GS};
    if (!load_ldt()) return false;
    if (cpu().v8086()) {
        for (unsigned i = 0; i < 6; ++i) {
            const auto index = static_cast<SegmentRegister>(i);
            cpu().set_segment(index, v8086_segment(selector(index)));
        }
    } else if (!load_code(selector(SegmentRegister::CS)) || !load_stack(selector(SegmentRegister::SS))) {
        return false;
    } else {
        for (const SegmentRegister index : kData)
            if (!load_data(index, selector(index))) return false;
    }
    const x86::Segment code = cpu().segment(SegmentRegister::CS);
    return cpu().rip() <= code.limit || fail(Vector::GP, 0);
}

bool Switch::load_ldt() {
    const uint16_t selector = cpu().selector(SegmentRegister::LDTR);
    if (x86::selector_is_null(selector)) return true;
    Descriptor ldt;
    if (x86::selector_is_ldt(selector)) return fail_selector(Vector::TS, selector);
    if (!read_descriptor(selector, Vector::TS, ldt)) return false;
    if (!ldt.rights().is_system(SystemType::LDT) || !ldt.rights().present())
        return fail_selector(Vector::TS, selector);
    cpu().set_segment(SegmentRegister::LDTR, ldt.segment());
    return true;
}

bool Switch::read_new(uint16_t selector, Descriptor& out) {
    if (x86::selector_is_null(selector)) return fail_selector(Vector::TS, selector);
    return read_descriptor(selector, Vector::TS, out);
}

bool Switch::load_code(uint16_t selector) {
    Descriptor code;
    if (!read_new(selector, code)) return false;
    const x86::AccessRights rights = code.rights();
    const unsigned rpl = x86::selector_rpl(selector);
    const bool dpl_fits = rights.is_conforming_code() ? rights.dpl() <= rpl : rights.dpl() == rpl;
    if (!rights.is_code() || !dpl_fits) return fail_selector(Vector::TS, selector);
    if (!rights.present()) return fail_selector(Vector::NP, selector);
    if (!set_accessed(code)) return false;
    cpu().set_segment(SegmentRegister::CS, code.segment());
    return true;
}

bool Switch::load_stack(uint16_t selector) {
    x86::Segment stack;
    if (x86::selector_is_null(selector)) return fail_selector(Vector::TS, selector);
    if (!load_inner_stack_segment(selector, cpu().cpl(), stack)) return false;
    cpu().set_segment(SegmentRegister::SS, stack);
    return true;
}

bool Switch::load_data(SegmentRegister index, uint16_t selector) {
    if (x86::selector_is_null(selector)) return true;
    Descriptor data;
    if (!read_descriptor(selector, Vector::TS, data)) return false;
    const x86::AccessRights rights = data.rights();
    const bool privileged = rights.is_conforming_code() ||
                            (rights.dpl() >= cpu().cpl() && rights.dpl() >= x86::selector_rpl(selector));
    if (!rights.readable() || !privileged) return fail_selector(Vector::TS, selector);
    if (!rights.present()) return fail_selector(Vector::NP, selector);
    if (!set_accessed(data)) return false;
    cpu().set_segment(index, data.segment());
    return true;
}

bool Switch::push_error() {
    if (!request_.error_code) return true;
    Stack stack = current_stack();
    const uint64_t word = *request_.error_code;
    if (!push(stack, layout_->width, {&word, 1})) return false;
    cpu().set_gpr(Gpr::RSP, stack.pointer);
    return true;
}

}  // namespace

CpuResult switch_task(CpuState& cpu, Mmu& mmu, const TaskSwitch& request) {
    Switch operation(cpu, mmu, request);
    return operation.run() ? CpuResult::ok() : operation.result();
}

CpuResult read_debug_trap(CpuState& cpu, Mmu& mmu, bool& set) {
    set = false;
    const x86::Segment tss = cpu.segment(SegmentRegister::TR);
    if (&layout_of(tss.rights) == &kLayout16) return CpuResult::ok();
    Operation operation(cpu, mmu);
    uint8_t flags = 0;
    if (!operation.read_system(Gva(tss.base + kDebugTrap), flags)) return operation.result();
    set = (flags & 1) != 0;
    return CpuResult::ok();
}

}  // namespace vtless::sim
