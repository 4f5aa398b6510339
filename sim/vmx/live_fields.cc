// SPDX-License-Identifier: MIT
#include "sim/vmx/live_fields.h"

#include <array>
#include <utility>

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"

namespace vtless::sim {
namespace {

using x86::SegmentRegister;

struct LiveFieldRule {
    uint64_t (*load)(const CpuState&);
    void (*store)(CpuState&, uint64_t);
};

// A register that CpuState gets and sets by a pair of members.
template <auto Get, auto Set>
constexpr LiveFieldRule kRegister = {[](const CpuState& cpu) -> uint64_t { return (cpu.*Get)(); },
                                     [](CpuState& cpu, uint64_t value) { (cpu.*Set)(value); }};

template <SegmentRegister S, class Edit>
void edit_segment(CpuState& cpu, Edit edit) {
    x86::Segment segment = cpu.segment(S);
    edit(segment);
    cpu.set_segment(S, segment);
}

template <SegmentRegister S>
constexpr LiveFieldRule kSelector = {
    [](const CpuState& cpu) -> uint64_t { return cpu.selector(S); },
    [](CpuState& cpu, uint64_t value) {
        edit_segment<S>(cpu, [value](x86::Segment& s) { s.selector = static_cast<uint16_t>(value); });
    }};

template <SegmentRegister S>
constexpr LiveFieldRule kBase = {[](const CpuState& cpu) { return cpu.segment_base(S); },
                                 [](CpuState& cpu, uint64_t value) { cpu.set_segment_base(S, value); }};

template <SegmentRegister S>
constexpr LiveFieldRule kLimit = {
    [](const CpuState& cpu) -> uint64_t { return cpu.segment(S).limit; },
    [](CpuState& cpu, uint64_t value) {
        edit_segment<S>(cpu, [value](x86::Segment& s) { s.limit = static_cast<uint32_t>(value); });
    }};

// "The value of the DPL field for SS is always equal to the logical processor's current privilege level."
// SDM Vol. 3C "Saving Segment Registers and Descriptor-Table Registers" (28.3.2).
template <SegmentRegister S>
constexpr LiveFieldRule kRights = {
    [](const CpuState& cpu) -> uint64_t {
        const x86::AccessRights rights = cpu.segment(S).rights;
        return S == SegmentRegister::SS ? rights.with_dpl(cpu.cpl()).raw : rights.raw;
    },
    [](CpuState& cpu, uint64_t value) {
        edit_segment<S>(cpu, [value](x86::Segment& s) { s.rights.raw = static_cast<uint32_t>(value); });
    }};

template <auto Get, auto Set>
constexpr LiveFieldRule kTableBase = {[](const CpuState& cpu) { return (cpu.*Get)().base; },
                                      [](CpuState& cpu, uint64_t value) {
                                          x86::DescriptorTable table = (cpu.*Get)();
                                          table.base = value;
                                          (cpu.*Set)(table);
                                      }};

template <auto Get, auto Set>
constexpr LiveFieldRule kTableLimit = {[](const CpuState& cpu) -> uint64_t { return (cpu.*Get)().limit; },
                                       [](CpuState& cpu, uint64_t value) {
                                           x86::DescriptorTable table = (cpu.*Get)();
                                           table.limit = static_cast<uint16_t>(value);
                                           (cpu.*Set)(table);
                                       }};

// VM entry never modifies ET, NW and CD, whatever the field says: they stay as the processor has them.
// SDM Vol. 3C "Loading Guest Control Registers, Debug Registers, and MSRs" (27.3.2.1).
constexpr LiveFieldRule kCr0 = {[](const CpuState& cpu) { return cpu.cr0(); },
                                [](CpuState& cpu, uint64_t value) {
                                    constexpr uint64_t kKept = x86::cr0::NW | x86::cr0::CD;
                                    cpu.set_cr0((value & ~kKept) | (cpu.cr0() & kKept) | x86::cr0::ET);
                                }};

constexpr LiveFieldRule kRsp = {[](const CpuState& cpu) { return cpu.gpr(x86::Gpr::RSP); },
                                [](CpuState& cpu, uint64_t value) { cpu.set_gpr(x86::Gpr::RSP, value); }};

using C = CpuState;
using S = SegmentRegister;

// clang-tidy wants parentheses around the name of a template, where none can stand.
#define VTLESS_ALL_SEGMENTS(rule) /* NOLINTNEXTLINE(bugprone-macro-parentheses) */ \
    rule<S::ES>, rule<S::CS>, rule<S::SS>, rule<S::DS>, rule<S::FS>, rule<S::GS>, rule<S::LDTR>, rule<S::TR>

constexpr std::array<LiveFieldRule, kLiveFields - 1> kRules = {
    kRegister<&C::rip, &C::set_rip>,
    kRsp,
    {[](const CpuState& cpu) { return cpu.rflags(); },
     [](CpuState& cpu, uint64_t value) { cpu.set_rflags(value & ~x86::rflags::RF); }},
    VTLESS_ALL_SEGMENTS(kSelector),
    VTLESS_ALL_SEGMENTS(kBase),
    VTLESS_ALL_SEGMENTS(kLimit),
    VTLESS_ALL_SEGMENTS(kRights),
    kTableBase<&C::gdtr, &C::set_gdtr>,
    kTableLimit<&C::gdtr, &C::set_gdtr>,
    kTableBase<&C::idtr, &C::set_idtr>,
    kTableLimit<&C::idtr, &C::set_idtr>,
    kCr0,
    kRegister<&C::cr3, &C::set_cr3>,
    kRegister<&C::cr4, &C::set_cr4>,
    kRegister<&C::efer, &C::set_efer>,
    kRegister<&C::sysenter_cs, &C::set_sysenter_cs>,
    kRegister<&C::sysenter_esp, &C::set_sysenter_esp>,
    kRegister<&C::sysenter_eip, &C::set_sysenter_eip>,
};
#undef VTLESS_ALL_SEGMENTS

}  // namespace

uint64_t load_live_field(const CpuState& cpu, LiveField field) {
    return kRules[static_cast<size_t>(field)].load(cpu);
}

void store_live_field(CpuState& cpu, LiveField field, uint64_t value) {
    kRules[static_cast<size_t>(field)].store(cpu, value);
}

}  // namespace vtless::sim
