// SPDX-License-Identifier: MIT
// What a guest does with its virtual APIC. SDM Vol. 3C "APIC Virtualization and Virtual Interrupts" (30).
#include "sim/vmx/non_root.h"
#include "sim/vmx/virtual_apic.h"

namespace vtless::sim {

using x86::ExitReason;
using Next = NonRoot::Next;

VirtualApic NonRoot::virtual_apic() const { return {parts_.memory, *vmcs_}; }

// "Virtualizing CR8-Based TPR Accesses" (30.3).
Next NonRoot::mov_to_virtual_cr8(const StoppedInstruction& instruction, uint64_t value) {
    virtual_apic().set_task_priority_class(value);
    complete(instruction);
    return virtualize_tpr();
}

uint64_t NonRoot::virtual_cr8() const { return virtual_apic().task_priority_class(); }

// "TPR Virtualization" (30.1.2). The instruction has completed: the exit is like a trap.
Next NonRoot::virtualize_tpr() {
    return virtual_apic().is_below_threshold() ? exit_behind(ExitReason::TPR_BELOW_THRESHOLD) : Next::Run;
}

Next NonRoot::exit_behind(ExitReason reason, uint64_t qualification) {
    exit_.resume_flag = ResumeFlag::Cleared;
    return exit_with(reason, qualification);
}

}  // namespace vtless::sim
