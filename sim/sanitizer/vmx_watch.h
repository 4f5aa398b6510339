// SPDX-License-Identifier: MIT
// The sanitizer's eyes on one processor: hands what it sees to the rules.
#pragma once

#include <cstdint>

#include "sim/sanitizer/entry_snapshot.h"
#include "sim/sanitizer/sanitizer.h"

namespace vtless::sim {

class VmxWatch final : public VmxObserver {
  public:
    VmxWatch(Sanitizer& sanitizer, unsigned processor) : sanitizer_(sanitizer), processor_(processor) {}

    void before_vmxoff(const VmxView& view) override;
    void before_vmclear(const VmxView& view, Hpa region) override;
    void after_vmptrld(const VmxView& view) override;
    void vmread(const VmxView& view, x86::VmcsField field) override;
    void before_vmwrite(const VmxView& view, x86::VmcsField field, uint64_t value) override;
    void before_entry(const VmxView& view, bool launch) override;
    void after_entry(const VmxView& view, x86::VmxStatus status) override;
    void stale_translation(const VmxView& view, const StaleUse& use) override;
    void event_queued(Hpa vmcs, x86::EventInfo event) override;

  private:
    FindingSite site(const VmxView& view, Hpa vmcs) const;
    FindingSite site(const VmxView& view) const { return site(view, view.vmcs->address()); }

    // vmx_watch.cc
    void check_launch_state(const VmxView& view, bool launch);
    // vmcs_rules.cc
    void check_owner(const VmxView& view, Hpa region, VmcsRecord& record, const char* instruction);
    void check_image(const VmxView& view, Hpa region, VmcsRecord& record);
    // field_rules.cc
    void check_uses(const VmxView& view, VmcsRecord& record);
    static void note_exit_information(VmcsRecord& record);
    static void note_exit_fields(const VmxView& view, VmcsRecord& record);
    // event_rules.cc
    void check_overwritten(const VmxView& view, VmcsRecord& record, uint64_t value);
    bool settle_owed(VmcsRecord& record);
    void settle_queued(VmcsRecord& record, bool owed_injected);
    static void note_owed(const VmxView& view, VmcsRecord& record);
    // exit_rules.cc
    void check_progress(const VmxView& view, VmcsRecord& record);
    void check_ept(const VmxView& view);

    Sanitizer& sanitizer_;
    unsigned processor_;
    uint64_t exits_ = 0;
    EntrySnapshot entry_;  // the last one that was begun
};

}  // namespace vtless::sim
