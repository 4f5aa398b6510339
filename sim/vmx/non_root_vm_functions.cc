// SPDX-License-Identifier: MIT
// VMFUNC. SDM Vol. 3C "VM Functions" (26.5.6).
#include <cstring>

#include "sim/vmx/entry_checks.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::SecondaryControls;
using F = x86::VmcsField;
using Next = NonRoot::Next;

namespace {

constexpr uint64_t kEptpSwitching = 0;
constexpr uint64_t kListEntries = 512;

}  // namespace

// At any CPL and in any mode. What cannot be done exits.
Next NonRoot::vmfunc(const StoppedInstruction& instruction) {
    if (!vmcs_->secondary().has(SecondaryControls::ENABLE_VM_FUNCTIONS)) return raise(x86::Vector::UD);
    const uint64_t function = read_gpr(x86::Gpr::RAX, 4);
    const bool enabled = function < 64 && (vmcs_->get(F::VM_FUNCTION_CONTROLS) >> function & 1) != 0;
    if (!enabled || function != kEptpSwitching || !switch_eptp())
        return exit_for(instruction, x86::ExitReason::VMFUNC);
    complete(instruction);
    return Next::Run;
}

// SDM Vol. 3C "EPTP Switching" (26.5.6.3).
bool NonRoot::switch_eptp() {
    const uint64_t index = read_gpr(x86::Gpr::RCX, 4);
    if (index >= kListEntries) return false;
    x86::Eptp eptp{~uint64_t{0}};  // what reads outside RAM give
    if (const uint8_t* list = parts_.memory.map(vmcs_->get_address(F::EPTP_LIST_ADDRESS)))
        std::memcpy(&eptp.raw, list + index * sizeof eptp.raw, sizeof eptp.raw);
    if (!is_valid_eptp(eptp, parts_.capabilities)) return false;
    vmcs_->set(F::EPT_POINTER, eptp.raw);
    const SecondaryControls secondary = vmcs_->secondary();
    if (secondary.has(SecondaryControls::EPT_VIOLATION_VE)) vmcs_->set(F::EPTP_INDEX, index);
    parts_.mmu.set_ept(eptp.raw, secondary.has(SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT));
    return true;
}

}  // namespace vtless::sim
