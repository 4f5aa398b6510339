// SPDX-License-Identifier: MIT
#include "sim/vmx/allowed_values.h"

#include <algorithm>
#include <string_view>

#include "isa/x86/control_regs.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using A = AllowedValues;
using C = EntryChecker;
using F = x86::VmcsField;
using x86::AccessRights;

uint64_t beyond(const C& c) { return bit_range(63, c.capabilities.physical_bits); }

A flag(uint64_t mask, bool value) { return value ? A::bits(mask, 0) : A::bits(0, mask); }
A range(uint64_t minimum, uint64_t maximum) {
    A allowed;
    allowed.minimum = minimum;
    allowed.maximum = maximum;
    return allowed;
}
A exactly(uint64_t value) { return range(value, value); }
A canonical(const C& c) { return A::of_form(A::Form::Canonical, c.capabilities.linear_bits); }

template <class Controls>
A control_word(x86::ControlCapability<Controls> capability) {
    return A::bits(capability.allowed0(), uint32_t(~capability.allowed1()));
}

A msr_area(const C& c, F count) {
    A allowed = A::bits(0, 0xf | beyond(c));
    allowed.maximum = bit_range(c.capabilities.physical_bits - 1, 0) + 1 - c.get(count) * 16;
    return allowed;
}

uint32_t eptp_memory_types(const C& c) {
    using E = x86::EptVpidCapability;
    uint32_t types = 0;
    if (c.capabilities.ept_vpid.has(E::kUncacheable))
        types |= 1u << static_cast<unsigned>(x86::MemoryType::UC);
    if (c.capabilities.ept_vpid.has(E::kWriteBack)) types |= 1u << static_cast<unsigned>(x86::MemoryType::WB);
    return types;
}

A host_efer_mode(const C& c) {
    constexpr uint64_t kMode = x86::efer::LMA | x86::efer::LME;
    return flag(kMode, c.vmcs.exit_controls().has(x86::ExitControls::HOST_ADDRESS_SPACE_SIZE));
}

A injected_vector(const C& c) {
    switch (x86::EventInfo{c.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)}.type()) {
        case x86::EventType::NMI:
            return A::bits(2, 0xfd);
        case x86::EventType::HARDWARE_EXCEPTION:
            return A::bits(0, 0xe0);
        default:
            return A::bits(0, 0xff);
    }
}

// ------------------------------------------------------------------------------------------ guest segments

uint32_t data_types(std::string_view segment, const C& c) {
    if (segment == "cs") return 0xaa00 | (c.unrestricted() ? 1u << 3 : 0);
    if (segment == "ss") return 1u << 3 | 1u << 7;
    if (segment == "tr") return 1u << 11 | (c.ia32e_guest() ? 0 : 1u << 3);
    if (segment == "ldtr") return 1u << 2;
    return 0x88aa;  // accessed: data, and code that is readable
}

uint32_t cs_dpls(const C& c) {
    const unsigned ss = AccessRights{c.get32(F::GUEST_SS_ACCESS_RIGHTS)}.dpl();
    const unsigned type = AccessRights{c.get32(F::GUEST_CS_ACCESS_RIGHTS)}.type();
    if (type == 3) return 1;
    return type == 9 || type == 11 ? 1u << ss : (2u << ss) - 1;
}

uint32_t ss_dpls(const C& c) {
    const unsigned rpl = x86::selector_rpl(c.get16(F::GUEST_SS_SELECTOR));
    const bool real_mode = (c.get(F::GUEST_CR0) & x86::cr0::PE) == 0;
    const bool zero = real_mode || AccessRights{c.get32(F::GUEST_CS_ACCESS_RIGHTS)}.type() == 3;
    return (c.unrestricted() ? 0xf : 1u << rpl) & (zero ? 1 : 0xf);
}

// The other field of the same segment register.
F sibling(F field, F of_es, F wanted_of_es) {
    return static_cast<F>(x86::encoding(field) - x86::encoding(of_es) + x86::encoding(wanted_of_es));
}

A dpl(std::string_view segment, F rights, const C& c) {
    if (segment == "cs") return A::part(6, 5, cs_dpls(c));
    if (segment == "ss") return A::part(6, 5, ss_dpls(c));
    const F selector = sibling(rights, F::GUEST_ES_ACCESS_RIGHTS, F::GUEST_ES_SELECTOR);
    return A::part(6, 5, 0xfu << x86::selector_rpl(c.get16(selector)) & 0xf);
}

A granularity(F rights, const C& c) {
    const uint64_t limit = c.get(sibling(rights, F::GUEST_ES_ACCESS_RIGHTS, F::GUEST_ES_LIMIT));
    const bool must_be_0 = (limit & 0xfff) != 0xfff;
    const bool must_be_1 = (limit >> 20) != 0;
    return A::bits(must_be_1 ? bit(15) : 0, must_be_0 ? bit(15) : 0);
}

A segment_base(std::string_view segment, const C& c) {
    const bool low = segment == "es" || segment == "cs" || segment == "ss" || segment == "ds";
    return low ? A::bits(0, bit_range(63, 32)) : canonical(c);
}

A segment_value(std::string_view segment, std::string_view rule, F field, const C& c) {
    if (rule == "v8086_base")
        return exactly(c.get(sibling(field, F::GUEST_ES_BASE, F::GUEST_ES_SELECTOR)) << 4);
    if (rule == "v8086_limit") return exactly(0xffff);
    if (rule == "v8086_rights") return exactly(0xf3);
    if (rule == "base") return segment_base(segment, c);
    if (rule == "limit") return A::bits(0, 0xffff0000);  // of GDTR and IDTR
    if (rule == "type") return A::part(3, 0, data_types(segment, c));
    if (rule == "s") return flag(bit(4), segment != "tr" && segment != "ldtr");
    if (rule == "dpl") return dpl(segment, field, c);
    if (rule == "p") return flag(bit(7), true);
    if (rule == "reserved") return A::bits(0, AccessRights::kReserved);
    if (rule == "g") return granularity(field, c);
    if (rule == "l_and_d") return A::bits(0, bit(14));
    if (rule == "unusable") return A::bits(0, AccessRights::kUnusable);
    if (rule == "selector" && segment == "ss")
        return A::part(1, 0, 1u << x86::selector_rpl(c.get16(F::GUEST_CS_SELECTOR)));
    return A::bits(0, 4);  // TI of TR and LDTR
}

// ----------------------------------------------------------------------------------------------- the rest

struct Row {
    std::string_view id;
    A (*values)(const C& c, F field);
};

A page(const C& c, F) { return A::bits(0, 0xfff | beyond(c)); }
A width(const C& c, F) { return A::bits(0, beyond(c)); }
A low32(const C&, F) { return A::bits(0, bit_range(63, 32)); }
A pat(const C&, F) { return A::of_form(A::Form::Pat); }
A efer_reserved(const C&, F) { return A::bits(0, ~x86::efer::kDefined); }
A any_canonical(const C& c, F) { return canonical(c); }
A equal_upper_bits(const C& c, F) {
    A allowed = canonical(c);
    allowed.linear_bits += 1;
    return allowed;
}
A active(const C&, F) { return exactly(0); }
A in_memory(const C&, F) { return A::of_form(A::Form::NotByValue); }
A host_selector(const C&, F) { return A::bits(0, 7); }
A not_null(const C&, F) {
    A allowed = A::bits(0, 7);
    allowed.minimum = 8;
    allowed.maximum = 0xffff;
    return allowed;
}
A cr0_fixed(const C& c, F field) {
    const bool free = field == F::GUEST_CR0 && c.unrestricted();
    const uint64_t not_checked = free ? x86::cr0::PE | x86::cr0::PG : 0;
    return A::bits(c.capabilities.cr0_fixed0 & ~not_checked, ~c.capabilities.cr0_fixed1);
}
A cr4_fixed(const C& c, F) { return A::bits(c.capabilities.cr4_fixed0, ~c.capabilities.cr4_fixed1); }
A link_address(const C& c, F field) {
    A allowed = page(c, field);
    allowed.or_all_ones = true;
    return allowed;
}
A debug_exceptions_reserved(const C&, F) {
    namespace pending = x86::pending_debug;
    return A::bits(0, pending::kReserved | pending::BLD | pending::RTM);
}
A single_step(const C& c, F) {
    const bool steps = (c.get(F::GUEST_RFLAGS) & x86::rflags::TF) != 0 &&
                       (c.get(F::GUEST_IA32_DEBUGCTL) & x86::debugctl::BTF) == 0;
    return flag(x86::pending_debug::BS, steps);
}
A error_code_valid(const C& c, F field) {
    // It is wrong as it is.
    return flag(x86::EventInfo::kErrorCodeValid, (c.get(field) & x86::EventInfo::kErrorCodeValid) == 0);
}

namespace blocking = x86::interruptibility;
constexpr uint64_t kStiOrMovSs = blocking::BLOCKING_BY_STI | blocking::BLOCKING_BY_MOV_SS;

constexpr Row kRows[] = {
    {"controls.pin.reserved", [](const C& c, F) { return control_word(c.capabilities.pin); }},
    {"controls.primary.reserved", [](const C& c, F) { return control_word(c.capabilities.primary); }},
    {"controls.secondary.reserved", [](const C& c, F) { return control_word(c.capabilities.secondary); }},
    {"controls.exit.reserved", [](const C& c, F) { return control_word(c.capabilities.exit); }},
    {"controls.entry.reserved", [](const C& c, F) { return control_word(c.capabilities.entry); }},
    {"controls.cr3_target_count", [](const C& c, F) { return range(0, c.capabilities.misc.cr3_targets()); }},
    {"controls.io_bitmap_a.address", page},
    {"controls.io_bitmap_b.address", page},
    {"controls.msr_bitmap.address", page},
    {"controls.virtual_apic.address", page},
    {"controls.x2apic.needs_tpr_shadow",
     [](const C&, F) { return A::bits(0, x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE); }},
    {"controls.apic_registers.needs_tpr_shadow",
     [](const C&, F) { return A::bits(0, x86::SecondaryControls::APIC_REGISTER_VIRTUALIZATION); }},
    {"controls.virtual_interrupts.needs_tpr_shadow",
     [](const C&, F) { return A::bits(0, x86::SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY); }},
    {"controls.virtual_interrupts.needs_external_interrupt_exiting",
     [](const C&, F) { return A::bits(0, x86::SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY); }},
    {"controls.posted_interrupts.needs_virtual_interrupts",
     [](const C&, F) { return A::bits(0, x86::PinControls::PROCESS_POSTED_INTERRUPTS); }},
    {"controls.posted_interrupts.needs_acknowledge",
     [](const C&, F) { return A::bits(0, x86::PinControls::PROCESS_POSTED_INTERRUPTS); }},
    {"controls.posted_interrupts.vector", [](const C&, F) { return A::bits(0, 0xff00); }},
    {"controls.posted_interrupts.descriptor",
     [](const C& c, F) { return A::bits(0, bit_range(5, 0) | beyond(c)); }},
    {"controls.x2apic.with_apic_accesses",
     [](const C&, F) { return A::bits(0, x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE); }},
    {"controls.apic_access.address", page},
    {"controls.tpr_threshold.reserved", [](const C&, F) { return A::bits(0, bit_range(31, 4)); }},
    {"controls.tpr_threshold.above_vtpr",
     [](const C& c, F) { return range(0, c.virtual_task_priority_class()); }},
    {"controls.virtual_nmis.needs_nmi_exiting",
     [](const C&, F) { return A::bits(x86::PinControls::NMI_EXITING, 0); }},
    {"controls.nmi_window.needs_virtual_nmis",
     [](const C&, F) { return A::bits(0, x86::PrimaryControls::NMI_WINDOW_EXITING); }},
    {"controls.tsc_multiplier.zero", [](const C&, F) { return range(1, ~uint64_t{0}); }},
    {"controls.vpid.zero", [](const C&, F) { return range(1, 0xffff); }},
    {"controls.eptp.memory_type", [](const C& c, F) { return A::part(2, 0, eptp_memory_types(c)); }},
    {"controls.eptp.walk_length",
     [](const C& c, F) {  // bits 6 and 7 of IA32_VMX_EPT_VPID_CAP are 4 and 5 levels
         return A::part(5, 3, static_cast<uint32_t>(Field<7, 6>::get(c.capabilities.ept_vpid.raw)) << 3);
     }},
    {"controls.eptp.accessed_dirty", [](const C&, F) { return A::bits(0, bit(6)); }},
    {"controls.eptp.reserved", [](const C& c, F) { return A::bits(0, bit_range(11, 7) | beyond(c)); }},
    {"controls.unrestricted_guest.needs_ept",
     [](const C&, F) { return A::bits(x86::SecondaryControls::ENABLE_EPT, 0); }},
    {"controls.pml.needs_ept", [](const C&, F) { return A::bits(x86::SecondaryControls::ENABLE_EPT, 0); }},
    {"controls.pml.address", page},
    {"controls.mode_based_execute.needs_ept",
     [](const C&, F) { return A::bits(x86::SecondaryControls::ENABLE_EPT, 0); }},
    {"controls.vm_functions.reserved", [](const C& c, F) { return A::bits(0, ~c.capabilities.vmfunc); }},
    {"controls.eptp_switching.needs_ept",
     [](const C&, F) { return A::bits(x86::SecondaryControls::ENABLE_EPT, 0); }},
    {"controls.eptp_list.address", page},
    {"controls.vmread_bitmap.address", page},
    {"controls.vmwrite_bitmap.address", page},
    {"controls.virtualization_exception.address", page},
    {"controls.exit.save_timer_needs_timer",
     [](const C&, F) { return A::bits(0, x86::ExitControls::SAVE_VMX_PREEMPTION_TIMER_VALUE); }},
    {"controls.exit.msr_store_area", [](const C& c, F) { return msr_area(c, F::VM_EXIT_MSR_STORE_COUNT); }},
    {"controls.exit.msr_load_area", [](const C& c, F) { return msr_area(c, F::VM_EXIT_MSR_LOAD_COUNT); }},
    {"controls.entry.msr_load_area", [](const C& c, F) { return msr_area(c, F::VM_ENTRY_MSR_LOAD_COUNT); }},

    {"injection.type", [](const C&, F) { return A::part(10, 8, 0xfd); }},
    {"injection.type.monitor_trap_flag", [](const C&, F) { return A::part(10, 8, 0x7d); }},
    {"injection.vector", [](const C& c, F) { return injected_vector(c); }},
    {"injection.error_code_valid", error_code_valid},
    {"injection.reserved", [](const C&, F) { return A::bits(0, x86::EventInfo::kEntryReserved); }},
    {"injection.error_code", [](const C&, F) { return A::bits(0, 0xffff0000); }},
    {"injection.instruction_length",
     [](const C& c, F) {
         return range(c.capabilities.misc.has(x86::VmxMisc::kZeroLengthInjection) ? 0 : 1, 15);
     }},

    {"host.cr0.fixed", cr0_fixed},
    {"host.cr4.fixed", cr4_fixed},
    {"host.cr3.width", width},
    {"host.sysenter_esp.canonical", any_canonical},
    {"host.sysenter_eip.canonical", any_canonical},
    {"host.pat", pat},
    {"host.efer.reserved", efer_reserved},
    {"host.efer.mode", [](const C& c, F) { return host_efer_mode(c); }},
    {"host.es.selector", host_selector},
    {"host.cs.selector", host_selector},
    {"host.ss.selector", host_selector},
    {"host.ds.selector", host_selector},
    {"host.fs.selector", host_selector},
    {"host.gs.selector", host_selector},
    {"host.tr.selector", host_selector},
    {"host.cs.null", not_null},
    {"host.tr.null", not_null},
    {"host.ss.null", not_null},
    {"host.fs.base", any_canonical},
    {"host.gs.base", any_canonical},
    {"host.tr.base", any_canonical},
    {"host.gdtr.base", any_canonical},
    {"host.idtr.base", any_canonical},
    {"host.address_space_size",
     [](const C& c, F) { return flag(x86::ExitControls::HOST_ADDRESS_SPACE_SIZE, c.root.ia32e()); }},
    {"host.ia32e_guest", [](const C&, F) { return A::bits(0, x86::EntryControls::IA32E_MODE_GUEST); }},
    {"host.rip.width", low32},
    {"host.cr4.pae", [](const C&, F) { return A::bits(x86::cr4::PAE, 0); }},
    {"host.rip.canonical", any_canonical},

    {"guest.cr0.fixed", cr0_fixed},
    {"guest.cr0.pg_without_pe", [](const C&, F) { return A::bits(x86::cr0::PE, 0); }},
    {"guest.cr4.fixed", cr4_fixed},
    {"guest.cr0.ia32e_without_pg", [](const C&, F) { return A::bits(x86::cr0::PG, 0); }},
    {"guest.cr4.ia32e_without_pae", [](const C&, F) { return A::bits(x86::cr4::PAE, 0); }},
    {"guest.cr3.width", width},
    {"guest.debugctl.reserved",
     [](const C&, F) { return A::bits(0, ~(x86::debugctl::LBR | x86::debugctl::BTF)); }},
    {"guest.dr7.width", low32},
    {"guest.sysenter_esp.canonical", any_canonical},
    {"guest.sysenter_eip.canonical", any_canonical},
    {"guest.pat", pat},
    {"guest.efer.reserved", efer_reserved},
    {"guest.efer.lma", [](const C& c, F) { return flag(x86::efer::LMA, c.ia32e_guest()); }},
    {"guest.efer.lme",
     [](const C& c, F field) { return flag(x86::efer::LME, (c.get(field) & x86::efer::LMA) != 0); }},

    {"guest.rip.width", low32},
    {"guest.rip.canonical", equal_upper_bits},
    {"guest.rflags.reserved",
     [](const C&, F) { return A::bits(x86::rflags::kFixed1, x86::rflags::kReserved); }},
    {"guest.rflags.vm", [](const C&, F) { return A::bits(0, x86::rflags::VM); }},
    {"guest.rflags.if", [](const C&, F) { return A::bits(x86::rflags::IF, 0); }},

    {"guest.activity.unsupported",
     [](const C& c, F) {  // bits 8:6 of IA32_VMX_MISC are states 3 to 1
         return A::part(31, 0, 1u | static_cast<uint32_t>(Field<8, 6>::get(c.capabilities.misc.raw)) << 1);
     }},
    {"guest.activity.hlt_dpl", active},
    {"guest.activity.blocking", active},
    {"guest.activity.injection", active},
    {"guest.interruptibility.reserved", [](const C&, F) { return A::bits(0, blocking::kReserved); }},
    {"guest.interruptibility.sti_and_mov_ss", [](const C&, F) { return A::part(1, 0, 7); }},
    {"guest.interruptibility.sti_without_if",
     [](const C&, F) { return A::bits(0, blocking::BLOCKING_BY_STI); }},
    {"guest.interruptibility.interrupt", [](const C&, F) { return A::bits(0, kStiOrMovSs); }},
    {"guest.interruptibility.nmi_mov_ss",
     [](const C&, F) { return A::bits(0, blocking::BLOCKING_BY_MOV_SS); }},
    {"guest.interruptibility.smi", [](const C&, F) { return A::bits(0, blocking::BLOCKING_BY_SMI); }},
    {"guest.interruptibility.virtual_nmi", [](const C&, F) { return A::bits(0, blocking::BLOCKING_BY_NMI); }},
    {"guest.interruptibility.enclave",
     [](const C&, F) { return A::bits(0, blocking::ENCLAVE_INTERRUPTION); }},
    {"guest.pending_debug.reserved", debug_exceptions_reserved},
    {"guest.pending_debug.bs", single_step},
    {"guest.link_pointer.address", link_address},
    {"guest.link_pointer.current", [](const C&, F) { return exactly(~uint64_t{0}); }},
    {"guest.link_pointer.revision", [](const C&, F) { return exactly(~uint64_t{0}); }},
    {"guest.pdpte.reserved",
     [](const C& c, F) { return A::bits(0, bit_range(2, 1) | bit_range(8, 5) | beyond(c)); }},

    {"load.pdptes", in_memory},
    {"load.msr.count", [](const C& c, F) { return range(0, c.capabilities.misc.msr_list_max()); }},
    {"load.msr.memory", in_memory},
    {"load.msr.segment_base", in_memory},
    {"load.msr.x2apic", in_memory},
    {"load.msr.smm", in_memory},
    {"load.msr.reserved", in_memory},
    {"load.msr.unknown", in_memory},
    {"load.msr.read_only", in_memory},
    {"load.msr.value", in_memory},
    {"load.msr.lme", in_memory},
};

}  // namespace

AllowedValues allowed_values(const EntryChecker& checker, const EntryFailure& failure) {
    const std::string_view id = failure.id();
    for (const Row& row : kRows) {
        if (row.id == id) return row.values(checker, failure.field);
    }
    // "guest.SEGMENT.RULE"
    const size_t first = id.find('.');
    const size_t second = id.find('.', first + 1);
    return segment_value(id.substr(first + 1, second - first - 1), id.substr(second + 1), failure.field,
                         checker);
}

std::optional<uint64_t> AllowedValues::repair(uint64_t value) const {
    uint64_t repaired = (value | ones) & ~zeros;
    if (form == Form::Canonical) repaired = sign_extend(repaired, linear_bits);
    if (form == Form::Pat || form == Form::FixedRange) {
        for (unsigned low = 0; low < 64; low += 8) {
            const uint64_t type = repaired >> low & 0xff;
            if (form == Form::Pat ? x86::is_pat_type(type) : x86::is_mtrr_type(type)) continue;
            repaired &= ~bit_range(low + 7, low);
            repaired |= uint64_t{static_cast<uint8_t>(x86::MemoryType::WB)} << low;
        }
    }
    repaired = std::clamp(repaired, minimum, std::max(minimum, maximum)) & ~zeros;
    if (accepts(repaired)) return repaired;
    for (uint64_t number = 0; number < 32 && part_values != ~uint32_t{0}; ++number) {
        const uint64_t mask = bit_range(part_high, part_low);
        const uint64_t tried = (repaired & ~mask) | ((number << part_low) & mask);
        if (accepts(tried)) return tried;
    }
    return std::nullopt;
}

}  // namespace vtless::sim
