// SPDX-License-Identifier: MIT
// EPT violations and APIC accesses. SDM Vol. 3C "Exit Qualification for EPT Violations" (table 28-7),
// "APIC-Access VM Exits" (30.4.6).
#pragma once

#include "isa/x86/exit_qualification.h"
#include "vcpu/vmx/exit_mmio.h"
#include "vcpu/vmx/inject.h"

namespace vtless::vmx {

namespace ept_detail {

template <class Hw>
VmExit unhandled(x86::ExitReason reason, Core<Hw>& core) {
    return VmExit::Unhandled{static_cast<uint64_t>(reason),
                             core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION)};
}

// The local APIC's page: the embedder's interface answers, nothing is left for the caller.
template <class Hw>
Result<VmExit> access_apic_page(Core<Hw>& core, x86::ExitReason reason, Gpa gpa,
                                const AccessedOperand& accessed) {
    LocalApic& apic = *core.config.local_apic;
    auto started = start_mmio(core, gpa, accessed);
    if (!started) return unhandled(reason, core);
    if (const auto* read = (*started)->template get_if<VmExit::MmioRead>()) {
        uint64_t value = 0;
        if (!apic.read(static_cast<uint32_t>(read->addr.page_offset()), value)) value = 0;
        if (const auto done = complete_mmio(core, value); !done) return Unexpected(done.error());
        if (core.pending.kind != Pending::Kind::MmioWrite) return VmExit::Nothing{};
        started = follow_up(core);
    }
    const auto* write = (*started)->template get_if<VmExit::MmioWrite>();
    if (write == nullptr || !core.is_apic_page(write->addr)) return *started;
    (void)apic.write(static_cast<uint32_t>(write->addr.page_offset()), write->data);
    return VmExit::Nothing{};
}

// A fault in the middle of IRET had already ended the blocking of NMIs: it must be put back.
template <class Hw>
void restore_nmi_blocking(Core<Hw>& core) {
    using x86::VmcsField;
    const uint32_t state = core.vmcs.read32(VmcsField::GUEST_INTERRUPTIBILITY_STATE);
    core.vmcs.write(VmcsField::GUEST_INTERRUPTIBILITY_STATE, state | x86::interruptibility::BLOCKING_BY_NMI);
}

}  // namespace ept_detail

// The rest of a read-modify-write, or of MOVS, whose read the caller has completed.
template <class Hw>
Result<VmExit> finish_mmio(Core<Hw>& core) {
    if (!core.is_apic_page(core.pending.gpa)) return follow_up(core);
    const Pending pending = core.pending;
    core.pending.kind = Pending::Kind::None;
    (void)core.config.local_apic->write(static_cast<uint32_t>(pending.gpa.page_offset()), pending.value);
    return VmExit::Nothing{};
}

template <class Hw>
Result<VmExit> handle_ept_violation(Core<Hw>& core) {
    using x86::VmcsField;
    constexpr auto kReason = x86::ExitReason::EPT_VIOLATION;
    const auto how = x86::EptViolationQualification::decode(core.vmcs.read(VmcsField::EXIT_QUALIFICATION));
    const Gpa gpa(core.vmcs.read(VmcsField::GUEST_PHYSICAL_ADDRESS));
    const auto interrupted = interrupted_event(core);
    if (interrupted) {
        requeue_interrupted(core, *interrupted);
    } else if (how.nmi_unblocking()) {
        ept_detail::restore_nmi_blocking(core);
    }
    if (!is_device(core, gpa, 1)) return VmExit::NestedPageFault{gpa, {how.read(), how.write(), how.fetch()}};
    constexpr uint64_t kByOperand = x86::EptViolationQualification::LINEAR_ADDRESS_VALID |
                                    x86::EptViolationQualification::FINAL_TRANSLATION;
    if (interrupted || how.fetch() || !how.has(kByOperand)) return ept_detail::unhandled(kReason, core);
    const AccessedOperand accessed{core.vmcs.read(VmcsField::GUEST_LINEAR_ADDRESS)};
    if (core.is_apic_page(gpa)) return ept_detail::access_apic_page(core, kReason, gpa, accessed);
    auto started = start_mmio(core, gpa, accessed);
    if (!started) return ept_detail::unhandled(kReason, core);
    return *started;
}

template <class Hw>
Result<VmExit> handle_apic_access(Core<Hw>& core) {
    constexpr auto kReason = x86::ExitReason::APIC_ACCESS;
    const auto how = x86::ApicAccessQualification::decode(core.vmcs.read(x86::VmcsField::EXIT_QUALIFICATION));
    const auto interrupted = interrupted_event(core);
    if (interrupted) requeue_interrupted(core, *interrupted);
    const bool by_operand =
        how.type == x86::ApicAccessType::LINEAR_READ || how.type == x86::ApicAccessType::LINEAR_WRITE;
    if (interrupted || !by_operand || core.config.local_apic == nullptr)
        return ept_detail::unhandled(kReason, core);
    const bool stored = how.type == x86::ApicAccessType::LINEAR_WRITE;
    return ept_detail::access_apic_page(core, kReason, core.config.apic_base + how.offset,
                                        {how.offset, true, stored});
}

// Nobody's fault but the embedder's EPT; an event that was being delivered is kept.
template <class Hw>
Result<VmExit> handle_ept_misconfiguration(Core<Hw>& core) {
    if (const auto interrupted = interrupted_event(core)) requeue_interrupted(core, *interrupted);
    return ept_detail::unhandled(x86::ExitReason::EPT_MISCONFIGURATION, core);
}

}  // namespace vtless::vmx
