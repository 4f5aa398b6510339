// SPDX-License-Identifier: MIT
// Writes to the guest's CR0, CR4 and EFER that exit: what the instruction would have checked and done.
// SDM Vol. 2B "MOV—Move to/from Control Registers", Vol. 3A "Initializing IA-32e Mode" (10.8.5),
// "PDPTE Registers" (4.4.1).
#pragma once

#include "vcpu/vmx/guest_memory.h"

namespace vtless::vmx {

// CR4 bits that the guest is not offered (CPUID hides their features) and that therefore fault.
inline constexpr uint64_t kHiddenCr4 = x86::cr4::VMXE | x86::cr4::SMXE | x86::cr4::LA57 | x86::cr4::PKE |
                                       x86::cr4::CET | x86::cr4::PKS | x86::cr4::UINTR | x86::cr4::KL;

// What VMX fixes to 1: without PE and PG, which an unrestricted guest may change.
inline uint64_t cr0_must_be_1(const Features& features) {
    return features.cr0_fixed0 & ~(features.unrestricted ? x86::cr0::PE | x86::cr0::PG : 0);
}
// Bits owned by the host.
inline uint64_t cr0_host_mask(const Features& features) {
    return cr0_must_be_1(features) | ~features.cr0_fixed1;
}
// Whether the processor can run a guest with this CR0: without unrestricted guest, only with paging.
inline bool can_run_cr0(const Features& features, uint64_t value) {
    constexpr uint64_t kPaged = x86::cr0::PE | x86::cr0::PG;
    return features.unrestricted || (value & kPaged) == kPaged;
}
inline uint64_t cr4_host_mask(const Features& features) {
    return features.cr4_fixed0 | ~features.cr4_fixed1 | kHiddenCr4;
}
inline uint64_t real_cr0(const Features& features, uint64_t value) {
    return (value | cr0_must_be_1(features)) & features.cr0_fixed1;
}
inline uint64_t real_cr4(const Features& features, uint64_t value) {
    return (value | features.cr4_fixed0) & features.cr4_fixed1;
}

template <class Hw>
uint64_t guest_cr0(Core<Hw>& core) {
    const uint64_t mask = cr0_host_mask(core.features);
    return (core.vmcs.read(x86::VmcsField::GUEST_CR0) & ~mask) |
           (core.vmcs.read(x86::VmcsField::CR0_READ_SHADOW) & mask);
}
template <class Hw>
uint64_t guest_cr4(Core<Hw>& core) {
    const uint64_t mask = cr4_host_mask(core.features);
    return (core.vmcs.read(x86::VmcsField::GUEST_CR4) & ~mask) |
           (core.vmcs.read(x86::VmcsField::CR4_READ_SHADOW) & mask);
}
template <class Hw>
void store_cr0(Core<Hw>& core, uint64_t value) {
    core.vmcs.write(x86::VmcsField::GUEST_CR0, real_cr0(core.features, value));
    core.vmcs.write(x86::VmcsField::CR0_READ_SHADOW, value);
}
template <class Hw>
void store_cr4(Core<Hw>& core, uint64_t value) {
    core.vmcs.write(x86::VmcsField::GUEST_CR4, real_cr4(core.features, value));
    core.vmcs.write(x86::VmcsField::CR4_READ_SHADOW, value);
}

// LMA, and the entry control that must agree with it.
template <class Hw>
void set_long_mode(Core<Hw>& core, uint64_t efer_value, bool active) {
    using x86::VmcsField;
    const uint64_t lma = active ? x86::efer::LMA : 0;
    core.vmcs.write(VmcsField::GUEST_IA32_EFER, (efer_value & ~x86::efer::LMA) | lma);
    // The processor keeps this control in step with LMA itself, so it is read back first.
    const x86::EntryControls now{{core.vmcs.read32(VmcsField::VM_ENTRY_CONTROLS)}};
    constexpr uint32_t kIa32e = x86::EntryControls::IA32E_MODE_GUEST;
    core.vmcs.write(VmcsField::VM_ENTRY_CONTROLS, (active ? now.with(kIa32e) : now.without(kIa32e)).raw);
}

// Loads the four PDPTEs from cr3. False, and nothing changes, when a present one has a reserved bit set:
// then the instruction is #GP(0). Entries that EPT does not map read as not present.
template <class Hw>
bool load_pdptes(Core<Hw>& core, uint64_t cr3) {
    using x86::VmcsField;
    GuestMemory<Hw> memory(core);
    std::array<uint64_t, 4> values{};
    const uint64_t table = x86::root_table(x86::PagingMode::PAE, cr3);
    for (size_t i = 0; i < values.size(); ++i) {
        const Located where = memory.locate_physical(Gpa(table + i * 8), {AccessKind::Read, false, true});
        if (where.ok()) values[i] = memory.load(where.hpa, 8);
        const uint64_t reserved = x86::pae_pdpte_reserved(core.features.physical_bits);
        if ((values[i] & x86::pte::P) != 0 && (values[i] & reserved) != 0) return false;
    }
    constexpr VmcsField kFields[] = {VmcsField::GUEST_PDPTE0, VmcsField::GUEST_PDPTE1,
                                     VmcsField::GUEST_PDPTE2, VmcsField::GUEST_PDPTE3};
    for (unsigned i = 0; i < 4; ++i) core.vmcs.write(kFields[i], values[i]);
    return true;
}

namespace control_detail {

// Whether paging may be switched on in the mode that EFER.LME asks for.
template <class Hw>
bool may_enable_paging(Core<Hw>& core, uint64_t cr4_value, uint64_t efer_value) {
    if ((efer_value & x86::efer::LME) == 0) return true;
    if ((cr4_value & x86::cr4::PAE) == 0) return false;
    if (core.vmcs.rights(x86::SegmentRegister::CS).long_mode()) return false;
    return !core.vmcs.rights(x86::SegmentRegister::TR).is_system(x86::SystemType::TSS16_BUSY);
}

template <class Hw>
bool may_disable_paging(Core<Hw>& core, uint64_t cr4_value) {
    return (cr4_value & x86::cr4::PCIDE) == 0 && !core.in_64bit_mode();
}

}  // namespace control_detail

// MOV to CR0. False: #GP(0), nothing changed.
template <class Hw>
bool write_guest_cr0(Core<Hw>& core, uint64_t value) {
    using namespace x86::cr0;
    if ((value >> 32) != 0 || ((value & PG) != 0 && (value & PE) == 0) ||
        ((value & NW) != 0 && (value & CD) == 0))
        return false;
    value = (value & kDefined) | ET;
    const uint64_t old = guest_cr0(core);
    const uint64_t cr4_value = guest_cr4(core);
    const uint64_t efer_value = core.efer();
    const bool enables = (value & ~old & PG) != 0;
    const bool disables = (~value & old & PG) != 0;
    if (enables && !control_detail::may_enable_paging(core, cr4_value, efer_value)) return false;
    if (disables && !control_detail::may_disable_paging(core, cr4_value)) return false;
    const bool pae =
        (value & PG) != 0 && (cr4_value & x86::cr4::PAE) != 0 && (efer_value & x86::efer::LME) == 0;
    if (pae && ((value ^ old) & (PG | CD | NW)) != 0 &&
        !load_pdptes(core, core.vmcs.read(x86::VmcsField::GUEST_CR3)))
        return false;
    if ((enables && (efer_value & x86::efer::LME) != 0) || (disables && (efer_value & x86::efer::LMA) != 0))
        set_long_mode(core, efer_value, enables);
    store_cr0(core, value);
    if (((value ^ old) & (PG | WP | PE)) != 0) core.flush_guest_tlb();
    return true;
}

// MOV to CR4. False: #GP(0), nothing changed.
template <class Hw>
bool write_guest_cr4(Core<Hw>& core, uint64_t value) {
    using namespace x86::cr4;
    if ((value & (~core.features.cr4_fixed1 | kHiddenCr4)) != 0) return false;
    const uint64_t old = guest_cr4(core);
    const bool long_mode = (core.efer() & x86::efer::LMA) != 0;
    const uint64_t cr3_value = core.vmcs.read(x86::VmcsField::GUEST_CR3);
    if (long_mode && (value & PAE) == 0) return false;
    if ((value & ~old & PCIDE) != 0 && (!long_mode || (cr3_value & x86::cr3::kPcidMask) != 0)) return false;
    const bool pae = !long_mode && (value & PAE) != 0 && (guest_cr0(core) & x86::cr0::PG) != 0;
    constexpr uint64_t kTranslation = PAE | PGE | PSE | SMEP;
    if (pae && ((value ^ old) & kTranslation) != 0 && !load_pdptes(core, cr3_value)) return false;
    store_cr4(core, value);
    if (((value ^ old) & (kTranslation | PCIDE | SMAP)) != 0) core.flush_guest_tlb();
    return true;
}

// WRMSR to IA32_EFER. False: #GP(0), nothing changed. LMA is not writable.
template <class Hw>
bool write_guest_efer(Core<Hw>& core, uint64_t value) {
    using namespace x86::efer;
    const uint64_t allowed = kDefined & (core.features.nx ? ~uint64_t{0} : ~NXE);
    const uint64_t old = core.efer();
    if ((value & ~allowed) != 0) return false;
    if (((value ^ old) & LME) != 0 && (guest_cr0(core) & x86::cr0::PG) != 0) return false;
    core.vmcs.write(x86::VmcsField::GUEST_IA32_EFER, (value & ~LMA) | (old & LMA));
    if (((value ^ old) & NXE) != 0) core.flush_guest_tlb();
    return true;
}

}  // namespace vtless::vmx
