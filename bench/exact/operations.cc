// SPDX-License-Identifier: MIT
#include "bench/exact/operations.h"

#include <array>

#include "bench/support/guest_code.h"

namespace vtless::bench {

namespace {

constexpr uint64_t kDevice = GuestLayout::kMissingPage;
constexpr uint32_t kExitingMsr = 0x1a0;  // IA32_MISC_ENABLE
constexpr uint64_t kWarmUp = 20;
constexpr uint64_t kCounted = 160;  // a multiple of kTicksPerCycle, so that what is counted is whole cycles
constexpr uint8_t kVector = 0x40;
constexpr uint32_t kTimerTicks = 100;

template <class Exit>
void run_to(CountedGuest& guest) {
    guest->run_to<Exit>();
}
template <class Exit, auto kComplete>
void run_and_complete(CountedGuest& guest) {
    guest->run_to<Exit>();
    VTLESS_CHECK((guest->backend().*kComplete)(0));
}

void ept_violation(CountedGuest& guest) {
    guest->run_to<VmExit::NestedPageFault>();
    guest->set_rip(GuestLayout::kCode + 8);
}
void string_output(CountedGuest& guest) {
    for (int i = 0; i < 4; ++i) guest->run_to<VmExit::IoWrite>();
}
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

void with_device(vmx::SetupConfig& config) { config.mmio.push_back({Gpa(kDevice), 0x1000}); }
void with_timer(vmx::SetupConfig& config) { config.preemption_timer = {kTimerTicks, true}; }

void point_at_device(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RDI, kDevice); }
void choose_msr(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RCX, kExitingMsr); }
void one_page(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RBP, 1); }
void to_first_halt(CountedGuest& guest) {
    one_page(guest);
    guest->run_to<VmExit::Halt>();
}
void to_closed_window(CountedGuest& guest) {
    const auto code = VTLESS_GUEST(window_loop);
    guest->memory().set_handler(GuestLayout::kCode +
                                static_cast<uint64_t>(guest_window_handler - code.data()));
    guest->run_to<VmExit::IoWrite>();
}
void page_that_is_not_there(CountedGuest& guest) {
    constexpr uint64_t kNotPresent = 0x800000;
    const auto code = VTLESS_GUEST(page_fault_loop);
    guest->memory().put(GuestLayout::kPageTables + 0x3000 + (kNotPresent >> 12) * 8, uint64_t{0});
    guest->memory().set_handler(GuestLayout::kCode +
                                static_cast<uint64_t>(guest_page_fault_handler - code.data()));
    one_page(guest);
    guest->set_gpr(x86::Gpr::RDI, kNotPresent);
}

using Arch = VcpuGuest::Backend;

}  // namespace

std::span<const Operation> operations() {
    static const std::array all = {
        Operation{"cpuid", VTLESS_GUEST(cpuid_loop), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"hlt", VTLESS_GUEST(hlt_loop), nullptr, nullptr, run_to<VmExit::Halt>},
        Operation{"vmcall", VTLESS_GUEST(vmcall_loop), nullptr, nullptr, run_to<VmExit::Hypercall>},
        Operation{"port_write", VTLESS_GUEST(out_loop), nullptr, nullptr, run_to<VmExit::IoWrite>},
        Operation{"port_read", VTLESS_GUEST(in_loop), nullptr, nullptr,
                  run_and_complete<VmExit::IoRead, &Arch::complete_io_read>},
        Operation{"port_write_string_of_4", VTLESS_GUEST(rep_outs_loop), nullptr, nullptr, string_output},
        Operation{"msr_read", VTLESS_GUEST(rdmsr_loop), nullptr, choose_msr,
                  run_and_complete<VmExit::SysRegRead, &Arch::complete_sysreg_read>},
        Operation{"msr_write", VTLESS_GUEST(wrmsr_loop), nullptr, choose_msr, run_to<VmExit::SysRegWrite>},
        Operation{"xcr0_write", VTLESS_GUEST(xsetbv_loop), nullptr, nullptr, run_to<VmExit::Nothing>},
        Operation{"mmio_read", VTLESS_GUEST(mmio_read_loop), with_device, point_at_device,
                  run_and_complete<VmExit::MmioRead, &Arch::complete_mmio_read>},
        Operation{"mmio_write", VTLESS_GUEST(mmio_write_loop), with_device, point_at_device,
                  run_to<VmExit::MmioWrite>},
        Operation{"ept_violation", VTLESS_GUEST(missing_page_loop), nullptr, nullptr, ept_violation},
        Operation{"preemption_timer_100", VTLESS_GUEST(spin_loop), with_timer, nullptr,
                  run_to<VmExit::PreemptionTimer>},
        Operation{"interrupt", VTLESS_GUEST(interrupt_handler), nullptr, to_first_halt, interrupt},
        Operation{"interrupt_window", VTLESS_GUEST(window_loop), nullptr, to_closed_window, interrupt_window},
        Operation{"guest_page_fault", VTLESS_GUEST(page_fault_loop), nullptr, page_that_is_not_there,
                  page_faults},
        Operation{"walk_after_invlpg", VTLESS_GUEST(invlpg_loop), nullptr, nullptr, run_to<VmExit::IoWrite>},
        Operation{"walks_after_mov_cr3", VTLESS_GUEST(mov_cr3_loop), nullptr, nullptr,
                  run_to<VmExit::IoWrite>},
    };
    return all;
}

std::unique_ptr<CountedGuest> guest_of(const Operation& operation) {
    auto guest = std::make_unique<CountedGuest>(operation.code, operation.configure);
    if (operation.prepare != nullptr) operation.prepare(*guest);
    return guest;
}

std::map<std::string, double> count(const Operation& operation, CountedGuest& guest,
                                    const std::function<void(CountedGuest&)>& also) {
    const auto repeat = [&](uint64_t times) {
        for (uint64_t i = 0; i < times; ++i) {
            operation.once(guest);
            if (also) also(guest);
        }
    };
    repeat(kWarmUp);
    const Counts before = guest.counts();
    repeat(kCounted);
    return per_operation(before, guest.counts(), kCounted);
}

}  // namespace vtless::bench
