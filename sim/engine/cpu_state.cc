// SPDX-License-Identifier: MIT
#include "sim/engine/cpu_state.h"

#include <cstring>

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/engine/image_layout.h"

namespace vtless::sim {
namespace {

using x86::SegmentRegister;

constexpr uint64_t kGuestEfer = x86::efer::SCE | x86::efer::LME | x86::efer::LMA | x86::efer::NXE;
constexpr uint32_t kDescriptorB = 1u << 22;
constexpr uint32_t kDescriptorL = 1u << 21;

template <class T>
T load(const std::byte* image, size_t offset) {
    T value;
    std::memcpy(&value, image + offset, sizeof value);
    return value;
}

template <class T>
void store(std::byte* image, size_t offset, T value) {
    std::memcpy(image + offset, &value, sizeof value);
}

size_t segment_offset(SegmentRegister index) {
    return layout::kSegments + static_cast<size_t>(index) * layout::kSegmentSize;
}

// The image keeps rights where a descriptor has them, bits 15:8 and 23:20 of its high word.
uint32_t to_descriptor_flags(uint32_t rights) { return (rights & 0xff) << 8 | (rights & 0xf000) << 8; }
uint32_t to_rights(uint32_t flags) { return (flags >> 8 & 0xff) | (flags >> 8 & 0xf000); }

constexpr uint32_t kRightsPresent = 1u << 7;
constexpr uint32_t kRightsUnusable = 1u << 16;

uint32_t segment_flags(const std::byte* image, SegmentRegister index) {
    return load<uint32_t>(image, segment_offset(index) + layout::kSegmentFlags);
}

// The engine looks at the LDT's limit alone, and no selector is to be within that of an unusable one.
void store_ldt_limit(std::byte* segment, uint32_t limit, bool unusable) {
    store<uint32_t>(segment, layout::kSegmentPadding, limit);
    if (unusable) store<uint32_t>(segment, layout::kSegmentLimit, 0);
}

x86::DescriptorTable load_table(const std::byte* image, size_t offset) {
    return {load<uint64_t>(image, offset + layout::kSegmentBase),
            static_cast<uint16_t>(load<uint32_t>(image, offset + layout::kSegmentLimit))};
}

void store_table(std::byte* image, size_t offset, const x86::DescriptorTable& value) {
    store<uint64_t>(image, offset + layout::kSegmentBase, value.base);
    store<uint32_t>(image, offset + layout::kSegmentLimit, value.limit);
}

}  // namespace

// Between runs the translator keeps RFLAGS whole, and takes the flags that it evaluates lazily out of it when
// it starts; Unicorn's register read evaluates those. So they are stored in both places.
void CpuState::set_rflags(uint64_t value) {
    store<uint64_t>(image_, layout::kRflags, value | x86::rflags::kFixed1);
    set_lazy_flags(value);
    store<int32_t>(image_, layout::kDirection, (value & x86::rflags::DF) ? -1 : 1);
}

void CpuState::set_lazy_flags(uint64_t value) {
    store<uint64_t>(image_, layout::kCcSrc, value & x86::rflags::kArithmetic);
    store<uint32_t>(image_, layout::kCcOp, layout::kCcOpFlags);
}

unsigned CpuState::cpl() const { return load<uint32_t>(image_, layout::kHflags) & layout::kCplMask; }
void CpuState::set_cpl(unsigned value) {
    const auto flags = load<uint32_t>(image_, layout::kHflags);
    store<uint32_t>(image_, layout::kHflags, (flags & ~layout::kCplMask) | (value & layout::kCplMask));
}

x86::Segment CpuState::segment(SegmentRegister index) const {
    const size_t at = segment_offset(index);
    const uint32_t rights = to_rights(load<uint32_t>(image_, at + layout::kSegmentFlags));
    x86::Segment segment;
    segment.selector = load<uint16_t>(image_, at + layout::kSegmentSelector);
    segment.base = load<uint64_t>(image_, at + layout::kSegmentBase);
    segment.limit = load<uint32_t>(image_, at + layout::kSegmentLimit);
    segment.rights.raw = (rights & kRightsPresent) ? rights : rights | kRightsUnusable;
    if (index == SegmentRegister::LDTR && segment.rights.unusable())
        segment.limit = load<uint32_t>(image_, at + layout::kSegmentPadding);
    // Unicorn's LTR marks the descriptor in memory busy, but not what it keeps of it.
    if (index == SegmentRegister::TR) segment.rights.raw |= x86::segment_type::TSS_BUSY;
    return segment;
}
void CpuState::set_segment(SegmentRegister index, const x86::Segment& value) {
    const size_t at = segment_offset(index);
    const uint32_t rights = value.rights.raw;
    const bool unusable = (rights & kRightsUnusable) != 0;
    store<uint32_t>(image_, at + layout::kSegmentSelector, value.selector);
    store<uint64_t>(image_, at + layout::kSegmentBase, value.base);
    store<uint32_t>(image_, at + layout::kSegmentLimit, value.limit);
    if (index == SegmentRegister::LDTR) store_ldt_limit(image_ + at, value.limit, unusable);
    store<uint32_t>(image_, at + layout::kSegmentFlags,
                    to_descriptor_flags(unusable ? rights & ~kRightsPresent : rights));
}
uint16_t CpuState::selector(SegmentRegister index) const {
    return load<uint16_t>(image_, segment_offset(index) + layout::kSegmentSelector);
}
uint64_t CpuState::segment_base(SegmentRegister index) const {
    return load<uint64_t>(image_, segment_offset(index) + layout::kSegmentBase);
}
void CpuState::set_segment_base(SegmentRegister index, uint64_t base) {
    store(image_, segment_offset(index) + layout::kSegmentBase, base);
}
x86::DescriptorTable CpuState::gdtr() const { return load_table(image_, layout::kGdtr); }
void CpuState::set_gdtr(const x86::DescriptorTable& value) { store_table(image_, layout::kGdtr, value); }
x86::DescriptorTable CpuState::idtr() const { return load_table(image_, layout::kIdtr); }
void CpuState::set_idtr(const x86::DescriptorTable& value) { store_table(image_, layout::kIdtr, value); }

uint64_t CpuState::efer() const { return load<uint64_t>(image_, layout::kEfer) & kGuestEfer; }
void CpuState::set_efer(uint64_t value) {
    store<uint64_t>(image_, layout::kEfer, (value & kGuestEfer) | layout::kEferSvme);
}

uint64_t CpuState::cr0() const { return load<uint64_t>(image_, layout::kCr0); }
void CpuState::set_cr0(uint64_t value) { store(image_, layout::kCr0, value); }
uint64_t CpuState::cr2() const { return load<uint64_t>(image_, layout::kCr2); }
void CpuState::set_cr2(uint64_t value) { store(image_, layout::kCr2, value); }
uint64_t CpuState::cr3() const { return load<uint64_t>(image_, layout::kCr3); }
void CpuState::set_cr3(uint64_t value) { store(image_, layout::kCr3, value); }
uint64_t CpuState::cr4() const { return load<uint64_t>(image_, layout::kCr4); }
void CpuState::set_cr4(uint64_t value) { store(image_, layout::kCr4, value); }
uint64_t CpuState::xcr0() const { return load<uint64_t>(image_, layout::kXcr0); }
void CpuState::set_xcr0(uint64_t value) { store(image_, layout::kXcr0, value); }
uint64_t CpuState::star() const { return load<uint64_t>(image_, layout::kStar); }
void CpuState::set_star(uint64_t value) { store(image_, layout::kStar, value); }
uint64_t CpuState::lstar() const { return load<uint64_t>(image_, layout::kLstar); }
void CpuState::set_lstar(uint64_t value) { store(image_, layout::kLstar, value); }
uint64_t CpuState::cstar() const { return load<uint64_t>(image_, layout::kCstar); }
void CpuState::set_cstar(uint64_t value) { store(image_, layout::kCstar, value); }
uint64_t CpuState::fmask() const { return load<uint64_t>(image_, layout::kFmask); }
void CpuState::set_fmask(uint64_t value) { store(image_, layout::kFmask, value); }
uint64_t CpuState::kernel_gs_base() const { return load<uint64_t>(image_, layout::kKernelGsBase); }
void CpuState::set_kernel_gs_base(uint64_t value) { store(image_, layout::kKernelGsBase, value); }
uint64_t CpuState::sysenter_cs() const { return load<uint32_t>(image_, layout::kSysenterCs); }
void CpuState::set_sysenter_cs(uint64_t value) {
    store(image_, layout::kSysenterCs, static_cast<uint32_t>(value));
}
uint64_t CpuState::sysenter_esp() const { return load<uint64_t>(image_, layout::kSysenterEsp); }
void CpuState::set_sysenter_esp(uint64_t value) { store(image_, layout::kSysenterEsp, value); }
uint64_t CpuState::sysenter_eip() const { return load<uint64_t>(image_, layout::kSysenterEip); }
void CpuState::set_sysenter_eip(uint64_t value) { store(image_, layout::kSysenterEip, value); }
uint64_t CpuState::tsc_aux() const { return load<uint32_t>(image_, layout::kTscAux); }
void CpuState::set_tsc_aux(uint64_t value) { store(image_, layout::kTscAux, static_cast<uint32_t>(value)); }

bool CpuState::interrupt_shadow() const {
    return (load<uint32_t>(image_, layout::kHflags) & layout::kShadow) != 0;
}
void CpuState::set_interrupt_shadow(bool value) {
    const auto flags = load<uint32_t>(image_, layout::kHflags);
    store<uint32_t>(image_, layout::kHflags, value ? flags | layout::kShadow : flags & ~layout::kShadow);
}

bool CpuState::protected_mode() const { return (cr0() & x86::cr0::PE) != 0; }
bool CpuState::paging() const { return (cr0() & x86::cr0::PG) != 0; }
bool CpuState::v8086() const {
    return (load<uint64_t>(image_, layout::kRflags) & x86::rflags::VM) != 0 && protected_mode() && !ia32e();
}
bool CpuState::ia32e() const { return (load<uint64_t>(image_, layout::kEfer) & x86::efer::LMA) != 0; }
bool CpuState::code64() const {
    return ia32e() && (segment_flags(image_, SegmentRegister::CS) & kDescriptorL);
}
bool CpuState::code32() const {
    return !code64() && (segment_flags(image_, SegmentRegister::CS) & kDescriptorB);
}

uint64_t CpuState::linear_rip() const {
    return code64() ? rip() : static_cast<uint32_t>(segment_base(SegmentRegister::CS) + rip());
}
uint64_t CpuState::next_rip(unsigned length) const {
    const uint64_t next = rip() + length;
    if (code64()) return next;
    return code32() ? static_cast<uint32_t>(next) : static_cast<uint16_t>(next);
}

// The same function of the architectural state that the translator itself computes when it loads a segment or
// a control register; tests/engine compares the two in every mode.
void CpuState::sync_mode() {
    using namespace layout;
    constexpr uint32_t kDerived =
        kCode32 | kStack32 | kAddSegment | kProtected | kFpuMask | kLongMode | kCode64 | kOsfxsr | kSmap;
    uint32_t flags = load<uint32_t>(image_, kHflags) & ~kDerived;
    if (protected_mode()) flags |= kProtected;
    flags |= static_cast<uint32_t>(cr0() << 8) & kFpuMask;
    if (cr4() & x86::cr4::OSFXSR) flags |= kOsfxsr;
    if (cr4() & x86::cr4::SMAP) flags |= kSmap;
    if (ia32e()) flags |= kLongMode;
    if (code64()) {
        // The translator adds it in every mode. SDM Vol. 3A "Segment Registers" (3.4.4).
        if (segment_base(SegmentRegister::CS) != 0) set_segment_base(SegmentRegister::CS, 0);
        flags |= kCode32 | kStack32 | kCode64;
    } else {
        const bool code_is_32 = code32();
        if (code_is_32) flags |= kCode32;
        if (segment_flags(image_, SegmentRegister::SS) & kDescriptorB) flags |= kStack32;
        const uint64_t bases = segment_base(SegmentRegister::DS) | segment_base(SegmentRegister::ES) |
                               segment_base(SegmentRegister::SS);
        if (!protected_mode() || v8086() || !code_is_32 || bases != 0) flags |= kAddSegment;
    }
    store<uint32_t>(image_, kHflags, flags);
}

}  // namespace vtless::sim
