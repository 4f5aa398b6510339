// SPDX-License-Identifier: MIT
// VmxPerCpu: VMX operation of one processor, for PerCpu. SDM Vol. 3C "Enabling and Entering VMX Operation"
// (24.7), "Restrictions on VMX Operation" (24.8).
#pragma once

#include <utility>

#include "isa/x86/control_regs.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/vmx_capability.h"
#include "vcpu/arch_vcpu.h"
#include "vcpu/vmx/frames.h"
#include "vcpu/vmx/setup_controls.h"

namespace vtless::vmx {

template <x86::VmxHw Hw>
class VmxPerCpu {
  public:
    struct CreateConfig {
        Hw* hw = nullptr;
    };

    static Result<VmxPerCpu> create(size_t, const CreateConfig& config) {
        if (config.hw == nullptr) return fail(VCpuErrc::InvalidInput);
        VmxPerCpu created(*config.hw);
        if (const auto done = created.region_.allocate(config.hw->memory()); !done)
            return Unexpected(done.error());
        return Result<VmxPerCpu>(std::move(created));
    }
    VmxPerCpu(VmxPerCpu&& other)
        : hw_(other.hw_), region_(std::move(other.region_)), enabled_(std::exchange(other.enabled_, false)) {}
    VmxPerCpu& operator=(VmxPerCpu&&) = delete;

    bool is_enabled() const { return enabled_; }

    // ResourceBusy if CR4.VMXE is set: somebody else is in VMX operation. Unsupported says what is missing.
    Result<void> hardware_enable() {
        if (enabled_) return fail_with(VCpuErrc::ResourceBusy, Failure::VmxeAlreadySet);
        const uint64_t cr4 = hw_->read_cr4();
        if (const auto good = check_processor(cr4); !good) return good;
        if (const auto good = enable_feature_control(); !good) return good;
        const uint64_t wanted = cr4 | x86::cr4::VMXE | (has_xsave() ? x86::cr4::OSXSAVE : 0);
        if (const auto good = check_fixed_bits(wanted); !good) return good;
        if (const auto good = prepare_region(); !good) return good;
        if (const auto done = check(Instruction::MOV_CR, hw_->write_cr4(wanted)); !done) return done;
        const auto entered = check(Instruction::VMXON, hw_->vmxon(region_.address(0)));
        enabled_ = entered.has_value();
        if (!enabled_) (void)hw_->write_cr4(cr4);  // back to what it was: cannot fault
        return entered;
    }

    Result<void> hardware_disable() {
        if (!enabled_) return fail(VCpuErrc::BadState);
        if (const auto done = check(Instruction::VMXOFF, hw_->vmxoff()); !done) return done;
        enabled_ = false;
        return check(Instruction::MOV_CR, hw_->write_cr4(hw_->read_cr4() & ~x86::cr4::VMXE));
    }

  private:
    explicit VmxPerCpu(Hw& hw) : hw_(&hw) {}

    bool has_xsave() {
        return (hw_->cpuid(x86::cpuid::kFeatures, 0).ecx & x86::cpuid::leaf1_ecx::XSAVE) != 0;
    }

    Result<void> check_processor(uint64_t cr4) {
        if ((hw_->cpuid(x86::cpuid::kFeatures, 0).ecx & x86::cpuid::leaf1_ecx::VMX) == 0)
            return fail_with(VCpuErrc::Unsupported, Failure::NoVmx);
        if ((cr4 & x86::cr4::VMXE) != 0) return fail_with(VCpuErrc::ResourceBusy, Failure::VmxeAlreadySet);
        return {};
    }

    // Firmware may have left the MSR unlocked: then it is ours to set.
    Result<void> enable_feature_control() {
        using namespace x86::feature_control;
        const auto value = setup_detail::read_msr(*hw_, x86::Msr::IA32_FEATURE_CONTROL);
        if (!value) return Unexpected(value.error());
        if ((*value & LOCK) != 0) {
            if ((*value & VMX_OUTSIDE_SMX) != 0) return {};
            return fail_with(VCpuErrc::Unsupported, Failure::FeatureControl, static_cast<uint32_t>(*value));
        }
        const auto done = hw_->wrmsr(x86::Msr::IA32_FEATURE_CONTROL, *value | LOCK | VMX_OUTSIDE_SMX);
        if (!done.ok()) return msr_failed(x86::Msr::IA32_FEATURE_CONTROL, done);
        return {};
    }

    Result<void> check_fixed_bits(uint64_t cr4) {
        using x86::Msr;
        const struct {
            uint16_t number;
            uint64_t value;
            Msr fixed0, fixed1;
        } registers[] = {{0, hw_->read_cr0(), Msr::IA32_VMX_CR0_FIXED0, Msr::IA32_VMX_CR0_FIXED1},
                         {4, cr4, Msr::IA32_VMX_CR4_FIXED0, Msr::IA32_VMX_CR4_FIXED1}};
        for (const auto& item : registers) {
            const auto fixed0 = setup_detail::read_msr(*hw_, item.fixed0);
            if (!fixed0) return Unexpected(fixed0.error());
            const auto fixed1 = setup_detail::read_msr(*hw_, item.fixed1);
            if (!fixed1) return Unexpected(fixed1.error());
            const uint64_t wrong = (*fixed0 & ~item.value) | (item.value & ~*fixed1);
            if (wrong != 0)
                return fail_with(VCpuErrc::Unsupported, Failure::FixedBits, static_cast<uint32_t>(wrong),
                                 item.number);
        }
        return {};
    }

    Result<void> prepare_region() {
        using B = x86::VmxBasic;
        const auto raw = setup_detail::read_msr(*hw_, x86::Msr::IA32_VMX_BASIC);
        if (!raw) return Unexpected(raw.error());
        const B basic{*raw};
        const bool good = basic.region_bytes() <= 4096 && basic.memory_type() == x86::MemoryType::WB &&
                          basic.has(B::kInsOutsInformation) && !basic.has(B::kAddresses32);
        if (!good)
            return fail_with(VCpuErrc::Unsupported, Failure::VmxBasic,
                             static_cast<uint32_t>(basic.raw >> 32));
        write_revision(region_.bytes(0), basic.revision());
        return {};
    }

    Hw* hw_;
    Frames<typename Hw::Memory, 1> region_;
    bool enabled_ = false;
};

}  // namespace vtless::vmx
