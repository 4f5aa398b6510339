// SPDX-License-Identifier: MIT
// The state of one VmxVCpu and the steps that its exit handlers are made of.
#pragma once

#include <cstdint>

#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/exit_reason.h"
#include "isa/x86/paging.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_capability.h"
#include "isa/x86/vmx_hw.h"
#include "vcpu/arch_vcpu.h"
#include "vcpu/vmx/config.h"
#include "vcpu/vmx/events.h"
#include "vcpu/vmx/frames.h"
#include "vcpu/vmx/pending.h"
#include "vcpu/vmx/vmcs.h"

namespace vtless::vmx {

struct Controls {
    x86::PinControls pin;
    x86::PrimaryControls primary;
    x86::SecondaryControls secondary;
    x86::ExitControls exit;
    x86::EntryControls entry;
};

// What set-up found out about the processor.
struct Features {
    x86::EptVpidCapability ept_vpid;
    uint64_t cr0_fixed0 = 0, cr0_fixed1 = 0;
    uint64_t cr4_fixed0 = 0, cr4_fixed1 = 0;
    uint64_t xcr0_supported = 0;  // 0: no XSAVE
    uint64_t xss_supported = 0;   // 0 unless XSAVES is enabled for the guest
    unsigned physical_bits = 36;
    bool nx = false, page_1g = false;
    bool unrestricted = true;  // the guest may run without paging and in real mode
};

enum FrameUse : unsigned { kVmcsFrame, kMsrBitmapFrame, kIoBitmapAFrame, kIoBitmapBFrame, kFrameUses };

template <x86::VmxHw Hw>
struct Core {
    Core(Hw& processor, VmId vm, VCpuId vcpu) : hw(&processor), vmcs(processor), vm_id(vm), vcpu_id(vcpu) {}

    Hw* hw;
    Vmcs<Hw> vmcs;
    typename Hw::Gprs gprs{};
    VmId vm_id;
    VCpuId vcpu_id;
    Frames<typename Hw::Memory, kFrameUses> frames;
    SetupConfig config;
    Features features;
    Controls controls;  // as the VMCS holds them
    EventQueue events;
    Event injected;  // the last one, for an entry that fails
    Pending pending;
    Gpa entry;
    x86::Eptp eptp;
    uint64_t rsp = 0;  // of the guest, while no VMCS is loaded
    uint64_t guest_xcr0 = x86::xcr0::X87, host_xcr0 = x86::xcr0::X87;
    uint64_t guest_xss = 0, host_xss = 0;
    uint16_t vpid = 0;
    bool rsp_changed = false;
    bool loaded = false;         // the VMCS is current
    bool launched = false;       // its launch state
    bool window_wanted = false;  // by the embedder, whatever waits in `events`
    bool emulated = false;  // an instruction was emulated since the exit: STI and MOV SS shadows are over

    uint64_t gpr(x86::Gpr index) {
        return index == x86::Gpr::RSP ? vmcs.read(x86::VmcsField::GUEST_RSP) : gprs.get(index);
    }
    void set_gpr(x86::Gpr index, uint64_t value) {
        if (index == x86::Gpr::RSP) {
            vmcs.write(x86::VmcsField::GUEST_RSP, value);
        } else {
            gprs.set(index, value);
        }
    }
    void set_edx_eax(uint64_t value) {
        gprs.set(x86::Gpr::RAX, value & 0xffffffff);
        gprs.set(x86::Gpr::RDX, value >> 32);
    }
    uint64_t edx_eax() { return (gprs.get(x86::Gpr::RDX) << 32) | (gprs.get(x86::Gpr::RAX) & 0xffffffff); }

    // The page whose accesses are the local APIC's, never memory's.
    bool is_apic_page(Gpa gpa) const {
        return config.local_apic != nullptr && gpa.page() == config.apic_base;
    }

    bool has(uint32_t secondary) const { return controls.secondary.has(secondary); }

    uint64_t efer() { return vmcs.read(x86::VmcsField::GUEST_IA32_EFER); }
    bool in_64bit_mode() {
        return (efer() & x86::efer::LMA) != 0 && vmcs.rights(x86::SegmentRegister::CS).long_mode();
    }
    // SDM Vol. 3C "Guest Register State" (25.4.1): the DPL of SS is always the CPL.
    unsigned cpl() { return vmcs.rights(x86::SegmentRegister::SS).dpl(); }

    // Past the instruction that exited.
    void advance_rip() { advance_rip(vmcs.read(x86::VmcsField::VM_EXIT_INSTRUCTION_LENGTH)); }
    void advance_rip(uint64_t length) {
        const uint64_t rip = vmcs.read(x86::VmcsField::GUEST_RIP);
        uint64_t next = rip + length;
        // Only a carry out of bit 31 tells the modes apart.
        if (((rip ^ next) >> 32) != 0 && !in_64bit_mode()) [[unlikely]]
            next &= 0xffffffff;
        vmcs.write(x86::VmcsField::GUEST_RIP, next);
        finish_instruction();
    }
    // After an emulated instruction, or an iteration of one.
    void finish_instruction() {
        emulated = true;
        if (!config.emulate_single_step) return;
        const uint64_t flags = vmcs.read(x86::VmcsField::GUEST_RFLAGS);
        if ((flags & (x86::rflags::TF | x86::rflags::RF)) != 0) [[unlikely]]
            finish_stepped_instruction(flags);
    }

    void inject(const Event& event) {
        events.push_exception(event);
        note_queued(event.info);
    }
    void inject(x86::Vector vector, uint32_t error_code = 0) { inject(Event::exception(vector, error_code)); }

    void note_queued(x86::EventInfo event) { x86::note_queued_event(*hw, frames.address(kVmcsFrame), event); }

    void write_primary(x86::PrimaryControls value) {
        controls.primary = value;
        vmcs.write(x86::VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, value.raw);
    }

    // What the processor itself does at MOV to CR, and what an emulated one with VPIDs must do.
    void flush_guest_tlb() {
        if (!has(x86::SecondaryControls::ENABLE_VPID)) return;  // the next VM entry flushes
        using C = x86::EptVpidCapability;
        const bool single = features.ept_vpid.has(C::kInvvpidSingleContext);
        const auto type = single ? x86::InvvpidType::SINGLE_CONTEXT : x86::InvvpidType::ALL_CONTEXT;
        const x86::VmxStatus done = hw->invvpid(type, {vpid, Gva()});
        if (!done.ok()) flush_failure = done;
    }
    x86::VmxStatus flush_failure = x86::VmxStatus::succeed();

  private:
    // SDM Vol. 3A "Single-Step Exception Condition" (17.3.1.4); RF is cleared by each instruction.
    [[gnu::cold]] void finish_stepped_instruction(uint64_t flags) {
        using x86::VmcsField;
        vmcs.write(VmcsField::GUEST_RFLAGS, flags & ~x86::rflags::RF);
        if ((flags & x86::rflags::TF) == 0) return;
        if ((vmcs.read(VmcsField::GUEST_IA32_DEBUGCTL) & x86::debugctl::BTF) != 0) return;
        const uint64_t pending_exceptions = vmcs.read(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS);
        vmcs.write(VmcsField::GUEST_PENDING_DEBUG_EXCEPTIONS, pending_exceptions | x86::pending_debug::BS);
        const uint32_t state = vmcs.read32(VmcsField::GUEST_INTERRUPTIBILITY_STATE);
        using namespace x86::interruptibility;
        vmcs.write(VmcsField::GUEST_INTERRUPTIBILITY_STATE, state & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    }
};

}  // namespace vtless::vmx
