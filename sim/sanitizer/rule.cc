// SPDX-License-Identifier: MIT
#include "sim/sanitizer/rule.h"

#include <algorithm>
#include <array>

namespace vtless::sim {
namespace {

constexpr std::array<RuleInfo, kRules> kTable = {{
    {Rule::VmcsLaunchState, "vmcs.launch-state",
     "VMRESUME of a VMCS that is not launched, or VMLAUNCH of one that is.",
     "VMLAUNCH once after VMCLEAR, and VMRESUME from then on, on the processor that launched it.",
     "SDM Vol. 3C \"VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine\" (31.3)"},
    {Rule::VmcsTwoProcessors, "vmcs.two-processors",
     "A VMCS is loaded or cleared on one processor while it is active on another.",
     "Execute VMCLEAR on the processor that used the VMCS last, before any other one loads it.",
     "SDM Vol. 3C \"Software Use of Virtual-Machine Control Structures\" (25.11.1)"},
    {Rule::VmcsMemoryReused, "vmcs.memory-reused", "The memory of an active VMCS was written by software.",
     "Execute VMCLEAR before the page is freed or written: the processor may write its copy back at any "
     "time.",
     "SDM Vol. 3C \"Software Use of Virtual-Machine Control Structures\" (25.11.1)"},
    {Rule::FieldReadUnwritten, "field.read-unwritten",
     "VMREAD of a field that was never written, neither by VMWRITE nor by a VM exit.",
     "Write the field before it is read: VMCLEAR of a new region initializes none.",
     "SDM Vol. 3C \"Initializing a VMCS\" (25.11.3)"},
    {Rule::FieldUsedUnwritten, "field.used-unwritten", "A VM entry uses a field that was never written.",
     "Write every field that the controls make VM entry or VM exit use: VMCLEAR of a new region initializes "
     "none.",
     "SDM Vol. 3C \"Initializing a VMCS\" (25.11.3)"},
    {Rule::EventOverwritten, "event.overwritten",
     "An event that waited in the VM-entry interruption information was replaced by another before any VM "
     "entry delivered it.",
     "Queue events in software and inject one at each VM entry, the others at the next.",
     "SDM Vol. 3C \"VM-Entry Controls for Event Injection\" (25.8.3)"},
    {Rule::EventVectoringIgnored, "event.vectoring-ignored",
     "A VM exit cut the delivery of an event short, and the guest went on without it.",
     "After each VM exit with valid IDT-vectoring information inject that event again, or keep it queued.",
     "SDM Vol. 3C \"Information for VM Exits That Occur During Event Delivery\" (25.9.3)"},
    {Rule::EventLateInterrupt, "event.late-interrupt",
     "An interrupt or NMI waits in software, and the VM entry neither injects it nor asks for an exit when "
     "the guest can take it.",
     "Set interrupt-window exiting (NMI-window exiting) as long as an event waits, also after another was "
     "injected.",
     "SDM Vol. 3C \"Interrupt-Window Exiting and Virtual-Interrupt Delivery\" (27.7.5)"},
    {Rule::EventLateException, "event.late-exception",
     "An exception waits in software while the guest runs on.",
     "Inject exceptions before interrupts: RFLAGS.IF and the blocking by STI do not hold them off.",
     "SDM Vol. 3C \"Vectored-Event Injection\" (27.6.1)"},
    {Rule::ExitNotAdvanced, "exit.not-advanced",
     "The same instruction caused the same VM exit again, and the guest had executed nothing in between.",
     "Add the VM-exit instruction length to the guest's RIP after emulating, inject the fault, or remove the "
     "cause of the exit.",
     "SDM Vol. 3C \"Information for VM Exits Due to Instruction Execution\" (25.9.4)"},
    {Rule::EptReserved, "ept.reserved",
     "A walk met an EPT entry with reserved bits set, or a reserved combination of rights or memory type.",
     "Correct the entry; bits beyond the processor's physical-address width are reserved too.",
     "SDM Vol. 3C \"EPT Misconfigurations\" (29.3.3.1)"},
    {Rule::TlbInvept, "tlb.missing-invept",
     "The guest used a cached translation of a guest-physical address that EPT does not hold any more.",
     "Execute INVEPT after a change to a present EPT entry, on every processor that used the EPT.",
     "SDM Vol. 3C \"Guidelines for Use of the INVEPT Instruction\" (29.4.3.4)"},
    {Rule::TlbInvvpid, "tlb.missing-invvpid",
     "The guest used a linear-address translation of its VPID from before the hypervisor changed the guest's "
     "paging, or gave the VPID to another VMCS.",
     "Execute INVVPID when a VPID is given to another guest, and after emulating MOV to CR or INVLPG.",
     "SDM Vol. 3C \"Guidelines for Use of the INVVPID Instruction\" (29.4.3.3)"},
    {Rule::TlbInvlpg, "tlb.missing-invlpg",
     "The guest used a linear-address translation that its page tables do not hold any more.",
     "Execute INVLPG or load CR3 after a change to a present paging-structure entry; where the hypervisor "
     "emulates these, INVVPID.",
     "SDM Vol. 3A \"Invalidation of TLBs and Paging-Structure Caches\" (4.10.4)"},
}};

constexpr bool in_order() {
    for (size_t i = 0; i < kRules; ++i) {
        if (kTable[i].rule != static_cast<Rule>(i)) return false;
    }
    return true;
}
static_assert(in_order());

}  // namespace

std::span<const RuleInfo, kRules> all_rules() { return kTable; }

const RuleInfo& info(Rule rule) { return kTable[static_cast<size_t>(rule)]; }

std::optional<Rule> find_rule(std::string_view id) {
    const auto found =
        std::find_if(kTable.begin(), kTable.end(), [id](const RuleInfo& rule) { return rule.id == id; });
    if (found == kTable.end()) return std::nullopt;
    return found->rule;
}

}  // namespace vtless::sim
