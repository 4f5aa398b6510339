// SPDX-License-Identifier: MIT
// The checks of VM entry, one function for each group of the SDM, each failing check by name.
// SDM Vol. 3C "Checks on VMX Controls and Host-State Area" (27.2), "Checking and Loading Guest State" (27.3).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "isa/x86/ept.h"
#include "isa/x86/vmcs_field.h"
#include "sim/mmu/host_memory.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/entry_check_table.h"
#include "sim/vmx/guest_state.h"
#include "sim/vmx/root_state.h"
#include "sim/vmx/vmcs.h"

namespace vtless::sim {

// A check that a VMCS fails: which, and what the field held.
struct EntryFailure {
    CheckId check;
    x86::VmcsField field{};
    uint64_t value = 0;
    uint64_t qualification = 0;  // of the exit, for guest state: 0, or 2 to 4; for MSR loading, the entry

    const char* id() const { return check.rule().id; }
};

// The processor that checks.
struct EntryContext {
    const RootState& root;
    const HostMemory* memory = nullptr;
    const VmxCapabilities& capabilities = kEngineCapabilities;
    // Without memory: what it would hold where the VMCS link pointer points, whether that is the VMCS itself,
    // and bits 7:4 of VTPR in the virtual-APIC page.
    uint32_t vmcs_header = 0;
    bool link_is_current = false;
    unsigned virtual_task_priority_class = 0xf;
};

// What the checks read, and what fails: the first check, or with find_all() every one.
class EntryChecker {
  public:
    // guest: where the fields are that the VMCS does not hold just now; nullptr when it holds all.
    EntryChecker(const Vmcs& checked, const EntryContext& context, const GuestState* guest = nullptr)
        : vmcs(checked),
          root(context.root),
          capabilities(context.capabilities),
          context_(context),
          guest_(guest) {}

    // Goes on after a check that fails. Each further failure is appended to `all`, in the processor's order.
    void find_all(std::vector<EntryFailure>& all) { all_ = &all; }

    // Whether to go on: the check holds, or all are wanted.
    bool require(bool holds, CheckId check, x86::VmcsField field, uint64_t qualification = 0) {
        return holds || fail(check, field, qualification);
    }
    const std::optional<EntryFailure>& failure() const { return failure_; }

    uint64_t get(x86::VmcsField field) const {
        return guest_ == nullptr ? vmcs.get(field) : guest_->read(vmcs, field);
    }
    uint32_t get32(x86::VmcsField field) const { return static_cast<uint32_t>(get(field)); }
    uint16_t get16(x86::VmcsField field) const { return static_cast<uint16_t>(get(field)); }

    bool unrestricted() const { return vmcs.secondary().has(x86::SecondaryControls::UNRESTRICTED_GUEST); }
    bool ia32e_guest() const { return vmcs.entry_controls().has(x86::EntryControls::IA32E_MODE_GUEST); }
    bool v8086_guest() const;

    // Of a dump it is not known where it was.
    bool is_checked_vmcs(Hpa region) const {
        return context_.memory != nullptr ? vmcs.address() == region : context_.link_is_current;
    }
    // The first bytes of the VMCS region at an address: all ones where there is no memory.
    uint32_t vmcs_header(Hpa region) const;
    unsigned virtual_task_priority_class() const;

    const Vmcs& vmcs;
    const RootState& root;
    const VmxCapabilities& capabilities;

  private:
    bool fail(CheckId check, x86::VmcsField field, uint64_t qualification);

    const EntryContext context_;
    const GuestState* guest_;
    std::optional<EntryFailure> failure_;
    std::vector<EntryFailure>* all_ = nullptr;
};

// Each returns whether to go on after its group. Controls: failure is VMfailValid(7).
bool check_execution_controls(EntryChecker& c);  // 27.2.1.1
bool check_apic_controls(EntryChecker& c);       // 27.2.1.1, APIC virtualization
bool check_secondary_features(EntryChecker& c);  // 27.2.1.1, the last part of it
bool check_tpr_threshold(EntryChecker& c);       // 27.2.1.1
bool check_exit_controls(EntryChecker& c);       // 27.2.1.2
bool check_entry_controls(EntryChecker& c);      // 27.2.1.3, without event injection
bool check_event_injection(EntryChecker& c);     // 27.2.1.3, "VM-entry interruption-information field"
// Host state: VMfailValid(8).
bool check_host_registers(EntryChecker& c);      // 27.2.2
bool check_host_segments(EntryChecker& c);       // 27.2.3
bool check_host_address_space(EntryChecker& c);  // 27.2.4
// Guest state: VM exit with reason 33.
bool check_guest_registers(EntryChecker& c);    // 27.3.1.1
bool check_guest_segments(EntryChecker& c);     // 27.3.1.2
bool check_guest_tables(EntryChecker& c);       // 27.3.1.3
bool check_guest_rip(EntryChecker& c);          // 27.3.1.4
bool check_guest_nonregister(EntryChecker& c);  // 27.3.1.5
bool check_guest_pdptes(EntryChecker& c);       // 27.3.1.6

// The groups by what their failure is.
enum class EntryStage : uint8_t { Controls, Host, Guest };
// Runs those groups of a stage, in the processor's order. Returns whether to go on.
bool run_entry_checks(EntryChecker& checker, EntryStage stage, CheckGroups groups = kAllCheckGroups);

// Whether a check depends on what is in the virtual-APIC page, and so has to be made each time.
bool depends_on_virtual_apic(const Vmcs& vmcs);

// What INVEPT, too, asks of an EPT pointer.
bool is_valid_eptp(x86::Eptp eptp, const VmxCapabilities& can);

}  // namespace vtless::sim
