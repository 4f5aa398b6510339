// SPDX-License-Identifier: MIT
// The local APIC: as the hypervisor's, and virtualized step by step.
#include <array>

#include "bench/exact/ept_edit.h"
#include "bench/exact/operations.h"
#include "isa/x86/apic_register.h"

VTLESS_DECLARE_GUEST(exit_cr8_load);
VTLESS_DECLARE_GUEST(exit_cr8_store);
VTLESS_DECLARE_GUEST(quiet_cr8);
VTLESS_DECLARE_GUEST(apic_load);
VTLESS_DECLARE_GUEST(apic_store);
VTLESS_DECLARE_GUEST(apic_load_and_out);
VTLESS_DECLARE_GUEST(lower_tpr);
VTLESS_DECLARE_GUEST(wait_for_interrupts);

namespace vtless::bench {

namespace {

using R = x86::ExitReason;
namespace apic = x86::apic_register;

constexpr uint64_t kApicPage = 0x800000;  // guest-physical, linear, and of the host
constexpr uint8_t kVector = 0x51;
constexpr uint8_t kNotification = 0xe2;
constexpr uint32_t kDelivery = Secondary::VIRTUALIZE_APIC_ACCESSES | Secondary::APIC_REGISTER_VIRTUALIZATION |
                               Secondary::VIRTUAL_INTERRUPT_DELIVERY;

// What an embedder lends the backend.
class Registers final : public vmx::LocalApic {
  public:
    bool read(uint32_t, uint64_t& value) override {
        value = 0;
        return true;
    }
    bool write(uint32_t, uint64_t) override { return true; }
};
Registers the_registers;

void with_local_apic(vmx::SetupConfig& config) { config.local_apic = &the_registers; }
void with_apic_access_page(vmx::SetupConfig& config) {
    with_local_apic(config);
    config.apic_base = Gpa(kApicPage);
    config.apic_access_page = Hpa(kApicPage);
}
void with_apic_page_by_ept(vmx::SetupConfig& config) {
    with_local_apic(config);
    config.apic_base = Gpa(GuestLayout::kMissingPage);
}

void point_at_apic(CountedGuest& guest) {
    split_ept(guest, kApicPage);
    guest->set_gpr(x86::Gpr::RDI, kApicPage);
}
void point_at_missing_page(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RDI, GuestLayout::kMissingPage); }
void point_at_tpr_msr(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RCX, 0x808); }

Hpa virtual_apic_page(CountedGuest& guest) {
    return Hpa(guest->backend().read_field(F::VIRTUAL_APIC_ADDRESS));
}
void tpr_shadow(CountedGuest& guest) {
    guest->backend().write_field(F::VIRTUAL_APIC_ADDRESS, frame(guest).value());
    control<Primary::USE_TPR_SHADOW>(guest);
}
void raise_tpr(CountedGuest& guest) { store<uint32_t>(guest, virtual_apic_page(guest) + apic::TPR, 0x30); }
void tpr_threshold(CountedGuest& guest) {
    tpr_shadow(guest);
    guest->backend().write_field(F::TPR_THRESHOLD, 2);
    raise_tpr(guest);
}
void below_threshold(CountedGuest& guest) {
    run_to_unhandled<R::TPR_BELOW_THRESHOLD>(guest);
    raise_tpr(guest);
}
template <uint32_t kControls>
void virtual_registers(CountedGuest& guest) {
    point_at_apic(guest);
    tpr_shadow(guest);
    guest->backend().write_field(F::APIC_ACCESS_ADDRESS, kApicPage);
    control<0, kControls>(guest);
}
void virtual_interrupts(CountedGuest& guest) {
    virtual_registers<kDelivery>(guest);
    guest->run_to<VmExit::Halt>();
}
void eoi_exits(CountedGuest& guest) {
    virtual_interrupts(guest);
    guest->backend().write_field(F::EOI_EXIT_BITMAP_1, uint64_t{1} << (kVector - 64));
}
void posted_interrupts(CountedGuest& guest) {
    virtual_interrupts(guest);
    guest->backend().write_field(F::POSTED_INTERRUPT_NOTIFICATION_VECTOR, kNotification);
    guest->backend().write_field(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, frame(guest).value());
    set_bits(guest, F::PIN_BASED_VM_EXECUTION_CONTROLS, x86::PinControls::PROCESS_POSTED_INTERRUPTS);
}

// The hypervisor makes the vector pending in the virtual APIC.
void request(CountedGuest& guest) {
    const Hpa at = virtual_apic_page(guest) + apic::IRR + kVector / 32u * uint64_t{16};
    store(guest, at, load<uint32_t>(guest, at) | 1u << kVector % 32u);
    const uint64_t in_service = guest->backend().read_field(F::GUEST_INTERRUPT_STATUS) & 0xff00;
    guest->backend().write_field(F::GUEST_INTERRUPT_STATUS, in_service | kVector);
}
void virtual_interrupt(CountedGuest& guest) {
    request(guest);
    guest->run_to<VmExit::Halt>();
}
void virtualized_eoi(CountedGuest& guest) {
    request(guest);
    run_to_unhandled<R::VIRTUALIZED_EOI>(guest);
    guest->run_to<VmExit::Halt>();
}
void posted_interrupt(CountedGuest& guest) {
    const Hpa descriptor(guest->backend().read_field(F::POSTED_INTERRUPT_DESCRIPTOR_ADDRESS));
    store(guest, descriptor + kVector / 64u * uint64_t{8}, uint64_t{1} << kVector % 64u);
    store<uint8_t>(guest, descriptor + 32, 1);  // outstanding notification
    guest->processor().raise_interrupt(kNotification);
    guest->run_to<VmExit::Halt>();
}

}  // namespace

std::span<const Operation> apic_operations() {
    static const std::array all = {
        Operation{"cr8_write", VTLESS_GUEST(exit_cr8_load), with_local_apic, nullptr,
                  run_to<VmExit::Nothing>},
        Operation{"cr8_read", VTLESS_GUEST(exit_cr8_store), with_local_apic, nullptr,
                  run_to<VmExit::Nothing>},
        Operation{"x2apic_read", VTLESS_GUEST(rdmsr_loop), with_local_apic, point_at_tpr_msr,
                  run_to<VmExit::Nothing>},
        Operation{"x2apic_write", VTLESS_GUEST(wrmsr_loop), with_local_apic, point_at_tpr_msr,
                  run_to<VmExit::Nothing>},
        Operation{"apic_page_read_by_ept", VTLESS_GUEST(apic_load), with_apic_page_by_ept,
                  point_at_missing_page, run_to<VmExit::Nothing>},
        Operation{"apic_access_read", VTLESS_GUEST(apic_load), with_apic_access_page, point_at_apic,
                  run_to<VmExit::Nothing>},
        Operation{"apic_access_write", VTLESS_GUEST(apic_store), with_apic_access_page, point_at_apic,
                  run_to<VmExit::Nothing>},
        Operation{"guest_cr8_by_tpr_shadow", VTLESS_GUEST(quiet_cr8), nullptr, tpr_shadow,
                  run_to<VmExit::IoWrite>},
        Operation{"tpr_below_threshold", VTLESS_GUEST(lower_tpr), nullptr, tpr_threshold, below_threshold},
        Operation{"guest_apic_register_read", VTLESS_GUEST(apic_load_and_out), nullptr,
                  virtual_registers<kDelivery>, run_to<VmExit::IoWrite>},
        Operation{
            "apic_write", VTLESS_GUEST(apic_store), nullptr,
            virtual_registers<Secondary::VIRTUALIZE_APIC_ACCESSES | Secondary::APIC_REGISTER_VIRTUALIZATION>,
            run_to_unhandled<R::APIC_WRITE>},
        Operation{"virtual_interrupt", VTLESS_GUEST(wait_for_interrupts), nullptr, virtual_interrupts,
                  virtual_interrupt},
        Operation{"virtualized_eoi", VTLESS_GUEST(wait_for_interrupts), nullptr, eoi_exits, virtualized_eoi},
        Operation{"posted_interrupt", VTLESS_GUEST(wait_for_interrupts), nullptr, posted_interrupts,
                  posted_interrupt},
    };
    return all;
}

}  // namespace vtless::bench
