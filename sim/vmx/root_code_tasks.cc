// SPDX-License-Identifier: MIT
// Task switches of root code. SDM Vol. 3A "Task Switching" (8.3).
#include "isa/x86/exit_qualification.h"
#include "sim/cpu/task_switch.h"
#include "sim/vmx/root_code.h"

namespace vtless::sim {

using x86::EventInfo;
using x86::EventType;

namespace {

bool sets_external(EventInfo event) {
    return event.valid() && event.type() != EventType::SOFTWARE_INTERRUPT &&
           event.type() != EventType::SOFTWARE_EXCEPTION;
}

}  // namespace

RootCode::Next RootCode::task_switch(const ExitRecord& exit) {
    CpuState& cpu = engine().edit_state();
    const EventInfo event = exit.idt_vectoring;
    const auto to = x86::TaskSwitchQualification::decode(exit.qualification);
    const bool behind = !event.valid() || event.is_software();
    TaskSwitch request;
    request.tss = to.selector;
    request.source = to.source;
    request.return_rip = behind ? cpu.next_rip(exit.instruction_length) : cpu.rip();
    request.resume_flag = exit.resume_flag == ResumeFlag::Set;
    request.external = sets_external(event);
    if (event.valid() && event.has_error_code()) request.error_code = exit.idt_vectoring_error_code;

    const CpuResult result = switch_task(cpu, *processor_.mmu_, request);
    switch (result.kind) {
        case CpuResult::Kind::Done:
            return finish_task_switch(event);
        case CpuResult::Kind::MmuExit:
            return stop(RootStop::Kind::NoMemory, result.mmu.gpa.value());
        case CpuResult::Kind::Fault:
        case CpuResult::Kind::TaskSwitch:
            break;
    }
    return fail_task_switch(event, result);
}

// A switch disables the local breakpoints. SDM Vol. 3B "Debug Control Register (DR7)" (18.2.4).
RootCode::Next RootCode::finish_task_switch(EventInfo event) {
    constexpr uint64_t kLocalEnables = bit(0) | bit(2) | bit(4) | bit(6) | bit(8);
    processor_.root_.dr7 &= ~kLocalEnables;
    processor_.guest_.set_resume_flag(false);
    bool debug_trap = false;
    const CpuResult read = read_debug_trap(engine().edit_state(), *processor_.mmu_, debug_trap);
    if (!read.done() || debug_trap) return unsupported("a task switch to a TSS whose T flag is set");
    if (event.valid()) {
        engine().add_cycles(engine().transition_costs().event_delivery);
    } else {
        root_.complete_moved();
    }
    return Next::Run;
}

// A fault in the delivery of an event through a task gate may be a double fault.
RootCode::Next RootCode::fail_task_switch(EventInfo event, const CpuResult& result) {
    Combination raised{false, result.event};
    if (event.valid()) {
        Event first;
        first.vector = event.vector();
        first.type = event.type();
        raised = combine(first, result.event);
    }
    if (raised.triple_fault) return stop(RootStop::Kind::TripleFault);
    if (raised.event.vector == static_cast<uint8_t>(x86::Vector::PF))
        engine().edit_state().set_cr2(result.cr2);
    return raise(raised.event);
}

}  // namespace vtless::sim
