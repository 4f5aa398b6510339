// SPDX-License-Identifier: MIT
// Instructions of the guest, under several sets of controls. SDM Vol. 3C "VMX Non-Root Operation" (26).
#include "tests/probe/image/probe.h"

#include "isa/x86/vmx_controls.h"

namespace probe {
namespace {

using vtless::x86::PinControls;
using vtless::x86::PrimaryControls;
using vtless::x86::SecondaryControls;

extern "C" const uint64_t guest_snippets[], guest_snippets_end[];

constexpr uint32_t kBase = PrimaryControls::ACTIVATE_SECONDARY_CONTROLS;

void controls(uint32_t primary, uint32_t secondary) {
    set_controls(Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, kBase | primary);
    set_controls(Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, secondary);
}

void nothing_exits() { controls(PrimaryControls::USE_MSR_BITMAPS, SecondaryControls::ENABLE_RDTSCP); }

void all_exits() {
    using P = PrimaryControls;
    using S = SecondaryControls;
    controls(P::HLT_EXITING | P::INVLPG_EXITING | P::MWAIT_EXITING | P::RDPMC_EXITING | P::RDTSC_EXITING |
                 P::CR3_LOAD_EXITING | P::CR3_STORE_EXITING | P::CR8_LOAD_EXITING | P::CR8_STORE_EXITING |
                 P::MOV_DR_EXITING | P::UNCONDITIONAL_IO_EXITING | P::MONITOR_EXITING | P::PAUSE_EXITING,
             S::DESCRIPTOR_TABLE_EXITING | S::WBINVD_EXITING | S::ENABLE_RDTSCP | S::RDRAND_EXITING |
                 S::RDSEED_EXITING);
}

void owned_control_registers() {
    nothing_exits();
    set(Field::CR0_GUEST_HOST_MASK, ~0ull);
    set(Field::CR0_READ_SHADOW, baseline(Field::GUEST_CR0));
    set(Field::CR4_GUEST_HOST_MASK, ~0ull);
    set(Field::CR4_READ_SHADOW, baseline(Field::GUEST_CR4));
}

void shadowed_control_registers() {
    nothing_exits();
    set(Field::CR0_GUEST_HOST_MASK, ~0ull);
    set(Field::CR0_READ_SHADOW, ~baseline(Field::GUEST_CR0));
    set(Field::CR4_GUEST_HOST_MASK, 0x80);
    set(Field::CR4_READ_SHADOW, 0x80);
}

void exceptions_delivered() {
    nothing_exits();
    set(Field::EXCEPTION_BITMAP, 0);
}

void with_ept() {
    controls(PrimaryControls::USE_MSR_BITMAPS,
             SecondaryControls::ENABLE_EPT | SecondaryControls::ENABLE_VPID |
                 SecondaryControls::UNRESTRICTED_GUEST | SecondaryControls::ENABLE_RDTSCP);
    set(Field::VPID, 1);
}

void traced() { controls(PrimaryControls::MONITOR_TRAP_FLAG | PrimaryControls::USE_MSR_BITMAPS, 0); }

void user_mode() {
    all_exits();
    set(Field::GUEST_CS_SELECTOR, 0x1b);
    set(Field::GUEST_SS_SELECTOR, 0x13);
    set(Field::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    for (const Field data :
         {Field::GUEST_ES_ACCESS_RIGHTS, Field::GUEST_SS_ACCESS_RIGHTS, Field::GUEST_DS_ACCESS_RIGHTS,
          Field::GUEST_FS_ACCESS_RIGHTS, Field::GUEST_GS_ACCESS_RIGHTS})
        set(data, 0xc0f3);
}

void windows() {
    all_exits();
    set_controls(Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
                 kBase | PrimaryControls::INTERRUPT_WINDOW_EXITING | PrimaryControls::USE_MSR_BITMAPS);
}

void nmi_window() {
    set_controls(Field::PIN_BASED_VM_EXECUTION_CONTROLS, PinControls::NMI_EXITING |
                                                             PinControls::VIRTUAL_NMIS |
                                                             PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    set_controls(Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
                 kBase | PrimaryControls::NMI_WINDOW_EXITING | PrimaryControls::USE_MSR_BITMAPS);
    set(Field::GUEST_INTERRUPTIBILITY_STATE, 8);
}

void no_exceptions_no_msr_bitmap() {
    controls(0, SecondaryControls::DESCRIPTOR_TABLE_EXITING);
    set(Field::EXCEPTION_BITMAP, 0);
}

constexpr void (*kConfigurations[])() = {nothing_exits,
                                         all_exits,
                                         owned_control_registers,
                                         shadowed_control_registers,
                                         exceptions_delivered,
                                         with_ept,
                                         traced,
                                         user_mode,
                                         windows,
                                         nmi_window,
                                         no_exceptions_no_msr_bitmap};

// #PF: PFEC mask and match with the bitmap's bit. SDM Vol. 3C "Exception Bitmap" (25.6.3).
void page_fault_rows(const uint64_t* faulting) {
    for (unsigned wanted = 0; wanted < 2; ++wanted) {
        for (unsigned mask = 0; mask < 8; ++mask) {
            for (unsigned match = 0; match < 8; ++match) {
                begin_row();
                set(Field::EXCEPTION_BITMAP, wanted << 14);
                set(Field::PAGE_FAULT_ERROR_CODE_MASK, mask);
                set(Field::PAGE_FAULT_ERROR_CODE_MATCH, match);
                set(Field::GUEST_RIP, *faulting);
                key("pfec", wanted, mask, match);
                enter_and_report();
            }
        }
    }
}

// EPT entries for one page that the guest reads, writes, or runs. SDM Vol. 3C 29.3.3.
void ept_rows() {
    constexpr uint64_t kAt = 0x600000;
    for (unsigned low = 0; low < 0x100; ++low) {
        for (unsigned access = 0; access < 3; ++access) {
            begin_row();
            with_ept();
            *reinterpret_cast<volatile uint32_t*>(kAt) = 0xc1010f;  // VMCALL
            set(Field::GUEST_RIP, access == 2 ? kAt : address(guest_page_accesses) + 16 * access);
            auto& entry = ept_entry(kAt);
            const uint64_t before = entry;
            entry = (before & ~0xffull) | low;
            const uint64_t descriptor[2] = {};
            vmx_invept(2, descriptor);
            key("ept", low, access);
            enter_and_report();
            entry = before;
            vmx_invept(2, descriptor);
        }
    }
}

}  // namespace

void exit_rows() {
    unsigned configuration = 0;
    for (const auto configure : kConfigurations) {
        unsigned number = 0;
        for (const uint64_t* at = guest_snippets; at != guest_snippets_end; ++at) {
            begin_row();
            configure();
            set(Field::GUEST_RIP, *at);
            for (uint64_t& word : scratch) word = 0;
            key("exit", configuration, number++);
            enter_and_report();
        }
        ++configuration;
    }
    page_fault_rows(&guest_page_faults);
    ept_rows();
}

}  // namespace probe
