// SPDX-License-Identifier: MIT
#include "sim/vmx/entry_checks.h"

#include <cstring>
#include <span>

#include "isa/x86/apic_register.h"

namespace vtless::sim {
namespace {

struct GroupCheck {
    CheckGroup group;
    bool (*check)(EntryChecker&);
};
constexpr GroupCheck kControlChecks[] = {{CheckGroup::ExecutionControls, check_execution_controls},
                                         {CheckGroup::TprThreshold, check_tpr_threshold},
                                         {CheckGroup::ExitControls, check_exit_controls},
                                         {CheckGroup::EntryControls, check_entry_controls},
                                         {CheckGroup::EventInjection, check_event_injection}};
constexpr GroupCheck kHostChecks[] = {{CheckGroup::Host, check_host_registers},
                                      {CheckGroup::Host, check_host_segments},
                                      {CheckGroup::Host, check_host_address_space}};
constexpr GroupCheck kGuestChecks[] = {{CheckGroup::GuestRegisters, check_guest_registers},
                                       {CheckGroup::GuestSegments, check_guest_segments},
                                       {CheckGroup::GuestTables, check_guest_tables},
                                       {CheckGroup::GuestRip, check_guest_rip},
                                       {CheckGroup::GuestNonRegister, check_guest_nonregister},
                                       {CheckGroup::GuestPdptes, check_guest_pdptes}};

std::span<const GroupCheck> checks_of(EntryStage stage) {
    switch (stage) {
        case EntryStage::Controls:
            return kControlChecks;
        case EntryStage::Host:
            return kHostChecks;
        case EntryStage::Guest:
            return kGuestChecks;
    }
    return {};
}

}  // namespace

bool EntryChecker::fail(CheckId check, x86::VmcsField field, uint64_t qualification) {
    const EntryFailure failed{check, field, get(field), qualification};
    if (!failure_) failure_ = failed;
    if (all_ != nullptr) all_->push_back(failed);
    return all_ != nullptr;
}

uint32_t EntryChecker::vmcs_header(Hpa region) const {
    if (context_.memory == nullptr) return context_.vmcs_header;
    uint32_t header = ~uint32_t{0};
    if (const uint8_t* bytes = context_.memory->map(region)) std::memcpy(&header, bytes, sizeof header);
    return header;
}

unsigned EntryChecker::virtual_task_priority_class() const {
    if (context_.memory == nullptr) return context_.virtual_task_priority_class;
    const uint8_t* page = context_.memory->map(vmcs.get_address(x86::VmcsField::VIRTUAL_APIC_ADDRESS));
    return page == nullptr ? 0xf : page[x86::apic_register::TPR] >> 4;
}

bool run_entry_checks(EntryChecker& checker, EntryStage stage, CheckGroups groups) {
    for (const auto& [group, check] : checks_of(stage)) {
        if ((groups & group_bit(group)) != 0 && !check(checker)) return false;
    }
    return true;
}

}  // namespace vtless::sim
