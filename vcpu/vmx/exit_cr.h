// SPDX-License-Identifier: MIT
// Control-register accesses. SDM Vol. 3C "Exit Qualification for Control-Register Accesses" (table 28-3).
#pragma once

#include "isa/x86/exit_qualification.h"
#include "vcpu/vmx/control_regs.h"

namespace vtless::vmx {

namespace cr_detail {

enum class Outcome : uint8_t { Done, Fault, Unknown };

constexpr Outcome done_or_fault(bool done) { return done ? Outcome::Done : Outcome::Fault; }

template <class Hw>
Outcome write_cr3(Core<Hw>& core, uint64_t value) {
    const uint64_t cr4_value = guest_cr4(core);
    const bool long_mode = (core.efer() & x86::efer::LMA) != 0;
    const bool keeps = (cr4_value & x86::cr4::PCIDE) != 0 && (value & x86::cr3::kNoFlush) != 0;
    if (keeps) value &= ~x86::cr3::kNoFlush;
    if (long_mode && (value >> core.features.physical_bits) != 0) return Outcome::Fault;
    const bool paging = (guest_cr0(core) & x86::cr0::PG) != 0;
    const bool pae = !long_mode && paging && (cr4_value & x86::cr4::PAE) != 0;
    if (pae && !load_pdptes(core, value)) return Outcome::Fault;
    core.vmcs.write(x86::VmcsField::GUEST_CR3, value);
    if (!keeps) core.flush_guest_tlb();
    return Outcome::Done;
}

// CR8 is bits 7:4 of TPR. SDM Vol. 3A "Task Priority in IA-32e Mode" (10.8.6).
template <class Hw>
Outcome write_cr8(Core<Hw>& core, uint64_t value) {
    LocalApic* apic = core.config.local_apic;
    if (apic == nullptr) return Outcome::Unknown;
    return done_or_fault((value & ~uint64_t{0xf}) == 0 && apic->write(kApicTpr, value << 4));
}
template <class Hw>
Outcome read_cr8(Core<Hw>& core, x86::Gpr into) {
    LocalApic* apic = core.config.local_apic;
    uint64_t tpr = 0;
    if (apic == nullptr) return Outcome::Unknown;
    if (!apic->read(kApicTpr, tpr)) return Outcome::Fault;
    core.set_gpr(into, Field<7, 4>::get(tpr));
    return Outcome::Done;
}

// A guest that leaves paging where the processor cannot follow is not handled.
template <class Hw>
Outcome write_cr0(Core<Hw>& core, uint64_t value) {
    if (!can_run_cr0(core.features, value)) return Outcome::Unknown;
    return done_or_fault(write_guest_cr0(core, value));
}

template <class Hw>
Outcome move_to(Core<Hw>& core, const x86::CrAccessQualification& access) {
    uint64_t value = core.gpr(access.gpr);
    if (!core.in_64bit_mode()) value &= 0xffffffff;
    switch (access.cr) {
        case 0:
            return write_cr0(core, value);
        case 3:
            return write_cr3(core, value);
        case 4:
            return done_or_fault(write_guest_cr4(core, value));
        case 8:
            return write_cr8(core, value);
        default:
            return Outcome::Unknown;
    }
}

template <class Hw>
Outcome move_from(Core<Hw>& core, const x86::CrAccessQualification& access) {
    if (access.cr == 8) return read_cr8(core, access.gpr);
    if (access.cr != 3) return Outcome::Unknown;
    core.set_gpr(access.gpr, core.vmcs.read(x86::VmcsField::GUEST_CR3));
    return Outcome::Done;
}

// LMSW sets PE, MP, EM and TS, and cannot clear PE.
template <class Hw>
Outcome load_machine_status(Core<Hw>& core, uint16_t source) {
    using namespace x86::cr0;
    const uint64_t old = guest_cr0(core);
    const uint64_t changed = (old & ~(MP | EM | TS)) | (source & (PE | MP | EM | TS));
    return write_cr0(core, changed);
}

template <class Hw>
Outcome access_cr(Core<Hw>& core, const x86::CrAccessQualification& access) {
    switch (access.type) {
        case x86::CrAccessType::MOV_TO:
            return move_to(core, access);
        case x86::CrAccessType::MOV_FROM:
            return move_from(core, access);
        case x86::CrAccessType::CLTS:
            return done_or_fault(write_guest_cr0(core, guest_cr0(core) & ~x86::cr0::TS));
        case x86::CrAccessType::LMSW:
            return load_machine_status(core, access.lmsw_source);
    }
    return Outcome::Unknown;
}

}  // namespace cr_detail

template <class Hw>
Result<VmExit> handle_cr_access(Core<Hw>& core) {
    const uint64_t qualification = core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION);
    switch (cr_detail::access_cr(core, x86::CrAccessQualification::decode(qualification))) {
        case cr_detail::Outcome::Done:
            core.advance_rip();
            return VmExit::Nothing{};
        case cr_detail::Outcome::Fault:
            core.inject(x86::Vector::GP);
            return VmExit::Nothing{};
        case cr_detail::Outcome::Unknown:
            break;
    }
    return VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::CONTROL_REGISTER_ACCESS), qualification};
}

}  // namespace vtless::vmx
