// SPDX-License-Identifier: MIT
// VMX non-root operation: runs the guest, and decides at each stop of the engine whether it is a VM exit or
// something that the processor does for the guest. SDM Vol. 3C "VMX Non-Root Operation" (26).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "isa/x86/vmx_status.h"
#include "sim/cpu/event_delivery.h"
#include "sim/cpu/result.h"
#include "sim/engine/engine.h"
#include "sim/mmu/mmu.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/exit_record.h"
#include "sim/vmx/guest_state.h"
#include "sim/vmx/host_events.h"
#include "sim/vmx/msr_unit.h"
#include "sim/vmx/vmcs.h"

namespace vtless::x86 {
struct MemoryInstruction;
enum class ApicAccessType : uint8_t;
}  // namespace vtless::x86

namespace vtless::sim {

class VirtualApic;
class VmxOperation;

// What of the guest's state is neither in the engine nor in a register shared with root operation.
struct NonRegisterState {
    x86::ActivityState activity = x86::ActivityState::ACTIVE;
    uint64_t pending_debug = 0;
    uint64_t preemption_deadline = HostEvents::kNever;  // time-stamp counter
};

class NonRoot {
  public:
    // The parts of the processor, which outlive this.
    struct Parts {
        Engine& engine;
        Mmu& mmu;
        HostMemory& memory;
        RootState& root;
        MsrUnit& msrs;
        HostEvents& events;
        GuestState& guest;
        const VmxCapabilities& capabilities;
        VmxOperation& operation;
    };
    // Whether to go on with the guest.
    enum class Next : uint8_t { Run, Exit };

    explicit NonRoot(const Parts& parts) : parts_(parts) {}

    NonRegisterState& state() { return state_; }

    // The controls of a VMCS may have changed since run() last saw it.
    void forget_plan() { vmcs_ = nullptr; }
    // From a VM entry that has loaded the guest until a VM exit: injects the event, if any, and runs.
    const ExitRecord& run(Vmcs& vmcs);
    // The instruction has been carried out by the caller: RIP moves on, a shadow ends, TF traps.
    void complete(const StoppedInstruction& instruction);
    // Its time has been added.
    void complete_timed(const StoppedInstruction& instruction);
    // The same, where RIP has been moved as well.
    void complete_moved() { end_iteration(); }
    // The access of a port has been, of INS and OUTS that of one iteration: its last one completes them.
    void finish_io(const StoppedInstruction& instruction);

  private:
    friend struct InstructionRule;
    friend struct InstructionRules;
    using Handler = Next (NonRoot::*)(const StoppedInstruction&);

    // non_root.cc
    Next advance();
    [[gnu::noinline]] Next run_closely();
    Engine::Extent extent() const;
    Next dispatch(const Stop& stop);
    void plan(Vmcs& vmcs);
    void hold_single_step();
    void note_iteration();
    void prepare_run(uint64_t deadline);
    void plan_stops(bool time_stamp_disabled);
    Next exit_with(x86::ExitReason reason, uint64_t qualification = 0);
    Next exit_for(const StoppedInstruction& instruction, x86::ExitReason reason, uint64_t qualification = 0);
    void record_vectoring();

    // non_root_exceptions.cc
    Next on_exception(const Stop& stop);
    Next on_page_fault(const Stop& stop);
    Next raise(const Event& event, uint64_t payload = 0);
    Next raise(x86::Vector vector) { return raise(Event::exception(vector)); }
    Next raise_gp() { return raise(Event::exception(x86::Vector::GP, 0)); }
    bool intercepts(const Event& event) const;
    Next exit_for_exception(const Event& event, uint64_t payload);
    void apply_payload(const Event& event, uint64_t payload);
    void save_resume_flag_of(const Event& event);
    Next deliver(Event event);
    Next on_nested_fault(Event& event, const DeliveryResult& result);
    Next exit_for_mmu(const MmuFault& fault);
    uint64_t violation_qualification(const MmuFault& fault) const;

    // non_root_events.cc
    Next inject();
    bool events_possible() const;
    Next take_events();
    Next take_pending_debug();
    Next take_nmi();
    Next take_interrupt();
    Next on_requested();
    uint64_t next_deadline() const;

    // non_root_activity.cc
    bool shut_down() const {
        return state_.activity == x86::ActivityState::SHUTDOWN ||
               state_.activity == x86::ActivityState::WAIT_FOR_SIPI;
    }
    Next take_start_signals();
    Next take_events_of_shutdown(uint64_t now);
    uint64_t next_wakeup() const;
    Next wait_for_event();

    // non_root_debug.cc
    bool breakpoints_enabled() const { return (parts_.root.dr7 & 0xff) != 0; }
    Next step_traced();
    void watch_data();
    uint64_t instruction_breakpoints() const;
    void note_io(uint16_t port, unsigned bytes);
    void add_breakpoints(uint64_t status);

    // non_root_instructions.cc
    Next on_instruction(const StoppedInstruction& instruction);
    uint64_t next_rip(unsigned length) const;
    void end_iteration();
    void retire();
    void note_trap();
    Next finish(const StoppedInstruction& instruction, const CpuResult& result);
    Next finish_moved(const StoppedInstruction& instruction, const CpuResult& result);
    Next exit_for_task_switch(const StoppedInstruction& instruction, uint16_t tss);
    uint64_t guest_tsc() const;
    bool scales_tsc() const;
    Next nothing(const StoppedInstruction& instruction);
    Next undefined(const StoppedInstruction& instruction);
    Next general_protection(const StoppedInstruction& instruction);
    Next hlt(const StoppedInstruction& instruction);
    Next rdtsc(const StoppedInstruction& instruction);
    Next rdtscp(const StoppedInstruction& instruction);
    Next iret(const StoppedInstruction& instruction);
    void keep_resume_flag();
    Next software_event(const StoppedInstruction& instruction);
    Next invlpg(const StoppedInstruction& instruction);
    Next system(const StoppedInstruction& instruction);

    // non_root_waits.cc
    Next pause(const StoppedInstruction& instruction);
    bool pauses_for_too_long();
    Next monitor(const StoppedInstruction& instruction);
    Next mwait(const StoppedInstruction& instruction);

    // non_root_vmcs_shadowing.cc
    Next access_vmcs(const StoppedInstruction& instruction);
    bool shadow_access_exits(uint64_t encoding, bool write) const;
    Next read_shadow(const StoppedInstruction& instruction, x86::VmcsField field);
    Next write_shadow(const StoppedInstruction& instruction, x86::VmcsField field);
    Next end_shadow_access(const StoppedInstruction& instruction, x86::VmxStatus status);

    // non_root_apic.cc: cold, for guests with a virtual APIC
    VirtualApic virtual_apic() const;
    [[gnu::noinline]] Next mov_to_virtual_cr8(const StoppedInstruction& instruction, uint64_t value);
    [[gnu::noinline]] uint64_t virtual_cr8() const;
    [[gnu::noinline]] Next read_virtual_x2apic(const StoppedInstruction& instruction, x86::Msr msr);
    [[gnu::noinline]] Next write_virtual_x2apic(const StoppedInstruction& instruction, x86::Msr msr,
                                                uint64_t value);
    [[gnu::noinline]] void begin_virtual_apic();
    bool delivers_virtual_interrupts() const {
        return vmcs_->secondary().has(x86::SecondaryControls::VIRTUAL_INTERRUPT_DELIVERY);
    }
    void evaluate_virtual_interrupts();
    [[gnu::noinline]] Next take_virtual_interrupt();
    [[gnu::noinline]] Next take_interrupts_and_notifications();
    Next virtualize_tpr();
    Next virtualize_eoi();
    Next virtualize_self_ipi(uint8_t vector);
    Next exit_behind(x86::ExitReason reason, uint64_t qualification = 0);

    // non_root_apic_access.cc
    struct ApicOperand;
    [[gnu::noinline]] Next on_apic_access(const MmuFault& fault);
    std::optional<ApicOperand> apic_operand(const x86::MemoryInstruction& instruction, Gva at) const;
    Next access_virtual_apic(const ApicOperand& operand, Gva at);
    Next emulate_apic_write(unsigned offset);
    Next exit_for_apic_access(MmuFault fault, x86::ApicAccessType type);
    uint64_t apic_access_qualification(const MmuFault& fault) const;

    // non_root_vm_functions.cc
    Next vmfunc(const StoppedInstruction& instruction);
    bool switch_eptp();

    // virtualization_exception.cc
    bool saves_as_virtualization_exception(const MmuFault& fault);

    // non_root_random.cc
    Next random(const StoppedInstruction& instruction);

    // non_root_registers.cc
    Next mov_to_cr(const StoppedInstruction& instruction);
    Next mov_from_cr(const StoppedInstruction& instruction);
    Next clts(const StoppedInstruction& instruction);
    Next lmsw(const StoppedInstruction& instruction);
    Next smsw(const StoppedInstruction& instruction);
    Next load_cr0(const StoppedInstruction& instruction, uint64_t value);
    Next mov_to_cr0(const StoppedInstruction& instruction, uint64_t value);
    Next mov_to_cr3(const StoppedInstruction& instruction, uint64_t value);
    Next mov_to_cr4(const StoppedInstruction& instruction, uint64_t value);
    Next mov_to_cr8(const StoppedInstruction& instruction, uint64_t value);
    Next mov_dr(const StoppedInstruction& instruction);

    // non_root_msrs.cc
    Next rdmsr(const StoppedInstruction& instruction);
    Next wrmsr(const StoppedInstruction& instruction);
    bool msr_exits(uint32_t msr, bool write) const;

    // non_root_io.cc
    Next io(const StoppedInstruction& instruction);
    Next string_io(const StoppedInstruction& instruction);
    bool end_string_io(const StoppedInstruction& instruction);
    void describe_string_io(const StoppedInstruction& instruction);
    bool io_exits(uint16_t port, unsigned bytes) const;

    Engine& engine() const { return parts_.engine; }
    const CpuState& cpu() const { return parts_.engine.state(); }
    uint64_t read_gpr(x86::Gpr gpr, unsigned bytes) const;
    void write_gpr(x86::Gpr gpr, unsigned bytes, uint64_t value);
    void set_edx_eax(uint64_t value);

    // What the controls of the VMCS ask for, again and again while its guest runs.
    struct Plan {
        bool monitor_trap_flag = false;
        bool runs_closely = false;  // for it, or for a profile
        bool interrupt_window = false;
        bool nmi_window = false;
        bool takes_interrupts = false;  // external interrupts are the guest's own
        bool virtual_apic = false;
        bool time_stamp_disabled = false;  // CR4.TSD, which `stops` depend on
        OptionalStops stops;
    };

    Parts parts_;
    NonRegisterState state_;
    Vmcs* vmcs_ = nullptr;  // whose plan this is
    Plan plan_;
    ExitRecord exit_;
    std::optional<Event> delivering_;   // the event during whose delivery an exit would happen
    bool iret_unblocked_nmi_ = false;   // by the instruction that is running
    bool monitor_trap_ = false;         // an MTF VM exit is pending at this instruction boundary
    bool monitor_armed_ = false;        // by MONITOR, since VM entry
    bool virtual_interrupt_ = false;    // one is recognized, and waits until it may be delivered
    bool tpr_below_threshold_ = false;  // since VM entry: an exit as soon as the guest is not shut down
    // Executions of PAUSE at CPL 0 since VM entry, in engine cycles: the last one, and the first of its loop.
    struct PauseLoop {
        bool any = false;
        uint64_t first = 0;
        uint64_t last = 0;
    } pause_loop_;
};

}  // namespace vtless::sim
