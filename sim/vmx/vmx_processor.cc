// SPDX-License-Identifier: MIT
#include "sim/vmx/vmx_processor.h"

#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/cpuid.h"

namespace vtless::sim {

using x86::Vector;
using x86::VmcsField;
using x86::VmInstructionError;
using x86::VmxStatus;

namespace {

MmuConfig mmu_config(const VmxCapabilities& can) {
    MmuConfig config;
    config.physical_address_bits = can.physical_bits;
    config.guest_1g_pages = (can.cpuid.extended_edx & x86::cpuid::extended_edx::PAGE1GB) != 0;
    config.ept_execute_only = can.ept_vpid.has(x86::EptVpidCapability::kExecuteOnly);
    config.ept_page_2m = can.ept_vpid.has(x86::EptVpidCapability::kPage2M);
    config.ept_page_1g = can.ept_vpid.has(x86::EptVpidCapability::kPage1G);
    config.ept_advanced_information = can.ept_vpid.has(x86::EptVpidCapability::kAdvancedExitInformation);
    return config;
}

// IA32_VMX_EPT_VPID_CAP bits 43:40, in the order of the types.
bool has_invvpid_type(x86::EptVpidCapability can, x86::InvvpidType type) {
    return type <= x86::InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS &&
           can.has(x86::EptVpidCapability::kInvvpidIndividualAddress << static_cast<unsigned>(type));
}

}  // namespace

Expected<std::unique_ptr<VmxProcessor>, std::string> VmxProcessor::create(HostMemory& memory,
                                                                          const VmxProcessorConfig& config) {
    auto mmu = std::make_unique<Mmu>(memory, mmu_config(config.capabilities));
    auto engine = Engine::create(memory, *mmu, config.engine);
    if (!engine) return Unexpected(std::move(engine).error());
    std::unique_ptr<VmxProcessor> processor(
        new VmxProcessor(config.capabilities, std::move(mmu), std::move(engine).value()));
    if (config.sanitizer != nullptr) processor->observe(config.sanitizer->watch_processor());
    if (config.counts != nullptr) processor->count_in(*config.counts);
    if (config.engine.profile != nullptr) processor->operation_.set_observed();  // entries take the long way
    return processor;
}

VmxProcessor::VmxProcessor(const VmxCapabilities& capabilities, std::unique_ptr<Mmu> mmu,
                           std::unique_ptr<Engine> engine)
    : capabilities_(capabilities),
      memory_(&mmu->memory()),
      mmu_(std::move(mmu)),
      engine_(std::move(engine)),
      operation_(*memory_, root_, capabilities_),
      msrs_(*engine_, root_, capabilities_),
      guest_(*engine_),
      non_root_({*engine_, *mmu_, *memory_, root_, msrs_, events_, guest_, capabilities_, operation_}),
      gprs_(*engine_) {
    root_.cr4 &= capabilities_.cr4_fixed1;
    engine_->edit_state().set_cr0(root_.cr0);
    operation_.set_feature_control(capability::kFeatureControl);
    operation_.on_save_live_state(
        [](void* guest, Vmcs& vmcs) { static_cast<GuestState*>(guest)->release(vmcs); }, &guest_);
}

void VmxProcessor::observe(std::unique_ptr<VmxObserver> observer) {
    observer_ = std::move(observer);
    operation_.set_observed();
    mmu_->make_strict(
        [](void* self, const StaleUse& use) {
            const auto& processor = *static_cast<const VmxProcessor*>(self);
            processor.observer_->stale_translation(processor.view(), use);
        },
        this);
}

// Now no access is inline.
void VmxProcessor::count_in(VmxCounts& counts) {
    counts_ = &counts;
    operation_.set_observed();
}

// ------------------------------------------------------------------------------------------ VMREAD, VMWRITE

VmxStatus VmxProcessor::vmread_unusual(VmcsField field, uint64_t& value) {
    if (const VmxStatus status = operation_.check_vmread(field); !status.ok()) return status;
    if (observer_ != nullptr) observer_->vmread(view(), field);
    if (counts_ != nullptr) ++counts_->vmreads[vmcs_slot(field)];
    const uint64_t whole = guest_.read(*operation_.current(), x86::full(field));
    value = x86::access_high(field) ? whole >> 32 : whole;
    return VmxStatus::succeed();
}

VmxStatus VmxProcessor::vmwrite_other(VmcsField field, uint64_t value) {
    const VmcsFieldInfo& info = vmcs_field_info(field);
    Vmcs* vmcs = operation_.unobserved();
    const uint32_t unusual = x86::encoding(field) & (kVmcsEncodingReserved | kVmcsEncodingHigh);
    if (vmcs == nullptr || unusual != 0 || !info.supported || info.read_only) {
        if (const VmxStatus status = operation_.check_vmwrite(field); !status.ok()) return status;
        vmcs = operation_.current();
        if (observer_ != nullptr) observer_->before_vmwrite(view(), field, value);
        if (counts_ != nullptr) ++counts_->vmwrites[vmcs_slot(field)];
    }
    if (x86::access_high(field)) {
        const uint64_t low = guest_.read(*vmcs, x86::full(field)) & 0xffffffff;
        value = value << 32 | low;
    }
    value &= x86::access_mask(x86::full(field));
    if ((info.groups & group_bit(CheckGroup::Host)) != 0) host_from_ = nullptr;
    if (info.live != kNotLive) {
        GuestState::write(*vmcs, static_cast<LiveField>(info.live), value);
        vmcs->mark_unchecked(info.groups);
    } else if (vmcs->get(field) != value) {
        vmcs->set(field, value);
        vmcs->mark_unchecked(info.groups);
    }
    return VmxStatus::succeed();
}

// ----------------------------------------------------------------------------------------- INVEPT, INVVPID

VmxStatus VmxProcessor::invept(x86::InveptType type, const x86::InveptDescriptor& descriptor) {
    using E = x86::EptVpidCapability;
    const E can = capabilities_.ept_vpid;
    take(costs().invalidation);
    if (!can.has(E::kInvept)) return VmxStatus::fault(Vector::UD);
    if (const VmxStatus status = operation_.check_in_operation(); !status.ok()) return status;
    const bool has_type = (type == x86::InveptType::SINGLE_CONTEXT && can.has(E::kInveptSingleContext)) ||
                          (type == x86::InveptType::ALL_CONTEXT && can.has(E::kInveptAllContext));
    if (!has_type) return operation_.fail(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);
    const x86::Eptp eptp{descriptor.eptp};
    switch (type) {
        case x86::InveptType::SINGLE_CONTEXT:
            if (!is_valid_eptp(eptp, capabilities_))
                return operation_.fail(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);
            if (mmu_->strict() != nullptr) flush_strictly(eptp.raw);
            if (has_mappings_of(eptp)) mmu_->forget_all();
            return VmxStatus::succeed();
        case x86::InveptType::ALL_CONTEXT:
            if (mmu_->strict() != nullptr) flush_strictly(std::nullopt);
            mmu_->forget_all();
            return VmxStatus::succeed();
    }
    return operation_.fail(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);
}

VmxStatus VmxProcessor::invvpid(x86::InvvpidType type, const x86::InvvpidDescriptor& descriptor) {
    using E = x86::EptVpidCapability;
    take(costs().invalidation);
    if (!capabilities_.ept_vpid.has(E::kInvvpid)) return VmxStatus::fault(Vector::UD);
    if (const VmxStatus status = operation_.check_in_operation(); !status.ok()) return status;
    const bool invalid = !has_invvpid_type(capabilities_.ept_vpid, type) ||
                         (type != x86::InvvpidType::ALL_CONTEXT && descriptor.vpid == 0) ||
                         (type == x86::InvvpidType::INDIVIDUAL_ADDRESS &&
                          !is_canonical(descriptor.address.value(), capabilities_.linear_bits));
    if (invalid) return operation_.fail(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);
    if (mmu_->strict() != nullptr) flush_strictly(type, descriptor);
    // The Mmu holds translations of the VPID that ran last only.
    if (type != x86::InvvpidType::ALL_CONTEXT && descriptor.vpid != last_vpid_) return VmxStatus::succeed();
    switch (type) {
        case x86::InvvpidType::INDIVIDUAL_ADDRESS:
            mmu_->forget_page(descriptor.address);
            break;
        case x86::InvvpidType::SINGLE_CONTEXT:
        case x86::InvvpidType::ALL_CONTEXT:
            mmu_->forget_all();
            break;
        case x86::InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS:
            mmu_->forget_non_global();
            break;
    }
    return VmxStatus::succeed();
}

// Mappings are told apart by EPTRTA, and by nothing else of the EPT pointer. SDM Vol. 3C "Information That
// May Be Cached" (29.4.2).
bool VmxProcessor::has_mappings_of(x86::Eptp eptp) const {
    const std::optional<uint64_t> current = mmu_->ept();
    return current && x86::Eptp{*current}.root() == eptp.root();
}

void VmxProcessor::flush_strictly(std::optional<uint64_t> eptp) {
    mmu_->strict()->flush_ept(eptp);
    mmu_->tables_may_have_changed();
}

void VmxProcessor::flush_strictly(x86::InvvpidType type, const x86::InvvpidDescriptor& descriptor) {
    StrictTlb& strict = *mmu_->strict();
    mmu_->tables_may_have_changed();
    switch (type) {
        case x86::InvvpidType::INDIVIDUAL_ADDRESS:
            strict.flush_vpid_page(descriptor.vpid, descriptor.address);
            break;
        case x86::InvvpidType::SINGLE_CONTEXT:
            strict.flush_vpid(descriptor.vpid);
            break;
        case x86::InvvpidType::ALL_CONTEXT:
            strict.flush_every_vpid();
            break;
        case x86::InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS:
            strict.flush_vpid_non_global(descriptor.vpid);
            break;
    }
}

// ---------------------------------------------------------------------------- registers of root operation

VmxStatus VmxProcessor::rdmsr(x86::Msr msr, uint64_t& value) const {
    return msrs_.read(msr, World::Root, value) ? VmxStatus::succeed() : VmxStatus::fault(Vector::GP);
}

VmxStatus VmxProcessor::wrmsr(x86::Msr msr, uint64_t value) {
    host_from_ = nullptr;
    return msrs_.write(msr, World::Root, value) ? VmxStatus::succeed() : VmxStatus::fault(Vector::GP);
}

VmxStatus VmxProcessor::xgetbv(uint32_t index, uint64_t& value) const {
    if ((root_.cr4 & x86::cr4::OSXSAVE) == 0) return VmxStatus::fault(Vector::UD);
    if (index != 0) return VmxStatus::fault(Vector::GP);
    value = root_.xcr0;
    return VmxStatus::succeed();
}

VmxStatus VmxProcessor::xsetbv(uint32_t index, uint64_t value) {
    if ((root_.cr4 & x86::cr4::OSXSAVE) == 0) return VmxStatus::fault(Vector::UD);
    if (index != 0 || !is_valid_xcr0(value)) return VmxStatus::fault(Vector::GP);
    if (value == root_.xcr0) return VmxStatus::succeed();
    root_.xcr0 = value;
    engine_->edit_state().set_xcr0(value);
    return VmxStatus::succeed();
}

// SDM Vol. 3B "Debug Registers" (18.2): with CR4.DE there is no DR4 and no DR5.
VmxStatus VmxProcessor::read_dr(unsigned number, uint64_t& value) const {
    const bool alias = number == 4 || number == 5;
    if (number > 7 || (alias && (root_.cr4 & x86::cr4::DE) != 0)) return VmxStatus::fault(Vector::UD);
    if ((root_.dr7 & x86::dr7::GD) != 0) return VmxStatus::fault(Vector::DB);
    value = root_.read_dr(number);
    return VmxStatus::succeed();
}

VmxStatus VmxProcessor::write_dr(unsigned number, uint64_t value) {
    uint64_t ignored = 0;
    if (const VmxStatus status = read_dr(number, ignored); !status.ok()) return status;
    return root_.write_dr(number, value) ? VmxStatus::succeed() : VmxStatus::fault(Vector::GP);
}

// In VMX operation the fixed bits cannot be changed. SDM Vol. 3C "Restrictions on VMX Operation" (24.8).
VmxStatus VmxProcessor::write_cr0(uint64_t value) {
    host_from_ = nullptr;
    const bool paging_off = (value & x86::cr0::PG) == 0;
    const bool protection_off = (value & x86::cr0::PE) == 0;
    if ((value >> 32) != 0 || (protection_off && !paging_off) || (root_.ia32e() && paging_off))
        return VmxStatus::fault(Vector::GP);
    if (operation_.on() && !capabilities_.cr0_allowed(value)) return VmxStatus::fault(Vector::GP);
    root_.cr0 = (value & x86::cr0::kDefined) | x86::cr0::ET;
    return VmxStatus::succeed();
}

VmxStatus VmxProcessor::write_cr4(uint64_t value) {
    host_from_ = nullptr;
    const uint64_t must = operation_.on() ? capabilities_.cr4_fixed0 : 0;
    const bool pae_off = (value & x86::cr4::PAE) == 0;
    if (!x86::meets_fixed_bits(value, must, capabilities_.cr4_fixed1) || (root_.ia32e() && pae_off))
        return VmxStatus::fault(Vector::GP);
    root_.cr4 = value;
    return VmxStatus::succeed();
}

std::unique_ptr<Vmcs> VmxProcessor::copy_vmcs() const {
    if (operation_.current() == nullptr) return nullptr;
    auto copy = std::make_unique<Vmcs>(*operation_.current());
    guest_.save(*copy);
    return copy;
}

x86::CpuidResult VmxProcessor::cpuid(uint32_t leaf, uint32_t subleaf) const {
    return processor_cpuid(leaf, subleaf, root_, capabilities_);
}

// --------------------------------------------------------------------------------------------- platform

std::optional<uint8_t> VmxProcessor::take_interrupt() {
    events_.advance_to(rdtsc());
    return events_.acknowledge();
}

bool VmxProcessor::idle_until_interrupt() {
    events_.advance_to(rdtsc());
    if (events_.interrupt_pending() || events_.nmi_pending()) return true;
    if (events_.timer() == HostEvents::kNever) return false;
    engine_->wait(events_.timer() - rdtsc());
    events_.advance_to(rdtsc());
    return true;
}

void VmxProcessor::settle_profile() {
    if (CycleProfile* profile = engine_->profile()) profile->settle(engine_->moment());
}

void VmxProcessor::request_exit() {
    events_.request_exit();
    engine_->request_exit();
}

}  // namespace vtless::sim
