// SPDX-License-Identifier: MIT
#include "sim/vmx/msr_unit.h"

#include <algorithm>

#include "isa/x86/control_regs.h"

namespace vtless::sim {
namespace {

using x86::Msr;

using Can = VmxCapabilities;
using A = AllowedValues;
using Values = A (*)(const Can&);  // that WRMSR accepts

// An MSR that some register of ours backs.
struct RegisterMsr {
    Msr msr;
    uint64_t (*read)(const MsrUnit&, World);
    bool (*write)(MsrUnit&, World, uint64_t);
    Values values;  // asked by write, which may refuse more
};

// An MSR that only holds a value.
struct StoredMsr {
    Msr msr;
    uint64_t reset;
    Values values;  // kReadOnly
};

constexpr A canonical(const Can& can) { return A::of_form(A::Form::Canonical, can.linear_bits); }
constexpr A pat(const Can&) { return A::of_form(A::Form::Pat); }
constexpr A any(const Can&) { return {}; }
constexpr A low32(const Can&) { return A::bits(0, bit_range(63, 32)); }

// A register that both worlds share and the engine holds.
template <auto Get, auto Set, Values kValues>
constexpr RegisterMsr shared(Msr msr) {
    return {msr, [](const MsrUnit& unit, World) -> uint64_t { return (unit.engine().state().*Get)(); },
            [](MsrUnit& unit, World, uint64_t value) {
                if (!kValues(unit.capabilities()).accepts(value)) return false;
                (unit.engine().edit_state().*Set)(value);
                return true;
            },
            kValues};
}

// A register of which root operation has its own.
template <uint64_t RootState::*Root, auto Get, auto Set, Values kValues>
constexpr RegisterMsr switched(Msr msr) {
    return {msr,
            [](const MsrUnit& unit, World world) -> uint64_t {
                return world == World::Root ? unit.root().*Root : (unit.engine().state().*Get)();
            },
            [](MsrUnit& unit, World world, uint64_t value) {
                if (!kValues(unit.capabilities()).accepts(value)) return false;
                if (world == World::Root) {
                    unit.root().*Root = value;
                } else {
                    (unit.engine().edit_state().*Set)(value);
                }
                return true;
            },
            kValues};
}

template <x86::SegmentRegister S>
constexpr RegisterMsr segment_base(Msr msr) {
    return {msr,
            [](const MsrUnit& unit, World world) {
                return world == World::Root ? unit.root().segment(S).base
                                            : unit.engine().state().segment_base(S);
            },
            [](MsrUnit& unit, World world, uint64_t value) {
                if (!canonical(unit.capabilities()).accepts(value)) return false;
                if (world == World::Root) {
                    unit.root().segment(S).base = value;
                } else {
                    unit.engine().edit_state().set_segment_base(S, value);
                }
                return true;
            },
            canonical};
}

// A register that is the same storage in both worlds: VM entry and exit load it.
template <uint64_t RootState::*Value, Values kValues>
constexpr RegisterMsr loaded(Msr msr) {
    return {msr, [](const MsrUnit& unit, World) { return unit.root().*Value; },
            [](MsrUnit& unit, World, uint64_t value) {
                if (!kValues(unit.capabilities()).accepts(value)) return false;
                unit.root().*Value = value;
                return true;
            },
            kValues};
}

constexpr A efer(const Can& can) { return A::bits(0, ~can.guest_features.efer); }

bool write_root_efer(MsrUnit& unit, World world, uint64_t value) {
    RootState& root = unit.root();
    const bool toggles_mode = ((value ^ root.efer) & x86::efer::LME) != 0 && (root.cr0 & x86::cr0::PG) != 0;
    if (world != World::Root || !efer(unit.capabilities()).accepts(value) || toggles_mode) return false;
    root.efer = (root.efer & x86::efer::LMA) | (value & ~x86::efer::LMA);
    return true;
}

bool set_tsc(MsrUnit& unit, World, uint64_t value) {
    unit.root().tsc_offset = value - unit.engine().cycles();
    return true;
}

constexpr A debugctl(const Can&) { return A::bits(0, ~(x86::debugctl::LBR | x86::debugctl::BTF)); }

using S = x86::SegmentRegister;
using C = CpuState;

constexpr RegisterMsr kRegisters[] = {
    {Msr::IA32_TIME_STAMP_COUNTER, [](const MsrUnit& unit, World) { return unit.tsc(); }, set_tsc, any},
    loaded<&RootState::tsc_offset, any>(Msr::IA32_TSC_ADJUST),
    loaded<&RootState::pat, pat>(Msr::IA32_PAT),
    loaded<&RootState::debugctl, debugctl>(Msr::IA32_DEBUGCTL),
    switched<&RootState::sysenter_cs, &C::sysenter_cs, &C::set_sysenter_cs, any>(Msr::IA32_SYSENTER_CS),
    switched<&RootState::sysenter_esp, &C::sysenter_esp, &C::set_sysenter_esp, canonical>(
        Msr::IA32_SYSENTER_ESP),
    switched<&RootState::sysenter_eip, &C::sysenter_eip, &C::set_sysenter_eip, canonical>(
        Msr::IA32_SYSENTER_EIP),
    {Msr::IA32_EFER,
     [](const MsrUnit& unit, World world) {
         return world == World::Root ? unit.root().efer : unit.engine().state().efer();
     },
     write_root_efer, efer},
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

constexpr uint32_t kMtrrTypes = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6;

constexpr uint64_t beyond(const Can& can) { return bit_range(63, can.physical_bits); }
constexpr A mtrr_type(uint64_t zeros) {
    A allowed = A::part(7, 0, kMtrrTypes);
    allowed.zeros = zeros;
    return allowed;
}
constexpr A fixed_range(const Can&) { return A::of_form(A::Form::FixedRange); }
constexpr A range_base(const Can& can) { return mtrr_type(bit_range(11, 8) | beyond(can)); }
constexpr A range_mask(const Can& can) { return A::bits(0, bit_range(10, 0) | beyond(can)); }
constexpr A default_type(const Can&) { return mtrr_type(~(bit_range(7, 0) | bit(10) | bit(11))); }
constexpr A apic_base(const Can& can) {
    constexpr uint64_t kDefined = x86::apic_base::BSP | x86::apic_base::ENABLE;
    return A::bits(0, (bit_range(11, 0) & ~kDefined) | beyond(can));
}
constexpr A misc_enable(const Can&) {
    using namespace x86::misc_enable;
    return A::bits(
        0, ~(FAST_STRINGS | BTS_UNAVAILABLE | PEBS_UNAVAILABLE | MONITOR | LIMIT_CPUID_MAXVAL | XD_DISABLE));
}
constexpr A zero(const Can&) { return A::bits(0, ~uint64_t{0}); }
constexpr Values kReadOnly = nullptr;

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
    if (rule == nullptr || rule->values == kReadOnly) return false;
    if (!rule->values(*capabilities_).accepts(value)) return false;
    stored_[static_cast<size_t>(rule - kStored)] = value;
    return true;
}

WrmsrRule wrmsr_rule(Msr msr, const VmxCapabilities& can) {
    using Kind = WrmsrRule::Kind;
    Values values = kReadOnly;
    if (const RegisterMsr* rule = find(kRegisters, msr)) {
        values = rule->values;
    } else if (const StoredMsr* stored = find(kStored, msr)) {
        values = stored->values;
    } else if (!can.read(msr)) {
        return {Kind::NoSuchMsr, {}};
    }
    if (values == kReadOnly) return {Kind::ReadOnly, {}};
    return {Kind::Writable, values(can)};
}

}  // namespace vtless::sim
