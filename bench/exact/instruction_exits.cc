// SPDX-License-Identifier: MIT
// Instructions that exit, each by its control or always.
#include <array>

#include "bench/exact/operations.h"
#include "bench/exact/steps.h"
#include "isa/x86/control_regs.h"

VTLESS_DECLARE_GUEST(exit_invlpg);
VTLESS_DECLARE_GUEST(exit_rdpmc);
VTLESS_DECLARE_GUEST(exit_rdtsc);
VTLESS_DECLARE_GUEST(exit_rdtscp);
VTLESS_DECLARE_GUEST(exit_mov_dr);
VTLESS_DECLARE_GUEST(exit_pause);
VTLESS_DECLARE_GUEST(exit_rdrand);
VTLESS_DECLARE_GUEST(exit_rdseed);
VTLESS_DECLARE_GUEST(exit_sgdt);
VTLESS_DECLARE_GUEST(exit_sldt);
VTLESS_DECLARE_GUEST(exit_invd);
VTLESS_DECLARE_GUEST(exit_wbinvd);
VTLESS_DECLARE_GUEST(exit_cr0_load);
VTLESS_DECLARE_GUEST(exit_cr3_load);
VTLESS_DECLARE_GUEST(exit_cr3_store);
VTLESS_DECLARE_GUEST(exit_clts);
VTLESS_DECLARE_GUEST(exit_lmsw);
VTLESS_DECLARE_GUEST(fault_monitor);
VTLESS_DECLARE_GUEST(fault_mwait);
VTLESS_DECLARE_GUEST(fault_vmclear);
VTLESS_DECLARE_GUEST(fault_vmlaunch);
VTLESS_DECLARE_GUEST(fault_vmptrld);
VTLESS_DECLARE_GUEST(fault_vmptrst);
VTLESS_DECLARE_GUEST(fault_vmread);
VTLESS_DECLARE_GUEST(fault_vmresume);
VTLESS_DECLARE_GUEST(fault_vmwrite);
VTLESS_DECLARE_GUEST(fault_vmxoff);
VTLESS_DECLARE_GUEST(fault_vmxon);
VTLESS_DECLARE_GUEST(fault_invept);
VTLESS_DECLARE_GUEST(fault_invvpid);
VTLESS_DECLARE_GUEST(fault_vmfunc);
VTLESS_DECLARE_GUEST(fault_cr4_load);
VTLESS_DECLARE_GUEST(task_switch);

namespace vtless::bench {

namespace {

using R = x86::ExitReason;

void pause_loop(CountedGuest& guest) {
    control<0, Secondary::PAUSE_LOOP_EXITING>(guest);
    guest->backend().write_field(F::PLE_GAP, 50);
    guest->backend().write_field(F::PLE_WINDOW, 1000);
}
// The host says that CR0.TS is its own, and that the guest reads 1.
void own_task_switched(CountedGuest& guest) {
    set_bits(guest, F::CR0_GUEST_HOST_MASK, x86::cr0::TS);
    set_bits(guest, F::CR0_READ_SHADOW, x86::cr0::TS);
}
void clear_task_switched(CountedGuest& guest) {
    set_bits(guest, F::CR0_READ_SHADOW, x86::cr0::TS);
    guest->run_to<VmExit::Nothing>();
}
// LMSW of what is not there yet.
void set_task_switched(CountedGuest& guest) {
    Arch& backend = guest->backend();
    backend.write_field(F::CR0_READ_SHADOW, backend.read_field(F::CR0_READ_SHADOW) & ~x86::cr0::TS);
    guest->run_to<VmExit::Nothing>();
}
void task_switched_by_dx(CountedGuest& guest) {
    own_task_switched(guest);
    guest->set_gpr(x86::Gpr::RDX, x86::cr0::TS | x86::cr0::PE);
}
void load_cr3(CountedGuest& guest) {
    control<Primary::CR3_LOAD_EXITING>(guest);
    guest->set_gpr(x86::Gpr::RDX, GuestLayout::kPageTables);
}
void in_protected_mode(vmx::SetupConfig& config) {
    vmx::GuestEntryState state = vmx::GuestEntryState::protected_mode();
    state.segment(x86::SegmentRegister::TR) = {0x30, GuestLayout::kTss, 0x67, {0x8b}};
    state.gdtr = {GuestLayout::kGdt, 0x7f};
    config.entry_state = state;
}
void available_task(CountedGuest& guest) {
    guest->memory().put(GuestLayout::kGdt + 0x38, uint64_t{0x0000890000000067} | (GuestLayout::kTss + 0x1000)
                                                                                     << 16);
}

constexpr auto kUndefined = run_to<VmExit::Nothing>;  // the backend injects #UD

}  // namespace

std::span<const Operation> instruction_operations() {
    static const std::array all = {
        Operation{"cpuid", VTLESS_GUEST(cpuid_loop), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"hlt", VTLESS_GUEST(hlt_loop), nullptr, nullptr, run_to<VmExit::Halt>},
        Operation{"vmcall", VTLESS_GUEST(vmcall_loop), nullptr, nullptr, run_to<VmExit::Hypercall>},
        Operation{"xcr0_write", VTLESS_GUEST(xsetbv_loop), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"invlpg", VTLESS_GUEST(exit_invlpg), nullptr, control<Primary::INVLPG_EXITING>,
                  run_and_skip<R::INVLPG>},
        Operation{"rdpmc", VTLESS_GUEST(exit_rdpmc), nullptr, control<Primary::RDPMC_EXITING>,
                  run_and_skip<R::RDPMC>},
        Operation{"rdtsc", VTLESS_GUEST(exit_rdtsc), nullptr, control<Primary::RDTSC_EXITING>,
                  run_and_skip<R::RDTSC>},
        Operation{"rdtscp", VTLESS_GUEST(exit_rdtscp), nullptr, control<Primary::RDTSC_EXITING>,
                  run_and_skip<R::RDTSCP>},
        Operation{"mov_dr", VTLESS_GUEST(exit_mov_dr), nullptr, control<Primary::MOV_DR_EXITING>,
                  run_and_skip<R::MOV_DR>},
        Operation{"pause", VTLESS_GUEST(exit_pause), nullptr, control<Primary::PAUSE_EXITING>,
                  run_and_skip<R::PAUSE>},
        Operation{"pause_loop_1000", VTLESS_GUEST(exit_pause), nullptr, pause_loop, run_and_skip<R::PAUSE>},
        Operation{"rdrand", VTLESS_GUEST(exit_rdrand), nullptr, control<0, Secondary::RDRAND_EXITING>,
                  run_and_skip<R::RDRAND>},
        Operation{"rdseed", VTLESS_GUEST(exit_rdseed), nullptr, control<0, Secondary::RDSEED_EXITING>,
                  run_and_skip<R::RDSEED>},
        Operation{"sgdt", VTLESS_GUEST(exit_sgdt), nullptr, control<0, Secondary::DESCRIPTOR_TABLE_EXITING>,
                  run_and_skip<R::GDTR_IDTR_ACCESS>},
        Operation{"sldt", VTLESS_GUEST(exit_sldt), nullptr, control<0, Secondary::DESCRIPTOR_TABLE_EXITING>,
                  run_and_skip<R::LDTR_TR_ACCESS>},
        Operation{"invd", VTLESS_GUEST(exit_invd), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"wbinvd", VTLESS_GUEST(exit_wbinvd), nullptr, control<0, Secondary::WBINVD_EXITING>,
                  run_to<VmExit::Nothing>},
        Operation{"cr0_write", VTLESS_GUEST(exit_cr0_load), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"cr3_write", VTLESS_GUEST(exit_cr3_load), nullptr, load_cr3, run_to<VmExit::Nothing>},
        Operation{"cr3_read", VTLESS_GUEST(exit_cr3_store), nullptr, control<Primary::CR3_STORE_EXITING>,
                  run_to<VmExit::Nothing>},
        Operation{"clts", VTLESS_GUEST(exit_clts), nullptr, own_task_switched, clear_task_switched},
        Operation{"lmsw", VTLESS_GUEST(exit_lmsw), nullptr, task_switched_by_dx, set_task_switched},
        Operation{"cr4_write_refused", VTLESS_GUEST(fault_cr4_load), nullptr, nullptr,
                  run_to<VmExit::Nothing>},
        Operation{"monitor", VTLESS_GUEST(fault_monitor), nullptr, nullptr, kUndefined},
        Operation{"mwait", VTLESS_GUEST(fault_mwait), nullptr, nullptr, kUndefined},
        Operation{"vmclear", VTLESS_GUEST(fault_vmclear), nullptr, nullptr, kUndefined},
        Operation{"vmlaunch", VTLESS_GUEST(fault_vmlaunch), nullptr, nullptr, kUndefined},
        Operation{"vmptrld", VTLESS_GUEST(fault_vmptrld), nullptr, nullptr, kUndefined},
        Operation{"vmptrst", VTLESS_GUEST(fault_vmptrst), nullptr, nullptr, kUndefined},
        Operation{"vmread", VTLESS_GUEST(fault_vmread), nullptr, nullptr, kUndefined},
        Operation{"vmresume", VTLESS_GUEST(fault_vmresume), nullptr, nullptr, kUndefined},
        Operation{"vmwrite", VTLESS_GUEST(fault_vmwrite), nullptr, nullptr, kUndefined},
        Operation{"vmxoff", VTLESS_GUEST(fault_vmxoff), nullptr, nullptr, kUndefined},
        Operation{"vmxon", VTLESS_GUEST(fault_vmxon), nullptr, nullptr, kUndefined},
        Operation{"invept", VTLESS_GUEST(fault_invept), nullptr, nullptr, kUndefined},
        Operation{"invvpid", VTLESS_GUEST(fault_invvpid), nullptr, nullptr, kUndefined},
        Operation{"vmfunc", VTLESS_GUEST(fault_vmfunc), nullptr, control<0, Secondary::ENABLE_VM_FUNCTIONS>,
                  kUndefined},
        Operation{"task_switch", VTLESS_GUEST(task_switch), in_protected_mode, available_task,
                  run_to_unhandled<R::TASK_SWITCH>},
    };
    return all;
}

}  // namespace vtless::bench
