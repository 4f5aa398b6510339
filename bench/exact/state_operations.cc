// SPDX-License-Identifier: MIT
// What does not exit, between two exits that do; and the switch of a processor from one vCPU to another.
#include <array>

#include "bench/exact/ept_edit.h"
#include "bench/exact/operations.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/vmx_operation.h"

VTLESS_DECLARE_GUEST(quiet_cr0);
VTLESS_DECLARE_GUEST(quiet_cr4);
VTLESS_DECLARE_GUEST(quiet_cr8);
VTLESS_DECLARE_GUEST(quiet_dr);
VTLESS_DECLARE_GUEST(quiet_gdtr);
VTLESS_DECLARE_GUEST(quiet_invlpg_elsewhere);
VTLESS_DECLARE_GUEST(quiet_rdtsc);
VTLESS_DECLARE_GUEST(quiet_pause);
VTLESS_DECLARE_GUEST(quiet_rdrand);
VTLESS_DECLARE_GUEST(quiet_wbinvd);
VTLESS_DECLARE_GUEST(quiet_wrmsr);
VTLESS_DECLARE_GUEST(quiet_rdmsr);
VTLESS_DECLARE_GUEST(quiet_vmread);
VTLESS_DECLARE_GUEST(quiet_vmwrite);
VTLESS_DECLARE_GUEST(quiet_vmfunc);
VTLESS_DECLARE_GUEST(quiet_xsave);

namespace vtless::bench {

namespace {

constexpr uint32_t kPassedMsr = 0xc0000102;  // IA32_KERNEL_GS_BASE

void passed_msr(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RCX, kPassedMsr); }

void shadow_vmcs(CountedGuest& guest) {
    Arch& backend = guest->backend();
    const Hpa shadow = frame(guest);
    store<uint32_t>(guest, shadow, sim::capability::kRevision | sim::kShadowIndicator);
    backend.write_field(F::VMREAD_BITMAP_ADDRESS, frame(guest).value());
    backend.write_field(F::VMWRITE_BITMAP_ADDRESS, frame(guest).value());
    backend.write_field(F::VMCS_LINK_POINTER, shadow.value());
    control<0, Secondary::VMCS_SHADOWING>(guest);
    guest->set_gpr(x86::Gpr::RDX, x86::encoding(F::GUEST_CR3));
}
void two_epts(CountedGuest& guest) {
    const Hpa list = frame(guest);
    store(guest, list, guest->backend().read_field(F::EPT_POINTER));
    store(guest, list + 8, copy_eptp(guest));
    guest->backend().write_field(F::EPTP_LIST_ADDRESS, list.value());
    guest->backend().write_field(F::VM_FUNCTION_CONTROLS, 1);
    control<0, Secondary::ENABLE_VM_FUNCTIONS>(guest);
    guest->set_gpr(x86::Gpr::RCX, 0);
}
// One MSR each that VM exit stores, VM exit loads and VM entry loads.
void msr_areas(CountedGuest& guest) {
    Arch& backend = guest->backend();
    const Hpa area = frame(guest);
    store<uint64_t>(guest, area, kPassedMsr);
    for (const F field :
         {F::VM_EXIT_MSR_STORE_ADDRESS, F::VM_EXIT_MSR_LOAD_ADDRESS, F::VM_ENTRY_MSR_LOAD_ADDRESS})
        backend.write_field(field, area.value());
    for (const F field : {F::VM_EXIT_MSR_STORE_COUNT, F::VM_EXIT_MSR_LOAD_COUNT, F::VM_ENTRY_MSR_LOAD_COUNT})
        backend.write_field(field, 1);
}
void switch_away_and_back(CountedGuest& guest) {
    VTLESS_CHECK(guest->vcpu().unbind());
    VTLESS_CHECK(guest->vcpu().bind());
    guest->run_to<VmExit::Halt>();
}

Operation quiet(const char* name, std::span<const uint8_t> code, void (*prepare)(CountedGuest&) = nullptr) {
    return {name, code, nullptr, prepare, run_to<VmExit::IoWrite>};
}

}  // namespace

std::span<const Operation> state_operations() {
    static const std::array all = {
        quiet("guest_cr0_write", VTLESS_GUEST(quiet_cr0)),
        quiet("guest_cr4_write", VTLESS_GUEST(quiet_cr4)),
        quiet("guest_cr8", VTLESS_GUEST(quiet_cr8)),
        quiet("guest_dr", VTLESS_GUEST(quiet_dr)),
        quiet("guest_gdtr", VTLESS_GUEST(quiet_gdtr)),
        quiet("guest_invlpg_elsewhere", VTLESS_GUEST(quiet_invlpg_elsewhere)),
        quiet("guest_rdtsc", VTLESS_GUEST(quiet_rdtsc)),
        quiet("guest_pause", VTLESS_GUEST(quiet_pause)),
        quiet("guest_rdrand", VTLESS_GUEST(quiet_rdrand)),
        quiet("guest_wbinvd", VTLESS_GUEST(quiet_wbinvd)),
        quiet("guest_msr_read", VTLESS_GUEST(quiet_rdmsr), passed_msr),
        quiet("guest_msr_write", VTLESS_GUEST(quiet_wrmsr), passed_msr),
        quiet("guest_xsave_and_xrstor", VTLESS_GUEST(quiet_xsave), run_to<VmExit::Nothing>),
        quiet("guest_vmread_of_shadow", VTLESS_GUEST(quiet_vmread), shadow_vmcs),
        quiet("guest_vmwrite_of_shadow", VTLESS_GUEST(quiet_vmwrite), shadow_vmcs),
        quiet("guest_vmfunc_to_other_ept", VTLESS_GUEST(quiet_vmfunc), two_epts),
        Operation{"msr_areas", VTLESS_GUEST(hlt_loop), nullptr, msr_areas, run_to<VmExit::Halt>},
        Operation{"unbind_and_bind", VTLESS_GUEST(hlt_loop), nullptr, nullptr, switch_away_and_back},
    };
    return all;
}

}  // namespace vtless::bench
