// SPDX-License-Identifier: MIT
// VM exits of single instructions, and what the guest sees of them.
#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/msr.h"
#include "isa/x86/vmx_controls.h"
#include "tests/conformance/support/suite.h"

namespace vtless::conformance {
namespace {

using x86::ExitReason;
using x86::Gpr;
using x86::VmcsField;

CONFORMANCE_SUITE(Exits);

CONFORMANCE_CASE(Exits, Cpuid) {
    guest.start(
        "cpuid", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): CPUID does. Vol. 2A "
        "\"CPUID\": the instruction clears the upper 32 bits of RAX, RBX, RCX and RDX.");
    if (guest.expect_handled(ExitReason::CPUID)) {
        guest.expect_equal("length", guest.raw().instruction_length, 2);
        guest.expect_equal("RIP", guest.rip(), guest.symbol("after"));
    }
    guest.expect_end({{Gpr::RAX, 0}, {Gpr::RBX, 0}, {Gpr::RCX, 0}, {Gpr::RDX, 0}, {Gpr::RSI, 1}});
}

CONFORMANCE_CASE(Exits, CpuidInRealMode) {
    guest.start("cpuid_in_real_mode", Mode::Real,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): CPUID does, in "
                "every mode. "
                "Vol. 2A \"CPUID\": EAX 80000000H gives the highest extended leaf.");
    if (guest.expect_handled(ExitReason::CPUID))
        guest.expect_equal("RIP", guest.rip(), guest.symbol("after"));
    guest.expect_handled(ExitReason::CPUID);
    guest.expect_end({{Gpr::RAX, 1}});
}

CONFORMANCE_CASE(Exits, Hlt) {
    guest.start("hlt", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): HLT does if the "
                "HLT-exiting "
                "control is 1. The backend's Halt leaves RIP after it.");
    guest.expect(VmExit::Halt{});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("halted"));
    if (guest.sees_vmcs()) guest.expect_field(VmcsField::GUEST_ACTIVITY_STATE, 0);
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, MonitorTrapFlag) {
    guest.start(
        "monitor_trap", Mode::Long,
        "SDM Vol. 3C \"Monitor Trap Flag\" (26.5.2): an MTF VM exit is pending after each instruction, "
        "after each iteration of a REP string instruction, and after the delivery of a fault or a "
        "software interrupt before the handler's first instruction.");
    guest.boot();
    constexpr auto kControls = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(kControls, guest.field(kControls) | x86::PrimaryControls::MONITOR_TRAP_FLAG);
    const uint64_t rep = guest.symbol("rep");
    const uint64_t boundaries[] = {guest.symbol("start") + 5,
                                   rep,
                                   rep,
                                   guest.symbol("undefined"),
                                   guest.symbol("vector_6"),
                                   guest.symbol("return_6"),
                                   guest.symbol("after"),
                                   guest.symbol("vector_48"),
                                   guest.symbol("end")};
    for (const uint64_t rip : boundaries) {
        guest.expect_unhandled(ExitReason::MONITOR_TRAP_FLAG);
        guest.expect_equal("RIP", guest.rip(), rip);
    }
    guest.expect_end({{Gpr::RCX, 0}, {Gpr::RDI, 0x24002}});
}

CONFORMANCE_CASE(Exits, HltThenInterrupt) {
    guest.start(
        "hlt_wakes_by_interrupt", Mode::Long,
        "SDM Vol. 2A \"HLT\": an interrupt resumes execution; the saved instruction pointer points to the "
        "instruction following HLT.");
    guest.expect(VmExit::Halt{});
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_end({{Gpr::RSI, 1}, {Gpr::RDI, guest.symbol("halted")}, {Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Exits, HltWithoutExiting) {
    guest.start(
        "hlt_wakes_by_interrupt", Mode::Long,
        "SDM Vol. 3C \"Guest Non-Register State\" (25.4.2), \"Saving Non-Register State\" (28.3.4): a VM "
        "exit "
        "from the HLT state saves activity state 1. \"Activity State\" (27.7.2): an injected interrupt makes "
        "the processor active.");
    guest.controls().hlt_exiting = false;
    guest.interrupt_host_after(5000, 0x41);
    guest.expect(VmExit::ExternalInterrupt{0x41});
    guest.expect_field(VmcsField::GUEST_ACTIVITY_STATE, 1);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("halted"));
    guest.interrupt_host_after(5000, 0x42);
    guest.expect(VmExit::ExternalInterrupt{0x42});
    guest.expect_field(VmcsField::GUEST_ACTIVITY_STATE, 1);
    guest.good(guest.backend().inject_interrupt(32));
    guest.expect_end({{Gpr::RSI, 1}, {Gpr::RDI, guest.symbol("halted")}, {Gpr::RBX, 2}});
    guest.expect_field(VmcsField::GUEST_ACTIVITY_STATE, 0);
}

CONFORMANCE_CASE(Exits, Vmcall) {
    guest.start(
        "vmcall", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): VMCALL does. Vol. 3C "
        "\"VMCALL\": in non-root operation nothing else happens, so the registers are the guest's.");
    guest.needs(&Capabilities::all_hypercalls);
    guest.expect(VmExit::Hypercall{0x1111, {0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777}});
    guest.expect_equal("RIP", guest.rip(), guest.symbol("after"));
    guest.backend().set_return_value(0xabcdef);
    guest.expect_end({{Gpr::RAX, 0xabcdef}, {Gpr::RDI, 0x2222}});
}

CONFORMANCE_CASE(Exits, VmcallAtCpl3) {
    guest.start(
        "vmcall_at_cpl3", Mode::Long,
        "SDM Vol. 3C \"VMCALL\": in VMX non-root operation there is a VM exit before CPL is looked at.",
        Ring::User);
    guest.needs(&Capabilities::all_hypercalls);
    const VmExit exit = guest.run();
    guest.expect_equal("hypercall", exit.is<VmExit::Hypercall>(), true);
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, PowerOffPort) {
    guest.start("power_off", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): OUT does if its "
                "bitmap bit is "
                "1. AxVCpu 0.3: 2000H to port 604H is SystemDown.");
    guest.expect(VmExit::SystemDown{});
}

CONFORMANCE_CASE(Exits, Rdmsr) {
    guest.start("rdmsr", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): RDMSR does if its "
                "bit in the "
                "bitmap is 1. Vol. 2B \"RDMSR\": EDX:EAX is loaded, the upper halves are cleared.");
    guest.expect(VmExit::SysRegRead{0x8b, 0});
    guest.good(guest.backend().complete_sysreg_read(0x1122334455667788));
    guest.expect_end({{Gpr::RAX, 0x55667788}, {Gpr::RDX, 0x11223344}});
}

CONFORMANCE_CASE(Exits, RdmsrOfNoMsr) {
    guest.start(
        "rdmsr", Mode::Long,
        "SDM Vol. 2B \"RDMSR\": a reserved or unimplemented MSR address gives #GP(0), a fault: the saved RIP "
        "is that of the instruction.");
    guest.expect(VmExit::SysRegRead{0x8b, 0});
    guest.good(guest.backend().fail_sysreg_access());
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("rdmsr")}, {Gpr::RAX, ~uint64_t{0}}});
}

CONFORMANCE_CASE(Exits, RdmsrAtCpl3) {
    guest.start("rdmsr_at_cpl3", Mode::Long,
                "SDM Vol. 3C \"Relative Priority of Faults and VM Exits\" (26.1.1): faults based on "
                "privilege level come "
                "before VM exits. Vol. 2B \"RDMSR\": #GP(0) if CPL is not 0.",
                Ring::User);
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("rdmsr")}});
}

CONFORMANCE_CASE(Exits, Wrmsr) {
    guest.start("wrmsr", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): WRMSR does if its "
                "bit in the "
                "bitmap is 1. Vol. 2D \"WRMSR\": the value is EDX:EAX.");
    guest.expect(VmExit::SysRegWrite{0x8b, 0x5566778811223344});
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, WrmsrRefused) {
    guest.start("wrmsr", Mode::Long,
                "SDM Vol. 2D \"WRMSR\": a reserved or unimplemented MSR address gives #GP(0), a fault.");
    guest.expect(VmExit::SysRegWrite{0x8b, 0x5566778811223344});
    guest.good(guest.backend().fail_sysreg_access());
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("wrmsr")}});
}

CONFORMANCE_CASE(Exits, MsrPassThrough) {
    guest.start(
        "msr_pass_through", Mode::Long,
        "SDM Vol. 3C \"MSR-Bitmap Address\" (25.6.9): no exit if the MSR's bit is 0. Vol. 2D \"WRMSR\": a "
        "non-canonical address for IA32_LSTAR gives #GP(0).");
    guest.expect_end(
        {{Gpr::RBX, 0x12345678}, {Gpr::RBP, 0xffff8000}, {Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Exits, Efer) {
    guest.start("efer", Mode::Long,
                "SDM Vol. 4 table 2-2: IA32_EFER holds SCE, LME, LMA and NXE; Vol. 2D \"WRMSR\": setting a "
                "reserved bit "
                "gives #GP(0).");
    guest.expect_handled(ExitReason::WRMSR);
    guest.expect_handled(ExitReason::WRMSR);
    guest.expect_end({{Gpr::RBX, 0xd01}, {Gpr::RBP, 0x501}, {Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Exits, Cr0ReadShadow) {
    guest.start("cr0_shadow", Mode::Long,
                "SDM Vol. 3C \"Guest/Host Masks and Read Shadows for CR0 and CR4\" (25.6.6): bits set in the "
                "mask are "
                "read from the shadow, and a write that differs from the shadow there causes a VM exit; "
                "other bits are "
                "the guest's.");
    guest.state().cr0 &= ~x86::cr0::NE;
    const uint64_t cr0 = guest.state().cr0;
    if (guest.expect_handled(ExitReason::CONTROL_REGISTER_ACCESS)) {
        const x86::CrAccessQualification to_cr0{0, x86::CrAccessType::MOV_TO, false, Gpr::RAX, 0};
        guest.expect_equal("qualification", guest.raw().exit_qualification, to_cr0.encode());
        guest.expect_equal("NE of the real CR0", guest.field(VmcsField::GUEST_CR0) & x86::cr0::NE,
                           x86::cr0::NE);
    }
    guest.expect_end(
        {{Gpr::RBX, cr0}, {Gpr::RCX, cr0 | x86::cr0::TS}, {Gpr::RDX, cr0}, {Gpr::RSI, cr0 | x86::cr0::NE}});
}

CONFORMANCE_CASE(Exits, Cr0Faults) {
    guest.start("cr0_faults", Mode::Long,
                "SDM Vol. 2B \"MOV-Move to/from Control Registers\": #GP(0) for PG without PE, NW without "
                "CD, clearing "
                "PG in 64-bit mode, and setting any of CR0 bits 63:32.");
    guest.needs(guest.processor().unrestricted_guest, "unrestricted guest: PE and PG are the hypervisor's");
    guest.expect_handled(
        ExitReason::CONTROL_REGISTER_ACCESS);  // bits 63:32 are fixed to 0: the mask has them
    guest.expect_end({{Gpr::RDI, 4}, {Gpr::RSI, 0}, {Gpr::RAX, 0}});
}

CONFORMANCE_CASE(Exits, CltsLmswSmswOfHostBits) {
    guest.start(
        "clts_lmsw_smsw", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): CLTS exits if TS is set in "
        "mask and shadow, LMSW if a host-owned bit would differ from the shadow. \"Changes to Instruction "
        "Behavior\" (26.3): SMSW reads the shadow there.");
    guest.boot();
    const uint64_t cr0 = guest.field(VmcsField::GUEST_CR0);
    guest.set_field(VmcsField::CR0_GUEST_HOST_MASK,
                    guest.field(VmcsField::CR0_GUEST_HOST_MASK) | x86::cr0::TS);
    guest.set_field(VmcsField::CR0_READ_SHADOW, cr0 | x86::cr0::TS);
    guest.expect_handled(ExitReason::CONTROL_REGISTER_ACCESS);
    const x86::CrAccessQualification clts{0, x86::CrAccessType::CLTS, false, Gpr::RAX, 0};
    guest.expect_equal("CLTS", guest.raw().exit_qualification, clts.encode());
    guest.expect_handled(ExitReason::CONTROL_REGISTER_ACCESS);
    const x86::CrAccessQualification lmsw{0, x86::CrAccessType::LMSW, false, Gpr::RAX, 0xb};
    guest.expect_equal("LMSW", guest.raw().exit_qualification, lmsw.encode());
    guest.expect_end(
        {{Gpr::RCX, cr0 & 0xffffffff}, {Gpr::RDX, (cr0 & 0xffffffff) | x86::cr0::TS | x86::cr0::MP}});
    guest.expect_equal("TS that SMSW saw", guest.gpr(Gpr::RBX) & x86::cr0::TS, x86::cr0::TS);
}

CONFORMANCE_CASE(Exits, LmswKeepsPe) {
    guest.start("lmsw_keeps_pe", Mode::Long, "SDM Vol. 2A \"LMSW\": it can set PE but cannot clear it.");
    guest.expect_end({{Gpr::RAX, 1}});
}

CONFORMANCE_CASE(Exits, Cr4HidesVmxe) {
    guest.start(
        "cr4_hides_vmxe", Mode::Long,
        "SDM Vol. 3C \"Restrictions on VMX Operation\" (24.8): CR4.VMXE is fixed to 1. \"Guest/Host Masks\" "
        "(25.6.6): the guest reads the shadow, and a write that differs exits; a guest without VMX gets "
        "#GP(0).");
    guest.expect_handled(ExitReason::CONTROL_REGISTER_ACCESS);
    const uint64_t cr4 = guest.state().cr4;
    guest.expect_end({{Gpr::RBX, cr4},
                      {Gpr::RCX, cr4 | x86::cr4::PGE},
                      {Gpr::RSI, 0},
                      {Gpr::RDI, guest.symbol("bad")},
                      {Gpr::RDX, cr4 | x86::cr4::PGE}});
}

CONFORMANCE_CASE(Exits, MovToCr3) {
    guest.start(
        "mov_cr3", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): MOV to CR3 exits only if "
        "CR3-load exiting is 1 and the value is no CR3-target value.");
    guest.needs(guest.processor().quiet_cr3, "MOV to CR3 that does not exit");
    guest.expect_out(0x10, AccessWidth::Byte, 0);
    const auto primary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(primary, guest.field(primary) | x86::PrimaryControls::CR3_LOAD_EXITING);
    guest.expect_handled(ExitReason::CONTROL_REGISTER_ACCESS);
    const x86::CrAccessQualification to_cr3{3, x86::CrAccessType::MOV_TO, false, Gpr::R9, 0};
    guest.expect_equal("qualification", guest.raw().exit_qualification, to_cr3.encode());
    guest.expect_end({{Gpr::RBX, layout::kTopTable}, {Gpr::RSI, 1}});
}

CONFORMANCE_CASE(Exits, Cr3TargetDoesNotExit) {
    guest.start(
        "mov_cr3", Mode::Long,
        "SDM Vol. 3C \"CR3-Target Controls\" (25.6.7): MOV to CR3 does not exit if its operand is one of the "
        "CR3-target values.");
    guest.needs(guest.processor().cr3_targets != 0, "CR3-target values");
    guest.needs(guest.processor().quiet_cr3, "MOV to CR3 that does not exit");
    guest.expect_out(0x10, AccessWidth::Byte, 0);
    const auto primary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(primary, guest.field(primary) | x86::PrimaryControls::CR3_LOAD_EXITING);
    guest.set_field(VmcsField::CR3_TARGET_VALUE_0, layout::kTopTable);
    guest.set_field(VmcsField::CR3_TARGET_COUNT, 1);
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, Cr8) {
    guest.start(
        "cr8", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): MOV to and from CR8 exit "
        "only "
        "if the controls say so. Vol. 2B \"MOV-Move to/from Control Registers\": CR8 bits 63:4 give #GP(0).");
    guest.expect_end({{Gpr::RBX, 5}, {Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Exits, Xsetbv) {
    guest.start(
        "xsetbv", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): XSETBV does. Vol. 2D "
        "\"XSETBV\": #GP(0) if bit 0 of the value is clear.");
    guest.needs(guest.processor().xsave, "XSAVE");
    guest.expect_handled(ExitReason::XSETBV);
    guest.expect_handled(ExitReason::XSETBV);
    guest.expect_end({{Gpr::RBX, 3}, {Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Exits, Invlpg) {
    guest.start("invlpg", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): INVLPG does if "
                "INVLPG exiting "
                "is 1. \"Basic VM-Exit Information\" (28.2.1): the qualification is the linear address.");
    guest.expect_out(0x10, AccessWidth::Byte, 0);
    const auto primary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(primary, guest.field(primary) | x86::PrimaryControls::INVLPG_EXITING);
    guest.expect_unhandled(ExitReason::INVLPG);
    guest.expect_equal("qualification", guest.raw().exit_qualification, 0x21234);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("invlpg"));
}

CONFORMANCE_CASE(Exits, CacheInstructions) {
    guest.start("cache_instructions", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): INVD does; "
                "(26.1.3): WBINVD "
                "and PAUSE only if their controls are 1.");
    guest.expect_handled(ExitReason::INVD);
    guest.expect_end({{Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Exits, VmxInstructions) {
    guest.start(
        "vmx_instructions", Mode::Long,
        "SDM Vol. 3C \"Instructions That Cause VM Exits Unconditionally\" (26.1.2): all VMX instructions do. "
        "They are #UD in a guest that is not offered VMX.");
    for (ExitReason reason :
         {ExitReason::VMXOFF, ExitReason::VMLAUNCH, ExitReason::VMRESUME, ExitReason::VMXON,
          ExitReason::VMCLEAR, ExitReason::VMPTRLD, ExitReason::VMPTRST, ExitReason::VMREAD,
          ExitReason::VMWRITE, ExitReason::INVEPT, ExitReason::INVVPID})
        guest.expect_handled(reason);
    guest.expect_end({{Gpr::RBX, 11}});
}

CONFORMANCE_CASE(Exits, MonitorAndMwait) {
    guest.start("monitor_mwait", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): MONITOR and MWAIT "
                "do if their "
                "controls are 1. They are #UD in a guest that is not offered them.");
    guest.expect_handled(ExitReason::MONITOR);
    guest.expect_handled(ExitReason::MWAIT);
    guest.expect_end({{Gpr::RBX, 2}});
}

CONFORMANCE_CASE(Exits, RdtscIsMonotonic) {
    guest.start(
        "rdtsc", Mode::Long,
        "SDM Vol. 3B \"Time-Stamp Counter\" (18.17): the counter is monotonic and each read gives a unique "
        "value. Vol. 3C \"Changes to Instruction Behavior\" (26.3): TSC offsetting adds the offset.");
    guest.controls().tsc_offset = uint64_t{7} << 32;
    guest.expect_end({{Gpr::RSI, 7}});
    const uint64_t passed = guest.gpr(Gpr::RAX);
    guest.expect_equal("time went on by a little", passed > 0 && passed < 10000, true);
}

CONFORMANCE_CASE(Exits, RdtscAtCpl3) {
    guest.start("rdtsc_at_cpl3", Mode::Long,
                "SDM Vol. 2B \"RDTSC\": #GP(0) if CR4.TSD is set and CPL is not 0.");
    guest.expect_end({{Gpr::RSI, 0}, {Gpr::RDI, guest.symbol("rdtsc")}});
}

CONFORMANCE_CASE(Exits, TripleFault) {
    guest.start(
        "triple_fault", Mode::Long,
        "SDM Vol. 3C \"Other Causes of VM Exits\" (26.2): a fault while a double fault is being delivered is "
        "a "
        "VM exit. \"Saving RIP\" (28.3.3): RIP is that of the instruction that caused the original event.");
    guest.state().idtr.limit = 0;
    guest.expect(VmExit::Unhandled{static_cast<uint64_t>(ExitReason::TRIPLE_FAULT)});
    guest.expect_gprs({{Gpr::RBX, 7}});
    if (!guest.sees_vmcs()) return;
    guest.expect_equal("RIP", guest.rip(), guest.symbol("fault"));
    guest.expect_equal("IDT-vectoring information", guest.raw().idt_vectoring_information.valid(), false);
}

CONFORMANCE_CASE(Exits, TaskSwitchByJump) {
    guest.start("task_switch_by_jump", Mode::Protected32,
                "SDM Vol. 3C \"Other Causes of VM Exits\" (26.2): task switches are not allowed in non-root "
                "operation; "
                "table 28-2: the qualification holds the TSS selector and the source, 2 for JMP.");
    guest.expect_unhandled(ExitReason::TASK_SWITCH);
    const x86::TaskSwitchQualification jump{layout::kOtherTss, x86::TaskSwitchSource::JMP};
    guest.expect_equal("qualification", guest.raw().exit_qualification, jump.encode());
    guest.expect_equal("RIP", guest.rip(), guest.symbol("start"));
    guest.expect_equal("length", guest.raw().instruction_length, 7);
}

CONFORMANCE_CASE(Exits, TaskGateInIdt) {
    guest.start("task_gate", Mode::Protected32,
                "SDM Vol. 3C \"Other Causes of VM Exits\" (26.2) and table 28-2: source 3 for a task gate in "
                "the IDT. "
                "\"Information for VM Exits That Occur During Event Delivery\" (28.2.4): the software "
                "interrupt is in "
                "the IDT-vectoring information.");
    guest.write<uint64_t>(layout::kIdt + 8 * 0x30ul,
                          uint64_t{layout::kOtherTss} << 16 | uint64_t{0x85} << 40);
    guest.expect_unhandled(ExitReason::TASK_SWITCH);
    const x86::TaskSwitchQualification gate{layout::kOtherTss, x86::TaskSwitchSource::IDT_TASK_GATE};
    guest.expect_equal("qualification", guest.raw().exit_qualification, gate.encode());
    guest.expect_equal("vectoring", guest.raw().idt_vectoring_information.raw,
                       x86::EventInfo::make(x86::EventType::SOFTWARE_INTERRUPT, 0x30).raw);
    guest.expect_equal("RIP", guest.rip(), guest.symbol("int"));
    guest.expect_equal("length", guest.raw().instruction_length, 2);
}

CONFORMANCE_CASE(Exits, HostTimer) {
    guest.start(
        "count_for_ever", Mode::Long,
        "SDM Vol. 3C \"Other Causes of VM Exits\" (26.2): an external interrupt causes a VM exit if "
        "external-interrupt exiting is 1, at an instruction boundary, whatever RFLAGS.IF is. (28.2.2): the "
        "interruption information holds the vector if the exit acknowledges it.");
    guest.interrupt_host_after(10000, 0x41);
    guest.expect(VmExit::ExternalInterrupt{0x41});
    guest.expect_equal("information", guest.raw().interruption_information.raw,
                       x86::EventInfo::external_interrupt(0x41).raw);
    const uint64_t count = guest.gpr(Gpr::RBX);
    guest.interrupt_host_after(10000, 0x42);
    guest.expect(VmExit::ExternalInterrupt{0x42});
    guest.expect_equal("the guest went on", guest.gpr(Gpr::RBX) > count, true);
    guest.backend().set_gpr(Gpr::RAX, 1);
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, RequestedExit) {
    guest.start(
        "count_for_ever", Mode::Long,
        "SDM Vol. 3C \"Other Causes of VM Exits\" (26.2): an external interrupt that is pending at VM entry "
        "causes a VM exit before the guest's first instruction. A request for an exit is one of vector FFH.");
    guest.boot();
    for (int i = 0; i < 2; ++i) {
        guest.backend().request_exit();
        guest.expect(VmExit::ExternalInterrupt{0xff});
        guest.expect_equal("RIP", guest.rip(), guest.symbol("start"));
    }
    guest.backend().set_gpr(Gpr::RAX, 1);
    guest.expect_end();
}

void expect_access_to_nothing(Guest& guest, const char* label, AccessFlags how) {
    guest.start(
        "no_memory", Mode::Protected32,
        "SDM Vol. 3C \"EPT Violations\" (29.3.3.2): an access to an address that EPT does not map is one, "
        "with the guest-physical address.");
    guest.boot(label);
    guest.expect(VmExit::NestedPageFault{Gpa(0x20000010), how});
    if (guest.can().ept_violations) guest.expect_equal("RIP", guest.rip(), guest.symbol(label));
}

CONFORMANCE_CASE(Exits, ReadOfNoMemory) { expect_access_to_nothing(guest, "start", {true, false, false}); }
CONFORMANCE_CASE(Exits, WriteOfNoMemory) { expect_access_to_nothing(guest, "store", {false, true, false}); }

CONFORMANCE_CASE(Exits, PreemptionTimer) {
    guest.start("preempted", Mode::Long,
                "SDM Vol. 3C \"VMX-Preemption Timer\" (26.5.1): it counts down by 1 each time bit X of the "
                "TSC changes, X "
                "being IA32_VMX_MISC[4:0], and a VM exit comes when it is 0.");
    guest.controls().preemption_timer = {100, true};
    guest.boot();
    const uint64_t start = guest.backend().registers().cycles;
    guest.expect(VmExit::PreemptionTimer{});
    const unsigned shift = guest.processor().preemption_timer_shift;
    const uint64_t passed = guest.backend().registers().cycles - start;
    guest.expect_equal("at least 99 ticks", passed >= uint64_t{99} << shift, true);
    guest.expect_equal("no more than what entry and exit add", passed <= (uint64_t{101} << shift) + 1000,
                       true);
    guest.expect(VmExit::PreemptionTimer{});
    guest.backend().set_gpr(Gpr::RAX, 1);
    guest.expect_end();
}

// The exit that VCpu::run hands on: the number, and from a processor that explains itself the check and the
// field.
void expect_refusal(Guest& guest, uint64_t reason, const std::string& check, VmcsField field,
                    int line = __builtin_LINE()) {
    const VmExit exit = guest.run(line);
    const auto* refusal = exit.get_if<VmExit::FailEntry>();
    guest.expect_equal("an entry that failed", refusal != nullptr, true, line);
    guest.expect_equal("reason", refusal->hardware_entry_failure_reason, reason, line);
    if (!guest.can().explains_refusals) return;
    const EntryExplanation* why = refusal->explanation;
    guest.expect_equal("explained", why != nullptr, true, line);
    guest.expect_equal(std::string(why->id) + " being " + check, why->id == check, true, line);
    guest.expect_equal(why->field, std::string(why->field) == x86::name(field), true, line);
    guest.expect_equal("value", why->value, guest.field(field), line);
    const bool texts = *why->section != 0 && *why->sentence != 0 && *why->allowed != 0;
    guest.expect_equal("section, sentence and what is allowed", texts, true, line);
}

CONFORMANCE_CASE(Exits, EntryFailsForGuestState) {
    guest.start(
        "set_rbx", Mode::Long,
        "SDM Vol. 3C \"Checks on Guest RIP, RFLAGS, and SSP\" (27.3.1.4): reserved bit 1 of RFLAGS must be "
        "1. "
        "\"VM-Entry Failures During or After Loading Guest State\" (27.8): exit reason 33 with bit 31 set, "
        "and the guest state is not saved.");
    guest.boot();
    guest.set_field(VmcsField::GUEST_RFLAGS, 0);
    expect_refusal(guest, vmx::EntryFailure::from_exit({0x80000021}, 0).raw, "guest.rflags.reserved",
                   VmcsField::GUEST_RFLAGS);
    guest.expect_field(VmcsField::GUEST_RFLAGS, 0);
    guest.set_field(VmcsField::GUEST_RFLAGS, 2);
    guest.expect_end({{Gpr::RBX, 3}});
}

CONFORMANCE_CASE(Exits, EntryFailsForLinkPointer) {
    guest.start(
        "set_rbx", Mode::Long,
        "SDM Vol. 3C \"Checks on Guest Non-Register State\" (27.3.1.5), \"VM-Entry Failures During or After "
        "Loading Guest State\" (27.8): a bad VMCS link pointer is reason 33 with qualification 4.");
    guest.boot();
    guest.set_field(VmcsField::VMCS_LINK_POINTER, 0x123);
    expect_refusal(guest, vmx::EntryFailure::from_exit({0x80000021}, 4).raw, "guest.link_pointer.address",
                   VmcsField::VMCS_LINK_POINTER);
    guest.set_field(VmcsField::VMCS_LINK_POINTER, ~uint64_t{0});
    guest.expect_end({{Gpr::RBX, 3}});
}

CONFORMANCE_CASE(Exits, EntryFailsForControls) {
    guest.start(
        "set_rbx", Mode::Long,
        "SDM Vol. 3C \"Checks on VMX Controls\" (27.2.1.1): reserved bits must be set as the capability MSRs "
        "say, else VMfailValid with error 7; \"VM Instruction Error Numbers\" (31.4).");
    guest.boot();
    const auto pin = VmcsField::PIN_BASED_VM_EXECUTION_CONTROLS;
    const uint64_t good = guest.field(pin);
    guest.set_field(pin, 0);
    expect_refusal(guest, 7, "controls.pin.reserved", pin);
    guest.set_field(pin, good);
    guest.expect_end({{Gpr::RBX, 3}});
}

CONFORMANCE_CASE(Exits, EntryFailsForHostState) {
    guest.start("set_rbx", Mode::Long,
                "SDM Vol. 3C \"Checks on Host Segment and Descriptor-Table Registers\" (27.2.3): the TR "
                "selector cannot "
                "be 0000H, else VMfailValid with error 8; \"VM Instruction Error Numbers\" (31.4).");
    guest.boot();
    const uint64_t good = guest.field(VmcsField::HOST_TR_SELECTOR);
    guest.set_field(VmcsField::HOST_TR_SELECTOR, 0);
    expect_refusal(guest, 8, "host.tr.null", VmcsField::HOST_TR_SELECTOR);
    guest.set_field(VmcsField::HOST_TR_SELECTOR, good);
    guest.expect_end({{Gpr::RBX, 3}});
}

CONFORMANCE_CASE(Exits, EntryFailsForMsrLoading) {
    guest.start("set_rbx", Mode::Long,
                "SDM Vol. 3C \"Loading MSRs\" (27.4): IA32_FS_BASE may not be in the VM-entry MSR-load area. "
                "(27.8): exit reason "
                "34, and the qualification is the number of the entry, counted from 1.");
    guest.boot();
    guest.write<uint64_t>(0x20000, static_cast<uint64_t>(x86::Msr::IA32_FS_BASE));
    guest.set_field(VmcsField::VM_ENTRY_MSR_LOAD_ADDRESS, guest.ept_entry(0x20000) & x86::ept::kAddress);
    guest.set_field(VmcsField::VM_ENTRY_MSR_LOAD_COUNT, 1);
    guest.expect(VmExit::FailEntry{vmx::EntryFailure::from_exit({0x80000022}, 1).raw});
    guest.set_field(VmcsField::VM_ENTRY_MSR_LOAD_COUNT, 0);
    guest.expect_end({{Gpr::RBX, 3}});
}

struct ControlledExit {
    const char* label;
    ExitReason reason;
    bool handled = false;
};

CONFORMANCE_CASE(Exits, InstructionsThatControlsMakeExit) {
    guest.start("exits_by_control", Mode::Long,
                "SDM Vol. 3C \"Instructions That Cause VM Exits Conditionally\" (26.1.3): one control for "
                "each; RIP is that of "
                "the instruction (28.3.3), whose length is recorded (28.2.5).");
    guest.boot();
    using P = x86::PrimaryControls;
    using S = x86::SecondaryControls;
    const auto primary = VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    const auto secondary = VmcsField::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
    guest.set_field(primary, guest.field(primary) | P::RDTSC_EXITING | P::RDPMC_EXITING | P::PAUSE_EXITING |
                                 P::MOV_DR_EXITING | P::CR3_STORE_EXITING | P::CR8_LOAD_EXITING |
                                 P::CR8_STORE_EXITING);
    guest.set_field(secondary, guest.field(secondary) | S::WBINVD_EXITING | S::DESCRIPTOR_TABLE_EXITING);
    using R = ExitReason;
    const ControlledExit exits[] = {{"rdtsc", R::RDTSC},
                                    {"rdtscp", R::RDTSCP},
                                    {"rdpmc", R::RDPMC},
                                    {"pause", R::PAUSE},
                                    {"wbinvd", R::WBINVD, true},
                                    {"mov_to_dr", R::MOV_DR},
                                    {"mov_from_dr", R::MOV_DR},
                                    {"mov_from_cr3", R::CONTROL_REGISTER_ACCESS, true},
                                    {"mov_to_cr8", R::CONTROL_REGISTER_ACCESS},
                                    {"mov_from_cr8", R::CONTROL_REGISTER_ACCESS},
                                    {"sgdt", R::GDTR_IDTR_ACCESS},
                                    {"lidt", R::GDTR_IDTR_ACCESS},
                                    {"sldt", R::LDTR_TR_ACCESS},
                                    {"ltr", R::LDTR_TR_ACCESS}};
    for (const ControlledExit& exit : exits) {
        const uint64_t before = guest.symbol(exit.label);
        if (exit.handled) {
            guest.expect_handled(exit.reason);
            continue;
        }
        guest.expect_unhandled(exit.reason);
        guest.expect_equal(exit.label, guest.rip(), before);
        guest.set_field(VmcsField::GUEST_RIP, before + guest.raw().instruction_length);
    }
    guest.expect_end();
}

CONFORMANCE_CASE(Exits, DebugRegisters) {
    guest.start("debug_registers", Mode::Long,
                "SDM Vol. 3B \"Debug Registers\" (18.2): DR0 to DR3 hold addresses, bit 10 of DR7 is always "
                "1. \"Debug "
                "Registers and Intel 64 Processors\" (18.2.6): setting DR7 bits 63:32 is #GP(0).");
    constexpr uint64_t kAddress = 0x123456789000;
    guest.expect_end({{Gpr::RBX, kAddress},
                      {Gpr::RCX, kAddress},
                      {Gpr::RDX, 0x400},
                      {Gpr::RSI, 0},
                      {Gpr::RDI, guest.symbol("bad")}});
}

CONFORMANCE_CASE(Exits, FloatingPointStateSurvivesExits) {
    guest.start("xmm_across_exits", Mode::Long,
                "SDM Vol. 3C \"Loading Host State\" (28.5) and \"Saving Guest State\" (28.3) name no x87 and "
                "no SSE state: VM "
                "exits leave it alone.");
    guest.expect_handled(ExitReason::CPUID);
    const VmExit exit = guest.run();
    guest.expect_equal("OUT", exit.is<VmExit::IoWrite>(), true);
    guest.expect_end({{Gpr::RBX, 0x1122334455667788}, {Gpr::RCX, 1}});
}

}  // namespace
}  // namespace vtless::conformance
