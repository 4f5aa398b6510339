// SPDX-License-Identifier: MIT
// What a guest does with its virtual APIC. SDM Vol. 3C "APIC Virtualization and Virtual Interrupts" (30).
#include <optional>

#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/virtual_apic.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Msr;
using Next = NonRoot::Next;

namespace {

// Vectors below are not those of interrupts. SDM Vol. 3A "Valid Interrupt Vectors" (11.5.2).
constexpr unsigned kFirstInterrupt = 16;

unsigned offset_of(Msr msr) { return (static_cast<uint32_t>(msr) & 0xff) << 4; }

}  // namespace

VirtualApic NonRoot::virtual_apic() const { return {parts_.memory, *vmcs_}; }

// "Virtualizing CR8-Based TPR Accesses" (30.3).
Next NonRoot::mov_to_virtual_cr8(const StoppedInstruction& instruction, uint64_t value) {
    virtual_apic().set_task_priority_class(value);
    complete(instruction);
    return virtualize_tpr();
}

uint64_t NonRoot::virtual_cr8() const { return virtual_apic().task_priority_class(); }

// "Virtualizing MSR-Based APIC Accesses" (30.5). There is no x2APIC: what is not virtualized is #GP.
Next NonRoot::read_virtual_x2apic(const StoppedInstruction& instruction, Msr msr) {
    const x86::SecondaryControls secondary = vmcs_->secondary();
    const bool there =
        msr == Msr::IA32_X2APIC_TPR || secondary.has(x86::SecondaryControls::APIC_REGISTER_VIRTUALIZATION);
    if (!x86::is_x2apic(msr) || !secondary.has(x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE) || !there)
        return raise_gp();
    set_edx_eax(virtual_apic().read(offset_of(msr), 8));
    complete(instruction);
    return Next::Run;
}

Next NonRoot::write_virtual_x2apic(const StoppedInstruction& instruction, Msr msr, uint64_t value) {
    const bool delivers = delivers_virtual_interrupts();
    const bool there = msr == Msr::IA32_X2APIC_TPR ||
                       (delivers && (msr == Msr::IA32_X2APIC_EOI || msr == Msr::IA32_X2APIC_SELF_IPI));
    const uint64_t most = msr == Msr::IA32_X2APIC_EOI ? 0 : 0xff;
    if (!vmcs_->secondary().has(x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE) || !there || value > most)
        return raise_gp();
    virtual_apic().write(offset_of(msr), 8, value);
    complete(instruction);
    if (msr == Msr::IA32_X2APIC_TPR) return virtualize_tpr();
    if (msr == Msr::IA32_X2APIC_EOI) return virtualize_eoi();
    if (value < kFirstInterrupt) return exit_behind(ExitReason::APIC_WRITE, offset_of(msr));
    return virtualize_self_ipi(static_cast<uint8_t>(value));
}

// Without virtual-interrupt delivery: "VM Exits Induced by the TPR Threshold" (27.7.7), after event injection
// and before all other events. With it: "Updating Non-Register State" (27.3.2.5).
void NonRoot::begin_virtual_apic() {
    if (delivers_virtual_interrupts()) {
        virtual_apic().virtualize_ppr();
        return evaluate_virtual_interrupts();
    }
    tpr_below_threshold_ = vmcs_->secondary().has(x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES) &&
                           virtual_apic().is_below_threshold();
}

// "Evaluation of Pending Virtual Interrupts" (30.2.1).
void NonRoot::evaluate_virtual_interrupts() {
    virtual_interrupt_ = !plan_.interrupt_window && virtual_apic().has_pending();
}

// "Virtual-Interrupt Delivery" (30.2.2), when nothing holds it off.
Next NonRoot::take_virtual_interrupt() {
    if ((engine().rflags() & x86::rflags::IF) == 0 || engine().shadow() != Shadow::None) return Next::Run;
    virtual_interrupt_ = false;
    return deliver(Event::external_interrupt(virtual_apic().begin_interrupt()));
}

// "Posted-Interrupt Processing" (30.6). Notifications do not wake from HLT: what they post may.
Next NonRoot::take_interrupts_and_notifications() {
    using F = x86::VmcsField;
    while (const std::optional<uint8_t> vector = parts_.events.acknowledge()) {
        if (*vector != vmcs_->get16(F::POSTED_INTERRUPT_NOTIFICATION_VECTOR)) {
            exit_.interruption = x86::EventInfo::external_interrupt(*vector);
            return exit_with(ExitReason::EXTERNAL_INTERRUPT);
        }
        virtual_apic().take_posted(vmcs_->get_address(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS));
        evaluate_virtual_interrupts();
    }
    return virtual_interrupt_ ? take_virtual_interrupt() : Next::Run;
}

// "TPR Virtualization" (30.1.2). The instruction has completed: the exit is like a trap.
Next NonRoot::virtualize_tpr() {
    if (delivers_virtual_interrupts()) {
        virtual_apic().virtualize_ppr();
        evaluate_virtual_interrupts();
        return Next::Run;
    }
    return virtual_apic().is_below_threshold() ? exit_behind(ExitReason::TPR_BELOW_THRESHOLD) : Next::Run;
}

// "EOI Virtualization" (30.1.4).
Next NonRoot::virtualize_eoi() {
    using F = x86::VmcsField;
    constexpr F kExits[] = {F::EOI_EXIT_BITMAP_0, F::EOI_EXIT_BITMAP_1, F::EOI_EXIT_BITMAP_2,
                            F::EOI_EXIT_BITMAP_3};
    const uint8_t vector = virtual_apic().end_interrupt();
    if ((vmcs_->get(kExits[vector / 64]) >> (vector % 64) & 1) != 0)
        return exit_behind(ExitReason::VIRTUALIZED_EOI, vector);
    evaluate_virtual_interrupts();
    return Next::Run;
}

// "Self-IPI Virtualization" (30.1.5).
Next NonRoot::virtualize_self_ipi(uint8_t vector) {
    virtual_apic().request(vector);
    evaluate_virtual_interrupts();
    return Next::Run;
}

Next NonRoot::exit_behind(ExitReason reason, uint64_t qualification) {
    exit_.resume_flag = ResumeFlag::Cleared;
    return exit_with(reason, qualification);
}

}  // namespace vtless::sim
