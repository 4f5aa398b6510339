// SPDX-License-Identifier: MIT
#include "sim/sanitizer/vmx_watch.h"
#include "isa/x86/exit_reason.h"

#include <fmt/format.h>

namespace vtless::sim {

using F = x86::VmcsField;

FindingSite VmxWatch::site(const VmxView& view, Hpa vmcs) const {
    const uint64_t rip = view.vmcs == nullptr ? 0 : view.read(F::GUEST_RIP);
    return {processor_, exits_, view.engine.cycles(), rip, vmcs};
}

void VmxWatch::vmread(const VmxView& view, F field) {
    // Dumps read the error of an instruction whether there was one or not; shadows are written by guests.
    if (x86::full(field) == F::VM_INSTRUCTION_ERROR || view.vmcs->is_shadow()) return;
    VmcsRecord* record = sanitizer_.record(view.vmcs->address());
    if (record == nullptr || record->written[vmcs_slot(x86::full(field))]) return;
    sanitizer_.report(Rule::FieldReadUnwritten, site(view), {x86::encoding(x86::full(field)), 0},
                      [field] { return fmt::format("Field: {}.", x86::name(x86::full(field))); });
}

void VmxWatch::before_vmwrite(const VmxView& view, F field, uint64_t value) {
    VmcsRecord* record = sanitizer_.record(view.vmcs->address());
    if (record == nullptr) return;
    record->written.set(vmcs_slot(x86::full(field)));
    if (x86::type(field) == x86::VmcsType::CONTROL) record->uses_unchecked = true;
    if (field == F::VM_ENTRY_INTERRUPTION_INFORMATION) check_overwritten(view, *record, value);
}

void VmxWatch::check_launch_state(const VmxView& view, bool launch) {
    const bool launched = view.vmcs->launched();
    if (launched != launch && !view.vmcs->outlived_vmx_operation()) return;
    sanitizer_.report(Rule::VmcsLaunchState, site(view), {launch, 0}, [&]() -> std::string {
        if (launch) return "VMLAUNCH of a launched VMCS.";
        return launched ? "VMRESUME after VMXOFF and VMXON." : "VMRESUME of a VMCS that is clear.";
    });
}

void VmxWatch::before_entry(const VmxView& view, bool launch) {
    entry_ = {site(view),
              {static_cast<uint32_t>(view.read(F::VM_ENTRY_INTERRUPTION_INFORMATION))},
              view.vmcs->pin(),
              view.vmcs->primary(),
              view.read(F::GUEST_RIP),
              view.engine.instructions()};
    check_launch_state(view, launch);
    VmcsRecord* record = sanitizer_.record(view.vmcs->address());
    if (record == nullptr) return;
    check_owner(view, view.vmcs->address(), *record, launch ? "VMLAUNCH" : "VMRESUME");
    check_image(view, view.vmcs->address(), *record);
    if (record->uses_unchecked) check_uses(view, *record);
}

void VmxWatch::after_entry(const VmxView& view, x86::VmxStatus status) {
    if (view.vmcs == nullptr) return;
    VmcsRecord* record = sanitizer_.record(view.vmcs->address());
    const x86::ExitReasonField reason{view.vmcs->get32(F::EXIT_REASON)};
    if (!status.ok() || reason.entry_failure()) {
        if (record == nullptr) return;
        note_exit_information(*record);  // whoever shows the failure reads it all
        if (status.kind() == x86::VmxStatus::Kind::Fault) record->image.clear();  // a VMX abort writes to it
        return;
    }
    if (record != nullptr) settle_queued(*record, settle_owed(*record));
    ++exits_;
    if (reason.basic() == x86::ExitReason::EPT_MISCONFIGURATION) check_ept(view);
    if (record == nullptr) return;
    record->injection_waits = false;
    note_exit_fields(view, *record);
    note_owed(view, *record);
    check_progress(view, *record);
}

}  // namespace vtless::sim
