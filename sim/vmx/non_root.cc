// SPDX-License-Identifier: MIT
#include "sim/vmx/non_root.h"

#include <algorithm>

#include "isa/check.h"
#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"

namespace vtless::sim {

using x86::ExitReason;
using F = x86::VmcsField;
using Next = NonRoot::Next;

const ExitRecord& NonRoot::run(Vmcs& vmcs) {
    if (vmcs_ != &vmcs) [[unlikely]]
        plan(vmcs);
    exit_ = {};
    delivering_.reset();
    iret_unblocked_nmi_ = false;
    monitor_trap_ = false;
    monitor_armed_ = false;
    pause_loop_.any = false;
    virtual_interrupt_ = false;
    tpr_below_threshold_ = false;
    if (plan_.virtual_apic) [[unlikely]]
        begin_virtual_apic();
    parts_.events.set_stalled(false);
    Next next = inject();
    while (next == Next::Run) next = advance();
    hold_single_step();
    return exit_;
}

void NonRoot::plan(Vmcs& vmcs) {
    const x86::PrimaryControls primary = vmcs.primary();
    vmcs_ = &vmcs;
    plan_ = {};
    plan_.monitor_trap_flag = primary.has(x86::PrimaryControls::MONITOR_TRAP_FLAG);
    plan_.interrupt_window = primary.has(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING);
    plan_.nmi_window = primary.has(x86::PrimaryControls::NMI_WINDOW_EXITING);
    plan_.takes_interrupts = !vmcs.pin().has(x86::PinControls::EXTERNAL_INTERRUPT_EXITING);
    plan_.virtual_apic = primary.has(x86::PrimaryControls::USE_TPR_SHADOW);
    plan_stops(false);
    CycleProfile* profile = engine().profile();
    plan_.runs_closely = plan_.monitor_trap_flag || profile != nullptr;
    if (profile == nullptr) return;
    const x86::EventInfo event{vmcs.get32(F::VM_ENTRY_INTERRUPTION_INFORMATION)};
    profile->begin_guest(engine().moment(), event.valid() && event.type() != x86::EventType::OTHER);
}

// A MOV SS shadow that lasts beyond the exit holds off the trap of the MOV SS itself.
// SDM Vol. 3C "Saving Non-Register State" (28.3.4), "Checks on Guest Non-Register State" (27.3.1.5).
void NonRoot::hold_single_step() {
    if ((engine().rflags() & x86::rflags::TF) == 0 || engine().shadow() != Shadow::MovSs) [[likely]]
        return;
    if ((parts_.root.debugctl & x86::debugctl::BTF) == 0) state_.pending_debug |= x86::pending_debug::BS;
}

// What waits for the end of a MOV SS shadow waits for one instruction.
inline Engine::Extent NonRoot::extent() const {
    const bool one = state_.pending_debug != 0 || (plan_.nmi_window && !parts_.guest.nmi_blocked());
    return one ? Engine::Extent::OneInstruction : Engine::Extent::UntilStop;
}

Next NonRoot::advance() {
    uint64_t deadline = Engine::kNever;
    if (events_possible()) [[unlikely]] {
        if (take_events() == Next::Exit) return Next::Exit;
        if (monitor_trap_) return Next::Run;  // a handler was entered: the exit comes before all else
        if (state_.activity != x86::ActivityState::ACTIVE) return wait_for_event();
        deadline = next_deadline();
        if (deadline != HostEvents::kNever) deadline -= parts_.root.tsc_offset;
    }
    prepare_run(deadline);
    if (plan_.runs_closely || breakpoints_enabled() || engine().watching() ||
        extent() == Engine::Extent::OneInstruction) [[unlikely]]
        return run_closely();
    return dispatch(engine().run_guest());
}

// Where somebody looks at each instruction, or at each run, or waits for the next one.
Next NonRoot::run_closely() {
    if (plan_.monitor_trap_flag || breakpoints_enabled() || engine().watching()) return step_traced();
    return dispatch(engine().run_profiled(extent()));
}

// The deadline is one of engine cycles, without that of a requested exit.
void NonRoot::prepare_run(uint64_t deadline) {
    const bool held_interrupt = plan_.takes_interrupts && parts_.events.interrupt_pending();
    engine().stop_when_interruptible(plan_.interrupt_window || held_interrupt || virtual_interrupt_);
    const bool tsd = (parts_.mmu.paging().cr4 & x86::cr4::TSD) != 0;
    if (tsd != plan_.time_stamp_disabled) [[unlikely]]
        plan_stops(tsd);
    engine().set_optional_stops(plan_.stops);  // another's code may have run in the engine
    // Scaled it stops, and needs none.
    const bool offset = vmcs_->primary().has(x86::PrimaryControls::USE_TSC_OFFSETTING);
    engine().set_tsc_offset(parts_.root.tsc_offset + (offset ? vmcs_->get(F::TSC_OFFSET) : 0));
    engine().set_deadline(std::min(deadline, parts_.events.request_at()));
}

void NonRoot::plan_stops(bool time_stamp_disabled) {
    const x86::PrimaryControls primary = vmcs_->primary();
    const x86::SecondaryControls secondary = vmcs_->secondary();
    const bool rdtsc =
        time_stamp_disabled || primary.has(x86::PrimaryControls::RDTSC_EXITING) || scales_tsc();
    plan_.time_stamp_disabled = time_stamp_disabled;
    using S = OptionalStops;
    const auto when = [](bool on, uint8_t stop) { return on ? stop : uint8_t{0}; };
    const bool pause = primary.has(x86::PrimaryControls::PAUSE_EXITING) ||
                       secondary.has(x86::SecondaryControls::PAUSE_LOOP_EXITING);
    const bool tables = secondary.has(x86::SecondaryControls::DESCRIPTOR_TABLE_EXITING);
    const bool rdtscp = rdtsc || !secondary.has(x86::SecondaryControls::ENABLE_RDTSCP);
    plan_.stops.which = static_cast<uint8_t>(when(pause, S::kPause) | when(tables, S::kDescriptorTables) |
                                             S::kIret | when(rdtsc, S::kRdtsc) | when(rdtscp, S::kRdtscp));
}

uint64_t NonRoot::next_deadline() const {
    return std::min(state_.preemption_deadline, parts_.events.timer());
}

Next NonRoot::dispatch(const Stop& stop) {
    switch (stop.kind) {
        case Stop::Kind::Exception:
            return on_exception(stop);
        case Stop::Kind::PageFault:
            return on_page_fault(stop);
        case Stop::Kind::EptViolation:
        case Stop::Kind::EptMisconfiguration:
        case Stop::Kind::LogFull:
            return exit_for_mmu(stop.fault);
        case Stop::Kind::ApicAccess:
            return on_apic_access(stop.fault);
        case Stop::Kind::Instruction:
            return on_instruction(stop.instruction);
        case Stop::Kind::Deadline:
            parts_.events.advance_request_to(engine().cycles());
            [[fallthrough]];
        case Stop::Kind::BlockBoundary:
        case Stop::Kind::SingleStep:
        case Stop::Kind::Requested:
            note_iteration();
            return Next::Run;  // advance() looks at what is due
    }
    return Next::Run;
}

// What comes between the iterations of a REP instruction finds RF set.
// SDM Vol. 3B "Instruction-Breakpoint Exception Condition" (18.3.1.1).
void NonRoot::note_iteration() {
    if (engine().between_iterations()) parts_.guest.set_resume_flag(true);
}

Next NonRoot::exit_with(ExitReason reason, uint64_t qualification) {
    exit_.reason = static_cast<uint32_t>(reason);
    exit_.qualification = qualification;
    record_vectoring();
    return Next::Exit;
}

Next NonRoot::exit_for(const StoppedInstruction& instruction, ExitReason reason, uint64_t qualification) {
    exit_.instruction_length = instruction.length;
    exit_.resume_flag = ResumeFlag::Cleared;
    return exit_with(reason, qualification);
}

// SDM Vol. 3C "Information for VM Exits During Event Delivery" (28.2.4).
void NonRoot::record_vectoring() {
    if (!delivering_) [[likely]]
        return;
    exit_.idt_vectoring =
        x86::EventInfo::make(delivering_->type, delivering_->vector, delivering_->has_error_code);
    exit_.idt_vectoring_error_code = delivering_->error_code;
    if (exit_.idt_vectoring.is_software()) exit_.instruction_length = delivering_->instruction_length;
}

uint64_t NonRoot::read_gpr(x86::Gpr gpr, unsigned bytes) const { return low_bytes(engine().gpr(gpr), bytes); }

// As instructions write registers: 32 bits clear the upper half, 8 and 16 bits keep the rest.
void NonRoot::write_gpr(x86::Gpr gpr, unsigned bytes, uint64_t value) {
    if (bytes < 4) {
        const uint64_t mask = bit(bytes * 8) - 1;
        value = (engine().gpr(gpr) & ~mask) | (value & mask);
    } else if (bytes == 4) {
        value &= 0xffffffff;
    }
    engine().set_gpr(gpr, value);
}

void NonRoot::set_edx_eax(uint64_t value) {
    write_gpr(x86::Gpr::RAX, 4, value);
    write_gpr(x86::Gpr::RDX, 4, value >> 32);
}

}  // namespace vtless::sim
