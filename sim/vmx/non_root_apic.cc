// SPDX-License-Identifier: MIT
// What a guest does with its virtual APIC. SDM Vol. 3C "APIC Virtualization and Virtual Interrupts" (30).
#include "isa/x86/msr.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/virtual_apic.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Msr;
using Next = NonRoot::Next;

namespace {

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
    const bool there =
        vmcs_->secondary().has(x86::SecondaryControls::VIRTUALIZE_X2APIC_MODE) && msr == Msr::IA32_X2APIC_TPR;
    if (!there || (value >> 8) != 0) return raise_gp();
    virtual_apic().write(offset_of(msr), 8, value);
    complete(instruction);
    return virtualize_tpr();
}

// "VM Exits Induced by the TPR Threshold" (27.7.7): after event injection, before all other events.
void NonRoot::begin_virtual_apic() {
    tpr_below_threshold_ = vmcs_->secondary().has(x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES) &&
                           virtual_apic().is_below_threshold();
}

// "TPR Virtualization" (30.1.2). The instruction has completed: the exit is like a trap.
Next NonRoot::virtualize_tpr() {
    return virtual_apic().is_below_threshold() ? exit_behind(ExitReason::TPR_BELOW_THRESHOLD) : Next::Run;
}

Next NonRoot::exit_behind(ExitReason reason, uint64_t qualification) {
    exit_.resume_flag = ResumeFlag::Cleared;
    return exit_with(reason, qualification);
}

}  // namespace vtless::sim
