// SPDX-License-Identifier: MIT
#include "sim/vmx/vmx_operation.h"

namespace vtless::sim {

using x86::Vector;
using x86::VmInstructionError;
using x86::VmxStatus;

namespace {

// The part of VMXON and of the other instructions that asks for the right mode. SDM Vol. 3C 31.3.
bool mode_allows_vmx(const RootState& root) {
    if ((root.cr0 & x86::cr0::PE) == 0) return false;
    return !root.ia32e() || root.segment(x86::SegmentRegister::CS).rights.long_mode();
}

}  // namespace

VmxStatus VmxOperation::fail(VmInstructionError error) {
    return current_ == nullptr ? VmxStatus::fail_invalid() : fail_in(*current_, error);
}

VmxStatus VmxOperation::fail_in(Vmcs& vmcs, VmInstructionError error) {
    vmcs.set(x86::VmcsField::VM_INSTRUCTION_ERROR, static_cast<uint32_t>(error));
    return VmxStatus::fail_valid(error);
}

// The shadow-VMCS indicator, bit 31, is only that where there is VMCS shadowing.
bool VmxOperation::has_ordinary_or_shadow_header(Hpa region) const {
    const bool shadowing = capabilities_->secondary.supports(x86::SecondaryControls::VMCS_SHADOWING);
    const uint32_t header = store_.header(region);
    return (shadowing ? header & ~kShadowIndicator : header) == capabilities_->basic.revision();
}

// Whether it is a shadow is up to the region for as long as it is not active.
Vmcs& VmxOperation::activate(Hpa region) {
    if (Vmcs* active = store_.find(region)) return *active;
    Vmcs& vmcs = store_.activate(region);
    vmcs.set_shadow((store_.header(region) & kShadowIndicator) != 0);
    return vmcs;
}

VmxStatus VmxOperation::check_in_operation() const {
    if (!on_ || !mode_allows_vmx(*root_)) return VmxStatus::fault(Vector::UD);
    return VmxStatus::succeed();
}

// 4-KiB aligned and within the physical-address width. An address without RAM behind it would be an access to
// nothing: it is treated alike.
bool VmxOperation::valid_region(Hpa region) const {
    return region.page_offset() == 0 && capabilities_->fits_physical_width(region.value()) &&
           memory_->contains(region, HostMemory::kFrameSize);
}

VmxStatus VmxOperation::check_vmxon() {
    if (!mode_allows_vmx(*root_) || (root_->cr4 & x86::cr4::VMXE) == 0) return VmxStatus::fault(Vector::UD);
    if (on_) return fail(VmInstructionError::VMXON_IN_VMX_ROOT);
    constexpr uint64_t kNeeded = x86::feature_control::LOCK | x86::feature_control::VMX_OUTSIDE_SMX;
    if (!capabilities_->cr0_allowed(root_->cr0) || !capabilities_->cr4_allowed(root_->cr4) ||
        (feature_control_ & kNeeded) != kNeeded) {
        return VmxStatus::fault(Vector::GP);
    }
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::vmxon(Hpa region) {
    if (const VmxStatus status = check_vmxon(); !status.ok()) return status;
    if (!valid_region(region) || store_.header(region) != capabilities_->basic.revision())
        return VmxStatus::fail_invalid();
    on_ = true;
    vmxon_region_ = region;
    set_current(nullptr);
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::vmxoff() {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    if (current_ != nullptr) save(*current_);
    store_.outlive_vmx_operation();
    on_ = false;
    set_current(nullptr);
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::vmclear(Hpa region) {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    if (!valid_region(region)) return fail(VmInstructionError::VMCLEAR_INVALID_PHYSICAL_ADDRESS);
    if (region == vmxon_region_) return fail(VmInstructionError::VMCLEAR_VMXON_POINTER);
    if (Vmcs* vmcs = store_.find(region)) {
        save(*vmcs);
        if (vmcs == current_) set_current(nullptr);
    }
    store_.clear(region);
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::vmptrld(Hpa region) {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    if (!valid_region(region)) return fail(VmInstructionError::VMPTRLD_INVALID_PHYSICAL_ADDRESS);
    if (region == vmxon_region_) return fail(VmInstructionError::VMPTRLD_VMXON_POINTER);
    if (!has_ordinary_or_shadow_header(region)) return fail(VmInstructionError::VMPTRLD_INCORRECT_REVISION);
    set_current(&activate(region));
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::vmptrst(Hpa& region) {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    region = current_ == nullptr ? Hpa(~uint64_t{0}) : current_->address();
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::check_vmread(x86::VmcsField field) {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    return current_ == nullptr ? VmxStatus::fail_invalid() : check_readable(*current_, field);
}

VmxStatus VmxOperation::check_vmwrite(x86::VmcsField field) {
    if (const auto status = check_in_operation(); !status.ok()) return status;
    return current_ == nullptr ? VmxStatus::fail_invalid() : check_writable(*current_, field);
}

// The error is a field of the VMCS that was to be accessed.
VmxStatus VmxOperation::check_readable(Vmcs& vmcs, x86::VmcsField field) {
    const uint32_t raw = x86::encoding(field);
    const bool high_of_other_width = x86::access_high(field) && x86::width(field) != x86::VmcsWidth::BITS64;
    if ((raw & kVmcsEncodingReserved) != 0 || high_of_other_width || !vmcs_field_info(field).supported)
        return fail_in(vmcs, VmInstructionError::UNSUPPORTED_VMCS_COMPONENT);
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::check_writable(Vmcs& vmcs, x86::VmcsField field) const {
    if (const auto status = check_readable(vmcs, field); !status.ok()) return status;
    if (!capabilities_->misc.has(x86::VmxMisc::kVmwriteAnyField) && vmcs_field_info(field).read_only)
        return fail_in(vmcs, VmInstructionError::VMWRITE_READ_ONLY_COMPONENT);
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::read_shadow(Hpa region, x86::VmcsField field, uint64_t& value) {
    Vmcs& vmcs = activate(region);
    if (const auto status = check_readable(vmcs, field); !status.ok()) return status;
    const uint64_t whole = vmcs.get(field);
    value = x86::access_high(field) ? whole >> 32 : whole;
    return VmxStatus::succeed();
}

VmxStatus VmxOperation::write_shadow(Hpa region, x86::VmcsField field, uint64_t value) {
    Vmcs& vmcs = activate(region);
    if (const auto status = check_writable(vmcs, field); !status.ok()) return status;
    if (x86::access_high(field)) value = value << 32 | (vmcs.get(field) & 0xffffffff);
    vmcs.set(field, value & x86::access_mask(x86::full(field)));
    return VmxStatus::succeed();
}

}  // namespace vtless::sim
