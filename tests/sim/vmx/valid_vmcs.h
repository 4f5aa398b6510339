// SPDX-License-Identifier: MIT
// Field values of a VMCS that passes every check of VM entry: a 64-bit host and a flat 64-bit guest.
#pragma once

#include <cstdint>

#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/segment.h"
#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_controls.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/root_state.h"

namespace vtless::sim {

struct ValidVmcs {
    uint64_t eptp = x86::Eptp::make(0x10000).raw;
    uint64_t guest_cr3 = 0x10000;
    uint64_t guest_rip = 0x100000;
    uint64_t guest_rsp = 0x200000;
    uint64_t gdt = 0x40000;
    uint32_t primary = x86::PrimaryControls::ACTIVATE_SECONDARY_CONTROLS | x86::PrimaryControls::HLT_EXITING |
                       x86::PrimaryControls::UNCONDITIONAL_IO_EXITING;
    uint32_t secondary = x86::SecondaryControls::ENABLE_EPT | x86::SecondaryControls::ENABLE_VPID |
                         x86::SecondaryControls::UNRESTRICTED_GUEST | x86::SecondaryControls::ENABLE_RDTSCP;
    uint32_t pin = x86::PinControls::EXTERNAL_INTERRUPT_EXITING | x86::PinControls::NMI_EXITING;

    // write(field, value) for each field that is not 0.
    template <class Write>
    void fill(Write write) const {
        controls(write);
        host(write);
        guest(write);
        guest_segments(write);
    }

  private:
    using F = x86::VmcsField;

    template <class Write>
    void controls(Write write) const {
        using x86::EntryControls;
        using x86::ExitControls;
        namespace cap = capability;
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS, cap::kPin.adjust({{pin}}).raw);
        write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, cap::kPrimary.adjust({{primary}}).raw);
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, cap::kSecondary.adjust({{secondary}}).raw);
        write(F::VM_EXIT_CONTROLS,
              cap::kExit
                  .adjust({{ExitControls::HOST_ADDRESS_SPACE_SIZE | ExitControls::SAVE_IA32_EFER |
                            ExitControls::LOAD_IA32_EFER | ExitControls::SAVE_IA32_PAT |
                            ExitControls::LOAD_IA32_PAT | ExitControls::SAVE_DEBUG_CONTROLS |
                            ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT}})
                  .raw);
        write(F::VM_ENTRY_CONTROLS,
              cap::kEntry
                  .adjust({{EntryControls::IA32E_MODE_GUEST | EntryControls::LOAD_IA32_EFER |
                            EntryControls::LOAD_IA32_PAT | EntryControls::LOAD_DEBUG_CONTROLS}})
                  .raw);
        write(F::EPT_POINTER, eptp);
        write(F::VPID, 1);
        write(F::VMCS_LINK_POINTER, ~uint64_t{0});
    }

    template <class Write>
    void host(Write write) const {
        constexpr uint64_t kBase = RootState::kKernelBase;
        write(F::HOST_CR0, RootState::kDefaultCr0);
        write(F::HOST_CR3, 0x1000);
        write(F::HOST_CR4, RootState::kDefaultCr4 | x86::cr4::VMXE);
        write(F::HOST_IA32_EFER, x86::efer::SCE | x86::efer::LME | x86::efer::LMA | x86::efer::NXE);
        write(F::HOST_IA32_PAT, x86::kPatReset);
        write(F::HOST_CS_SELECTOR, 0x08);
        for (const F field : {F::HOST_ES_SELECTOR, F::HOST_SS_SELECTOR, F::HOST_DS_SELECTOR,
                              F::HOST_FS_SELECTOR, F::HOST_GS_SELECTOR}) {
            write(field, 0x10);
        }
        write(F::HOST_TR_SELECTOR, 0x40);
        write(F::HOST_FS_BASE, kBase + 0x3000);
        write(F::HOST_GS_BASE, kBase + 0x4000);
        write(F::HOST_TR_BASE, kBase + 0x5000);
        write(F::HOST_GDTR_BASE, kBase + 0x1000);
        write(F::HOST_IDTR_BASE, kBase + 0x2000);
        write(F::HOST_RSP, kBase + 0x8000);
        write(F::HOST_RIP, kBase + 0x9000);
    }

    template <class Write>
    void guest(Write write) const {
        write(F::GUEST_CR0, x86::cr0::PE | x86::cr0::ET | x86::cr0::NE | x86::cr0::WP | x86::cr0::PG);
        write(F::GUEST_CR3, guest_cr3);
        write(F::GUEST_CR4, x86::cr4::PAE | x86::cr4::VMXE | x86::cr4::OSFXSR | x86::cr4::OSXMMEXCPT);
        write(F::GUEST_IA32_EFER, x86::efer::LME | x86::efer::LMA | x86::efer::SCE | x86::efer::NXE);
        write(F::GUEST_IA32_PAT, x86::kPatReset);
        write(F::GUEST_DR7, x86::dr7::kReset);
        write(F::GUEST_RIP, guest_rip);
        write(F::GUEST_RSP, guest_rsp);
        write(F::GUEST_RFLAGS, 2);
        write(F::GUEST_GDTR_BASE, gdt);
        write(F::GUEST_GDTR_LIMIT, 0x7f);
    }

    template <class Write>
    void guest_segments(Write write) const {
        constexpr F kSelectors[] = {F::GUEST_ES_SELECTOR, F::GUEST_SS_SELECTOR, F::GUEST_DS_SELECTOR,
                                    F::GUEST_FS_SELECTOR, F::GUEST_GS_SELECTOR};
        constexpr F kLimits[] = {F::GUEST_ES_LIMIT, F::GUEST_SS_LIMIT, F::GUEST_DS_LIMIT, F::GUEST_FS_LIMIT,
                                 F::GUEST_GS_LIMIT};
        constexpr F kRights[] = {F::GUEST_ES_ACCESS_RIGHTS, F::GUEST_SS_ACCESS_RIGHTS,
                                 F::GUEST_DS_ACCESS_RIGHTS, F::GUEST_FS_ACCESS_RIGHTS,
                                 F::GUEST_GS_ACCESS_RIGHTS};
        for (const F field : kSelectors) write(field, 0x10);
        for (const F field : kLimits) write(field, 0xffffffff);
        for (const F field : kRights) write(field, 0xc093);
        write(F::GUEST_CS_SELECTOR, 0x08);
        write(F::GUEST_CS_LIMIT, 0xffffffff);
        write(F::GUEST_CS_ACCESS_RIGHTS, 0xa09b);
        write(F::GUEST_LDTR_ACCESS_RIGHTS, x86::AccessRights::kUnusable);
        write(F::GUEST_TR_SELECTOR, 0x30);
        write(F::GUEST_TR_LIMIT, 0x67);
        write(F::GUEST_TR_ACCESS_RIGHTS, 0x8b);
    }
};

}  // namespace vtless::sim
