// SPDX-License-Identifier: MIT
#include "sim/vmx/msr_unit.h"

#include <algorithm>

#include "isa/x86/control_regs.h"

namespace vtless::sim {
namespace {

using x86::Msr;

using Can = VmxCapabilities;
using Allows = bool (*)(const Can&, uint64_t value);

// An MSR that some register of ours backs.
struct RegisterMsr {
    Msr msr;
    uint64_t (*read)(const MsrUnit&, World);
    bool (*write)(MsrUnit&, World, uint64_t);
};

// An MSR that only holds a value.
struct StoredMsr {
    Msr msr;
    uint64_t reset;
    Allows allows;
};

bool canonical(const Can& can, uint64_t value) { return is_canonical(value, can.linear_bits); }
bool pat(const Can&, uint64_t value) { return x86::is_valid_pat(value); }
bool any(const Can&, uint64_t) { return true; }
bool low32(const Can&, uint64_t value) { return (value >> 32) == 0; }

// A register that both worlds share and the engine holds.
template <auto Get, auto Set, Allows Allow>
constexpr RegisterMsr shared(Msr msr) {
    return {msr, [](const MsrUnit& unit, World) -> uint64_t { return (unit.engine().state().*Get)(); },
            [](MsrUnit& unit, World, uint64_t value) {
                if (!Allow(unit.capabilities(), value)) return false;
                (unit.engine().edit_state().*Set)(value);
                return true;
            }};
}

// A register of which root operation has its own.
template <uint64_t RootState::*Root, auto Get, auto Set, Allows Allow>
constexpr RegisterMsr switched(Msr msr) {
    return {msr,
            [](const MsrUnit& unit, World world) -> uint64_t {
                return world == World::Root ? unit.root().*Root : (unit.engine().state().*Get)();
            },
            [](MsrUnit& unit, World world, uint64_t value) {
                if (!Allow(unit.capabilities(), value)) return false;
                if (world == World::Root) {
                    unit.root().*Root = value;
                } else {
                    (unit.engine().edit_state().*Set)(value);
                }
                return true;
            }};
}

template <x86::SegmentRegister S>
constexpr RegisterMsr segment_base(Msr msr) {
    return {msr,
            [](const MsrUnit& unit, World world) {
                return world == World::Root ? unit.root().segment(S).base
                                            : unit.engine().state().segment_base(S);
            },
            [](MsrUnit& unit, World world, uint64_t value) {
                if (!canonical(unit.capabilities(), value)) return false;
                if (world == World::Root) {
                    unit.root().segment(S).base = value;
                } else {
                    unit.engine().edit_state().set_segment_base(S, value);
                }
                return true;
            }};
}

// A register that is the same storage in both worlds: VM entry and exit load it.
template <uint64_t RootState::*Value, Allows Allow>
constexpr RegisterMsr loaded(Msr msr) {
    return {msr, [](const MsrUnit& unit, World) { return unit.root().*Value; },
            [](MsrUnit& unit, World, uint64_t value) {
                if (!Allow(unit.capabilities(), value)) return false;
                unit.root().*Value = value;
                return true;
            }};
}

bool write_root_efer(MsrUnit& unit, World world, uint64_t value) {
    RootState& root = unit.root();
    const uint64_t changeable = x86::efer::kDefined & ~x86::efer::LMA;
    const bool toggles_mode = ((value ^ root.efer) & x86::efer::LME) != 0 && (root.cr0 & x86::cr0::PG) != 0;
    if (world != World::Root || (value & ~x86::efer::kDefined) != 0 || toggles_mode) return false;
    root.efer = (root.efer & x86::efer::LMA) | (value & changeable);
    return true;
}

bool set_tsc(MsrUnit& unit, World, uint64_t value) {
    unit.root().tsc_offset = value - unit.engine().cycles();
    return true;
}

bool debugctl_allowed(const Can&, uint64_t value) {
    return (value & ~(x86::debugctl::LBR | x86::debugctl::BTF)) == 0;
}

using S = x86::SegmentRegister;
using C = CpuState;

constexpr RegisterMsr kRegisters[] = {
    {Msr::IA32_TIME_STAMP_COUNTER, [](const MsrUnit& unit, World) { return unit.tsc(); }, set_tsc},
    loaded<&RootState::tsc_offset, any>(Msr::IA32_TSC_ADJUST),
    loaded<&RootState::pat, pat>(Msr::IA32_PAT),
    loaded<&RootState::debugctl, debugctl_allowed>(Msr::IA32_DEBUGCTL),
    switched<&RootState::sysenter_cs, &C::sysenter_cs, &C::set_sysenter_cs, any>(Msr::IA32_SYSENTER_CS),
    switched<&RootState::sysenter_esp, &C::sysenter_esp, &C::set_sysenter_esp, canonical>(
        Msr::IA32_SYSENTER_ESP),
    switched<&RootState::sysenter_eip, &C::sysenter_eip, &C::set_sysenter_eip, canonical>(
        Msr::IA32_SYSENTER_EIP),
    {Msr::IA32_EFER,
     [](const MsrUnit& unit, World world) {
         return world == World::Root ? unit.root().efer : unit.engine().state().efer();
     },
     write_root_efer},
    shared<&C::star, &C::set_star, any>(Msr::IA32_STAR),
    shared<&C::lstar, &C::set_lstar, canonical>(Msr::IA32_LSTAR),
    shared<&C::cstar, &C::set_cstar, canonical>(Msr::IA32_CSTAR),
    shared<&C::fmask, &C::set_fmask, low32>(Msr::IA32_FMASK),
    segment_base<S::FS>(Msr::IA32_FS_BASE),
    segment_base<S::GS>(Msr::IA32_GS_BASE),
    shared<&C::kernel_gs_base, &C::set_kernel_gs_base, canonical>(Msr::IA32_KERNEL_GS_BASE),
    shared<&C::tsc_aux, &C::set_tsc_aux, low32>(Msr::IA32_TSC_AUX),
};

// SDM Vol. 3A "Memory Type Range Registers (MTRRs)" (12.11).
constexpr uint64_t kMtrrCap = 8 | bit(8) | bit(10);  // 8 variable ranges, fixed ranges, WC

bool memory_type(uint64_t type) { return type == 0 || type == 1 || type == 4 || type == 5 || type == 6; }
bool fixed_range(const Can&, uint64_t value) {
    for (unsigned i = 0; i < 8; ++i) {
        if (!memory_type((value >> (i * 8)) & 0xff)) return false;
    }
    return true;
}
bool range_base(const Can& can, uint64_t value) {
    return memory_type(value & 0xff) && (value & 0xf00) == 0 && can.fits_physical_width(value);
}
bool range_mask(const Can& can, uint64_t value) {
    return (value & 0x7ff) == 0 && can.fits_physical_width(value);
}
bool default_type(const Can&, uint64_t value) {
    return memory_type(value & 0xff) && (value & ~(0xff | bit(10) | bit(11))) == 0;
}
bool apic_base(const Can& can, uint64_t value) {
    constexpr uint64_t kDefined = x86::apic_base::BSP | x86::apic_base::ENABLE;
    return (value & 0xfff & ~kDefined) == 0 && can.fits_physical_width(value);
}
bool misc_enable(const Can&, uint64_t value) {
    using namespace x86::misc_enable;
    return (value & ~(FAST_STRINGS | BTS_UNAVAILABLE | PEBS_UNAVAILABLE | MONITOR | LIMIT_CPUID_MAXVAL |
                      XD_DISABLE)) == 0;
}
bool zero(const Can&, uint64_t value) { return value == 0; }
constexpr Allows kReadOnly = nullptr;

constexpr StoredMsr kStored[] = {
    {Msr::IA32_PLATFORM_ID, 0, kReadOnly},
    {Msr::IA32_APIC_BASE, x86::apic_base::kDefaultAddress | x86::apic_base::BSP | x86::apic_base::ENABLE,
     apic_base},
    {Msr::IA32_BIOS_SIGN_ID, 0, any},
    {Msr::MSR_PLATFORM_INFO, 0, kReadOnly},
    {Msr::IA32_MTRRCAP, kMtrrCap, kReadOnly},
    {Msr::IA32_MCG_CAP, 0, kReadOnly},
    {Msr::IA32_MCG_STATUS, 0, zero},
    {Msr::IA32_MISC_ENABLE,
     x86::misc_enable::FAST_STRINGS | x86::misc_enable::BTS_UNAVAILABLE | x86::misc_enable::PEBS_UNAVAILABLE |
         x86::misc_enable::MONITOR,
     misc_enable},
    {Msr::IA32_MTRR_PHYSBASE0, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK0, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE1, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK1, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE2, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK2, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE3, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK3, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE4, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK4, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE5, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK5, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE6, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK6, 0, range_mask},
    {Msr::IA32_MTRR_PHYSBASE7, 0, range_base},
    {Msr::IA32_MTRR_PHYSMASK7, 0, range_mask},
    {Msr::IA32_MTRR_FIX64K_00000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX16K_80000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX16K_A0000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_C0000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_C8000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_D0000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_D8000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_E0000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_E8000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_F0000, 0, fixed_range},
    {Msr::IA32_MTRR_FIX4K_F8000, 0, fixed_range},
    {Msr::IA32_MTRR_DEF_TYPE, 0, default_type},
};

template <class Rule, size_t N>
constexpr bool ascending(const Rule (&rules)[N]) {
    for (size_t i = 1; i < N; ++i) {
        if (rules[i - 1].msr >= rules[i].msr) return false;
    }
    return true;
}
static_assert(ascending(kStored));

template <class Rule, size_t N>
const Rule* find(const Rule (&rules)[N], Msr msr) {
    const Rule* found = std::find_if(rules, rules + N, [msr](const Rule& rule) { return rule.msr == msr; });
    return found == rules + N ? nullptr : found;
}

}  // namespace

MsrUnit::MsrUnit(Engine& engine, RootState& root, const VmxCapabilities& capabilities)
    : engine_(&engine), root_(&root), capabilities_(&capabilities) {
    static_assert(std::size(kStored) <= kMaxStored);
    for (size_t i = 0; i < std::size(kStored); ++i) stored_[i] = kStored[i].reset;
}

bool MsrUnit::read(Msr msr, World world, uint64_t& value) const {
    if (const RegisterMsr* rule = find(kRegisters, msr)) {
        value = rule->read(*this, world);
        return true;
    }
    if (const StoredMsr* rule = find(kStored, msr)) {
        value = stored_[static_cast<size_t>(rule - kStored)];
        return true;
    }
    const auto fixed = capabilities_->read(msr);
    value = fixed.value_or(value);
    return fixed.has_value();
}

bool MsrUnit::write(Msr msr, World world, uint64_t value) {
    if (const RegisterMsr* rule = find(kRegisters, msr)) return rule->write(*this, world, value);
    const StoredMsr* rule = find(kStored, msr);
    if (rule == nullptr || rule->allows == kReadOnly || !rule->allows(*capabilities_, value)) return false;
    stored_[static_cast<size_t>(rule - kStored)] = value;
    return true;
}

}  // namespace vtless::sim
