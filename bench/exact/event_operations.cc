// SPDX-License-Identifier: MIT
// Injection, windows, timers, exceptions, and what reaches the processor from outside.
#include <array>

#include "bench/exact/ept_edit.h"
#include "bench/exact/operations.h"
#include "bench/exact/steps.h"
#include "isa/x86/event_info.h"

VTLESS_DECLARE_GUEST(fault_ud2);
VTLESS_DECLARE_GUEST(fault_load);
VTLESS_DECLARE_GUEST(handler_halts);
VTLESS_DECLARE_GUEST(nmi_loop);
VTLESS_DECLARE_GUEST(nmi_window_loop);
VTLESS_DECLARE_GUEST(interrupt_without_stack);
VTLESS_DECLARE_GUEST(int_and_iret);
VTLESS_DECLARE_GUEST(virtualization_exception);
VTLESS_DECLARE_GUEST(undefined);
extern "C" const uint8_t guest_nmi_halt[];
extern "C" const uint8_t guest_nmi_window_halt[];
extern "C" const uint8_t guest_int_handler[];

namespace vtless::bench {

namespace {

using R = x86::ExitReason;

constexpr uint8_t kVector = 0x40;
constexpr uint8_t kHostVector = 0x50;
constexpr uint32_t kTimerTicks = 100;
constexpr uint64_t kNotPresent = 0x800000;

void interrupt(CountedGuest& guest) {
    VTLESS_CHECK(guest->vcpu().inject_interrupt(kVector));
    guest->run_to<VmExit::Halt>();
}
// Queued with RFLAGS.IF clear: the window opens behind STI.
void interrupt_window(CountedGuest& guest) {
    VTLESS_CHECK(guest->vcpu().inject_interrupt(kVector));
    guest->run_to<VmExit::Nothing>();  // the window
    guest->run_to<VmExit::IoWrite>();  // the handler was there
}
void page_faults(CountedGuest& guest) { guest->run_loop(1); }

template <x86::Vector kException>
void exception(CountedGuest& guest) {
    VTLESS_CHECK(guest->backend().inject_exception(kException));
    guest->run_to<VmExit::Halt>();
}
void page_fault(CountedGuest& guest) {
    VTLESS_CHECK(guest->backend().inject_page_fault(Gva(kNotPresent), 2));
    guest->run_to<VmExit::Halt>();
}
// As a hypervisor does that injects INT n in an emulated instruction's place.
void software_interrupt(CountedGuest& guest) {
    constexpr uint64_t kSoftwareInterrupt = uint64_t{1} << 31 | 4u << 8 | kVector;
    guest->backend().write_field(F::VM_ENTRY_INTERRUPTION_INFORMATION, kSoftwareInterrupt);
    guest->backend().write_field(F::VM_ENTRY_INSTRUCTION_LENGTH, 2);
    guest->run_to<VmExit::Halt>();
}
void nmi(CountedGuest& guest) {
    guest->backend().inject_nmi();
    guest->run_to<VmExit::Halt>();
}
// Another while the first is handled: it waits for the IRET.
void two_nmis(CountedGuest& guest) {
    guest->backend().inject_nmi();
    guest->run_to<VmExit::IoWrite>();
    guest->backend().inject_nmi();
    guest->run_to<VmExit::Nothing>();  // the window
    guest->run_to<VmExit::IoWrite>();
    guest->run_to<VmExit::Halt>();
}
// The event is injected again at the next entry, with a stack.
void interrupted_delivery(CountedGuest& guest) {
    guest->run_to<VmExit::NestedPageFault>();
    guest->set_gpr(x86::Gpr::RSP, GuestLayout::kStack);
}

void host_interrupt(CountedGuest& guest) {
    guest->processor().raise_interrupt(kHostVector);
    guest->run_to<VmExit::ExternalInterrupt>();
}
void host_nmi(CountedGuest& guest) {
    guest->processor().raise_nmi();
    guest->run_to<VmExit::ExternalInterrupt>();
}
void init_signal(CountedGuest& guest) {
    guest->processor().raise_init();
    run_to_unhandled<R::INIT_SIGNAL>(guest);
}
void startup_ipi(CountedGuest& guest) {
    guest->processor().raise_sipi(0x10);
    run_to_unhandled<R::STARTUP_IPI>(guest);
}
void triple_fault(CountedGuest& guest) {
    run_to_unhandled<R::TRIPLE_FAULT>(guest);
    guest->set_rip(GuestLayout::kCode);
}

void with_timer(vmx::SetupConfig& config) { config.preemption_timer = {kTimerTicks, true}; }
template <x86::Vector kException>
void intercept(vmx::SetupConfig& config) {
    config.exception_bitmap = 1u << static_cast<unsigned>(kException);
}

void one_page(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RBP, 1); }
void to_first_halt(CountedGuest& guest) {
    one_page(guest);
    guest->run_to<VmExit::Halt>();
}
void to_closed_window(CountedGuest& guest) {
    set_handler(guest, VTLESS_GUEST(window_loop), guest_window_handler);
    guest->run_to<VmExit::IoWrite>();
}
void to_halt_at(CountedGuest& guest, std::span<const uint8_t> code, const uint8_t* label) {
    guest->set_rip(GuestLayout::kCode + static_cast<uint64_t>(label - code.data()));
    guest->run_to<VmExit::Halt>();
}
void to_nmi_halt(CountedGuest& guest) { to_halt_at(guest, VTLESS_GUEST(nmi_loop), guest_nmi_halt); }
void to_nmi_window_halt(CountedGuest& guest) {
    to_halt_at(guest, VTLESS_GUEST(nmi_window_loop), guest_nmi_window_halt);
}
void page_that_is_not_there(CountedGuest& guest) {
    set_guest_page(guest, kNotPresent, 0);
    guest->set_gpr(x86::Gpr::RDI, kNotPresent);
}
void page_fault_handler(CountedGuest& guest) {
    page_that_is_not_there(guest);
    set_handler(guest, VTLESS_GUEST(page_fault_loop), guest_page_fault_handler);
    one_page(guest);
}
void int_handler(CountedGuest& guest) { set_handler(guest, VTLESS_GUEST(int_and_iret), guest_int_handler); }
void without_handlers(CountedGuest& guest) { guest->backend().write_field(F::GUEST_IDTR_LIMIT, 0); }
void wait_for_sipi(CountedGuest& guest) { guest->backend().write_field(F::GUEST_ACTIVITY_STATE, 3); }
void virtualization_exceptions(CountedGuest& guest) {
    control<0, Secondary::EPT_VIOLATION_VE>(guest);
    guest->backend().write_field(F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS,
                                 GuestLayout::kData + 0x10000);
}
// RFLAGS bit 1 must be 1.
void wrong_flags(CountedGuest& guest) { guest->backend().write_field(F::GUEST_RFLAGS, 0); }
// IA32_FS_BASE, which no area may hold.
void wrong_msr_area(CountedGuest& guest) {
    const Hpa area = frame(guest);
    store<uint64_t>(guest, area, 0xc0000100);
    guest->backend().write_field(F::VM_ENTRY_MSR_LOAD_ADDRESS, area.value());
    guest->backend().write_field(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
}

}  // namespace

std::span<const Operation> event_operations() {
    using x86::Vector;
    static const std::array all = {
        Operation{"preemption_timer_100", VTLESS_GUEST(spin_loop), with_timer, nullptr,
                  run_to<VmExit::PreemptionTimer>},
        Operation{"interrupt", VTLESS_GUEST(interrupt_handler), nullptr, to_first_halt, interrupt},
        Operation{"interrupt_window", VTLESS_GUEST(window_loop), nullptr, to_closed_window, interrupt_window},
        Operation{"exception_injected", VTLESS_GUEST(handler_halts), nullptr, to_first_halt,
                  exception<Vector::UD>},
        Operation{"exception_with_error_code_injected", VTLESS_GUEST(handler_halts), nullptr, to_first_halt,
                  exception<Vector::GP>},
        Operation{"page_fault_injected", VTLESS_GUEST(handler_halts), nullptr, to_first_halt, page_fault},
        Operation{"software_interrupt_injected", VTLESS_GUEST(handler_halts), nullptr, to_first_halt,
                  software_interrupt},
        Operation{"nmi_injected", VTLESS_GUEST(nmi_loop), nullptr, to_nmi_halt, nmi},
        Operation{"nmi_window", VTLESS_GUEST(nmi_window_loop), nullptr, to_nmi_window_halt, two_nmis},
        Operation{"interrupted_delivery", VTLESS_GUEST(interrupt_without_stack), nullptr, nullptr,
                  interrupted_delivery},
        Operation{"exception", VTLESS_GUEST(fault_ud2), intercept<Vector::UD>, nullptr,
                  run_to<VmExit::Nothing>},
        Operation{"page_fault", VTLESS_GUEST(fault_load), intercept<Vector::PF>, page_that_is_not_there,
                  run_to<VmExit::Nothing>},
        Operation{"host_interrupt", VTLESS_GUEST(spin_loop), nullptr, nullptr, host_interrupt},
        Operation{"host_nmi", VTLESS_GUEST(spin_loop), nullptr, nullptr, host_nmi},
        Operation{"init_signal", VTLESS_GUEST(spin_loop), nullptr, nullptr, init_signal},
        Operation{"startup_ipi", VTLESS_GUEST(spin_loop), nullptr, wait_for_sipi, startup_ipi},
        Operation{"triple_fault", VTLESS_GUEST(undefined), nullptr, without_handlers, triple_fault},
        Operation{"monitor_trap", VTLESS_GUEST(spin_loop), nullptr, control<Primary::MONITOR_TRAP_FLAG>,
                  run_to_unhandled<R::MONITOR_TRAP_FLAG>},
        Operation{"entry_failure", VTLESS_GUEST(spin_loop), nullptr, wrong_flags, run_to<VmExit::FailEntry>},
        Operation{"entry_failure_msr_loading", VTLESS_GUEST(spin_loop), nullptr, wrong_msr_area,
                  run_to<VmExit::FailEntry>},
        Operation{"guest_page_fault", VTLESS_GUEST(page_fault_loop), nullptr, page_fault_handler,
                  page_faults},
        Operation{"guest_int_and_iret", VTLESS_GUEST(int_and_iret), nullptr, int_handler,
                  run_to<VmExit::IoWrite>},
        Operation{"guest_virtualization_exception", VTLESS_GUEST(virtualization_exception), nullptr,
                  virtualization_exceptions, run_to<VmExit::IoWrite>},
    };
    return all;
}

}  // namespace vtless::bench
