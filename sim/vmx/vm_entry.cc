// SPDX-License-Identifier: MIT
// VMLAUNCH and VMRESUME. SDM Vol. 3C "VM Entries" (27).
#include <utility>

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

using x86::EntryControls;
using x86::ExitReason;
using x86::VmInstructionError;
using x86::VmxStatus;
using F = x86::VmcsField;

namespace {

// Of an entry failure's exit qualification. SDM Vol. 3C "VM-Entry Failures" (27.8).
constexpr uint64_t kQualificationPdpte = 2;

constexpr LiveMask kPagingFields = live_bit(LiveField::CR0) | live_bit(LiveField::CR3) |
                                   live_bit(LiveField::CR4) | live_bit(LiveField::EFER);
// What CPL follows from.
constexpr LiveMask kPrivilegeFields =
    live_bit(LiveField::CR0) | live_bit(LiveField::RFLAGS) | live_bit(LiveField::SS_RIGHTS);

bool is_pae(const PagingState& paging) {
    return (paging.cr0 & x86::cr0::PG) != 0 && (paging.cr4 & x86::cr4::PAE) != 0 &&
           (paging.efer & x86::efer::LMA) == 0;
}

}  // namespace

// Not the guest that was left last, or somebody looks on.
VmxStatus VmxProcessor::enter_first(Gprs& gprs, bool launch) {
    const Vmcs* vmcs = operation_.current();
    const bool observed = observer_ != nullptr && vmcs != nullptr && !vmcs->is_shadow() &&
                          operation_.check_in_operation().ok() && vmx_abort_ == 0;
    if (observed) {
        observer_->before_entry(view(), launch);
        mmu_->tables_may_have_changed();
    }
    if (engine_->profile() != nullptr) begin_profiled_entry();
    VmxStatus status = begin_entry(launch);
    if (status.ok()) status = enter_guest(*operation_.current(), gprs, launch);
    if (counts_ != nullptr && status.ok()) count_exit();
    if (engine_->profile() != nullptr) end_profiled_entry(status);
    if (observed) observer_->after_entry(view(), status);
    return status;
}

// Each entry makes a new plan: then it has come as far as to the guest.
void VmxProcessor::begin_profiled_entry() {
    non_root_.forget_plan();
    engine_->profile()->begin_entry(engine_->moment());
}

void VmxProcessor::end_profiled_entry(VmxStatus status) {
    CycleProfile& profile = *engine_->profile();
    std::optional<unsigned> reason;
    if (status.ok() || profile.in_guest()) {
        const x86::ExitReasonField field{operation_.current()->get32(F::EXIT_REASON)};
        reason = static_cast<unsigned>(field.basic());
    }
    profile.end_entry(engine_->moment(), reason);
}

void VmxProcessor::count_exit() {
    const x86::ExitReasonField reason{operation_.current()->get32(F::EXIT_REASON)};
    const auto basic = static_cast<unsigned>(reason.basic());
    if (basic < VmxCounts::kReasons) ++counts_->exits[basic];
}

VmxStatus VmxProcessor::enter_guest(Vmcs& vmcs, Gprs& gprs, bool launch) {
    const CheckGroups groups = groups_to_check(vmcs);
    if (groups != 0) [[unlikely]] {
        if (const auto failed = run_checks(vmcs, groups)) return *failed;
    }
    engine_->add_cycles(engine_->transition_costs().vm_entry);
    if (!load_guest(vmcs, groups)) [[unlikely]] {
        refuse(vmcs, {"load.pdptes", F::GUEST_CR3, vmcs.get(F::GUEST_CR3), kQualificationPdpte});
        return fail_entry(vmcs, ExitReason::ENTRY_FAILURE_GUEST_STATE, kQualificationPdpte);
    }
    if (vmcs.get32(F::VM_ENTRY_MSR_LOAD_COUNT) != 0) [[unlikely]] {
        if (const uint32_t failed = load_entry_msrs(vmcs); failed != 0)
            return fail_entry(vmcs, ExitReason::ENTRY_FAILURE_MSR_LOADING, failed);
    }
    if (launch) [[unlikely]]
        vmcs.set_launched(true);
    gprs_.enter(gprs);
    leave(vmcs, non_root_.run(vmcs));
    return vmx_abort_ == 0 ? VmxStatus::succeed() : VmxStatus::fault(x86::Vector::DF);
}

// SDM Vol. 3C "Basic VM-Entry Checks" (27.1). None can fail for the guest that was left last, while root
// operation has changed nothing of its own state since.
VmxStatus VmxProcessor::begin_entry(bool launch) {
    refusal_.reset();
    if (const VmxStatus status = operation_.check_in_operation(); !status.ok()) return status;
    if (vmx_abort_ != 0) return VmxStatus::fault(x86::Vector::DF);
    Vmcs* vmcs = operation_.current();
    if (vmcs == nullptr || vmcs->is_shadow()) return VmxStatus::fail_invalid();
    if (vmcs->launched() == launch)
        return operation_.fail(launch ? VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS
                                      : VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS);
    if (vmcs->outlived_vmx_operation()) return operation_.fail(VmInstructionError::VMRESUME_AFTER_VMXOFF);
    const bool long_mode = vmcs->exit_controls().has(x86::ExitControls::HOST_ADDRESS_SPACE_SIZE);
    if (long_mode != root_.ia32e()) vmcs->mark_unchecked(group_bit(CheckGroup::Host));
    return VmxStatus::succeed();
}

// Groups whose fields were written since they passed, or that depend on something else that changed.
CheckGroups VmxProcessor::groups_to_check(const Vmcs& vmcs) const {
    const CheckGroups groups = vmcs.unchecked();
    if (groups == group_bit(CheckGroup::GuestRip) && is_rip_fine(vmcs)) [[likely]]
        return 0;
    return groups;
}

// How VMLAUNCH or VMRESUME ends if a check fails.
std::optional<VmxStatus> VmxProcessor::run_checks(Vmcs& vmcs, CheckGroups groups) {
    if (!(vmcs.checked_with() == vmcs.secondary())) groups = kAllCheckGroups;
    EntryChecker checker(vmcs, {root_, memory_, capabilities_}, &guest_);
    const auto error = check_controls_and_host(checker, groups);
    if (error || !run_entry_checks(checker, EntryStage::Guest, groups)) [[unlikely]] {
        refuse(vmcs, *checker.failure());
        if (error) return operation_.fail(*error);
        return fail_entry(vmcs, ExitReason::ENTRY_FAILURE_GUEST_STATE, checker.failure()->qualification);
    }
    vmcs.mark_checked(vmcs.secondary(),
                      depends_on_virtual_apic(vmcs) ? group_bit(CheckGroup::TprThreshold) : 0);
    non_root_.forget_plan();
    return std::nullopt;
}

// What a hypervisor does that has moved RIP past an instruction, and nothing else: then CS.L, which has to be
// fetched from the engine's state, need not be known. A guest that stopped above 4 GiB was in 64-bit mode.
bool VmxProcessor::is_rip_fine(const Vmcs& vmcs) const {
    if ((vmcs.dirty & ~(live_bit(LiveField::RIP) | live_bit(LiveField::RSP))) != 0) [[unlikely]]
        return false;
    const uint64_t rip = vmcs.get(F::GUEST_RIP);
    if ((rip >> 32) == 0) return true;
    return (engine_->rip() >> 32) != 0 && is_canonical(rip, capabilities_.linear_bits + 1);
}

std::optional<VmInstructionError> VmxProcessor::check_controls_and_host(EntryChecker& checker,
                                                                        CheckGroups groups) {
    if (!run_entry_checks(checker, EntryStage::Controls, groups))
        return VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS;
    if (!run_entry_checks(checker, EntryStage::Host, groups))
        return VmInstructionError::ENTRY_INVALID_HOST_STATE;
    return std::nullopt;
}

// Keeps what the caller may want to know of an entry that is about to fail.
void VmxProcessor::refuse(const Vmcs& vmcs, const EntryFailure& failure, std::string allowed) {
    auto copy = std::make_unique<Vmcs>(vmcs);
    guest_.save(*copy);
    const EntryContext context{root_, memory_, capabilities_};
    refusal_ = std::make_unique<EntryRefusal>(std::move(copy), failure, context, std::move(allowed));
}

// SDM Vol. 3C "VM-Entry Failures During or After Loading Guest State" (27.8): the host state is loaded, and
// of the exit information only reason and qualification are written.
VmxStatus VmxProcessor::fail_entry(Vmcs& vmcs, ExitReason reason, uint64_t qualification) {
    vmcs.set(F::EXIT_REASON, static_cast<uint32_t>(reason) | x86::ExitReasonField::kEntryFailure);
    vmcs.set(F::EXIT_QUALIFICATION, qualification);
    load_host(vmcs);
    host_from_ = nullptr;  // what of the guest has been loaded already is not known
    return VmxStatus::succeed();
}

// SDM Vol. 3C "Loading Guest State" (27.3.2). False if the PDPTEs in memory cannot be loaded.
bool VmxProcessor::load_guest(Vmcs& vmcs, CheckGroups written) {
    const EntryControls controls = vmcs.entry_controls();
    const LiveMask loaded = guest_.load(vmcs);
    if (controls.has(EntryControls::LOAD_DEBUG_CONTROLS)) {
        root_.dr7 = vmcs.get(F::GUEST_DR7) | x86::dr7::kFixed1;
        root_.debugctl = vmcs.get(F::GUEST_IA32_DEBUGCTL);
    }
    if (controls.has(EntryControls::LOAD_IA32_PAT)) root_.pat = vmcs.get(F::GUEST_IA32_PAT);
    const bool same_translation = is_same_translation(vmcs, written, loaded);
    if (!same_translation) [[unlikely]]
        load_efer(vmcs, loaded);
    if ((loaded & kPrivilegeFields) != 0) [[unlikely]] {
        CpuState& cpu = engine_->edit_state();
        const bool v8086 = (cpu.rflags() & x86::rflags::VM) != 0;
        const unsigned dpl = cpu.segment(x86::SegmentRegister::SS).rights.dpl();
        cpu.set_cpl(v8086 ? 3 : cpu.protected_mode() ? dpl : 0);
    }
    load_nonregister_state(vmcs);
    if (same_translation) [[likely]]
        return true;
    load_translation(vmcs);
    return load_paging(vmcs, loaded);
}

// The guest that was left last comes back: no control and no field was written, in the VMCS or in root
// operation, that EPT, VPID or paging depend on. PDPTEs are memory's, without VPID all is flushed, and
// without its control EFER is root operation's, not what the guest has made of it.
bool VmxProcessor::is_same_translation(const Vmcs& vmcs, CheckGroups written, LiveMask loaded) const {
    constexpr CheckGroups kDecides =
        group_bit(CheckGroup::ExecutionControls) | group_bit(CheckGroup::ExitControls) |
        group_bit(CheckGroup::EntryControls) | group_bit(CheckGroup::GuestPdptes);
    return host_from_ == &vmcs && (written & kDecides) == 0 && (loaded & kPagingFields) == 0 &&
           last_vpid_ != 0 && vmcs.entry_controls().has(EntryControls::LOAD_IA32_EFER) &&
           mmu_->paging_mode() != x86::PagingMode::PAE;
}

// With the control the field has been loaded already. Without it only LMA and LME change.
void VmxProcessor::load_efer(const Vmcs& vmcs, LiveMask loaded) {
    if (vmcs.entry_controls().has(EntryControls::LOAD_IA32_EFER)) return;
    const bool ia32e = vmcs.entry_controls().has(EntryControls::IA32E_MODE_GUEST);
    constexpr uint64_t kMode = x86::efer::LMA | x86::efer::LME;
    const bool paging = (guest_.read(vmcs, LiveField::CR0) & x86::cr0::PG) != 0;
    uint64_t efer = root_.efer & ~x86::efer::LMA;
    if (paging) efer &= ~kMode;
    if (ia32e) efer |= kMode;
    if ((loaded & live_bit(LiveField::EFER)) != 0 || engine_->state().efer() != efer)
        engine_->edit_state().set_efer(efer);
}

// SDM Vol. 3C "Loading Page-Directory-Pointer-Table Entries" (27.3.2.4).
bool VmxProcessor::load_paging(const Vmcs& vmcs, LiveMask loaded) {
    PagingState paging = mmu_->paging();
    const bool written = (loaded & kPagingFields) != 0;
    const bool efer_by_control = !vmcs.entry_controls().has(EntryControls::LOAD_IA32_EFER);
    if (!written && !efer_by_control && !is_pae(paging)) return true;
    if (written || efer_by_control) {
        const CpuState& cpu = engine_->state();
        paging.cr0 = cpu.cr0();
        paging.cr3 = cpu.cr3();
        paging.cr4 = cpu.cr4();
        paging.efer = cpu.efer();
    }
    if (is_pae(paging)) {
        if (vmcs.secondary().has(x86::SecondaryControls::ENABLE_EPT)) {
            paging.pdptes = {vmcs.get(F::GUEST_PDPTE0), vmcs.get(F::GUEST_PDPTE1), vmcs.get(F::GUEST_PDPTE2),
                             vmcs.get(F::GUEST_PDPTE3)};
        } else if (mmu_->read_pdptes(paging.cr3, paging.pdptes) || !mmu_->pdptes_valid(paging.pdptes)) {
            return false;
        }
    }
    // Hypervisors change these registers for a guest that has just written them; SDM allows flushing any
    // time.
    if (paging == mmu_->paging()) return true;
    mmu_->set_paging(paging);
    mmu_->forget_all();
    if (mmu_->strict() != nullptr) mmu_->strict()->paging_replaced();
    return true;
}

// Without VPIDs each VM entry flushes; with them, translations of another VPID are not this guest's.
void VmxProcessor::load_translation(Vmcs& vmcs) {
    const x86::SecondaryControls secondary = vmcs.secondary();
    const bool ept = secondary.has(x86::SecondaryControls::ENABLE_EPT);
    const std::optional<uint64_t> eptp = ept ? std::optional(vmcs.get(F::EPT_POINTER)) : std::nullopt;
    mmu_->set_ept(eptp, secondary.has(x86::SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT));
    const bool logs = secondary.has(x86::SecondaryControls::ENABLE_PML);
    mmu_->set_modification_log(
        logs ? PageModificationLog(vmcs.get_address(F::PML_ADDRESS), vmcs.slot(F::PML_INDEX))
             : PageModificationLog());
    const bool apic = secondary.has(x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES);
    mmu_->set_apic_access_page(apic ? std::optional(vmcs.get_address(F::APIC_ACCESS_ADDRESS)) : std::nullopt);
    const bool tagged = secondary.has(x86::SecondaryControls::ENABLE_VPID);
    const auto vpid = tagged ? vmcs.get16(F::VPID) : uint16_t{0};
    if (StrictTlb* strict = mmu_->strict()) strict->select_vpid(vpid, vmcs.address());
    if (!tagged) {
        mmu_->flush_all();
    } else if (vpid != last_vpid_) {
        mmu_->forget_all();
    }
    last_vpid_ = vpid;
}

void VmxProcessor::load_nonregister_state(const Vmcs& vmcs) {
    NonRegisterState& state = non_root_.state();
    state.activity = static_cast<x86::ActivityState>(vmcs.get32(F::GUEST_ACTIVITY_STATE));
    state.pending_debug = vmcs.get(F::GUEST_PENDING_DEBUG_EXCEPTIONS);
    state.preemption_deadline = HostEvents::kNever;
    if (!vmcs.pin().has(x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER)) [[likely]]
        return;
    // It counts down whenever bit `shift` of the time-stamp counter changes. SDM Vol. 3C 26.5.1.
    const unsigned shift = capabilities_.misc.preemption_timer_shift();
    const uint64_t value = vmcs.get(F::VMX_PREEMPTION_TIMER_VALUE);
    state.preemption_deadline = ((msrs_.tsc() >> shift) + value) << shift;
}

}  // namespace vtless::sim
