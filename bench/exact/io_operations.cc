// SPDX-License-Identifier: MIT
// Ports, MSRs and devices.
#include <array>

#include "bench/exact/operations.h"
#include "bench/exact/steps.h"

VTLESS_DECLARE_GUEST(port_device_loop);
VTLESS_DECLARE_GUEST(mmio_device_loop);

namespace vtless::bench {

namespace {

constexpr uint64_t kDevice = GuestLayout::kMissingPage;
constexpr uint32_t kExitingMsr = 0x1a0;  // IA32_MISC_ENABLE

void string_output(CountedGuest& guest) {
    for (int i = 0; i < 4; ++i) guest->run_to<VmExit::IoWrite>();
}
// Busy once for each byte.
void port_device(CountedGuest& guest) {
    for (int byte = 0; byte < 4; ++byte) {
        for (const uint64_t status : {uint64_t{0}, uint64_t{0x60}}) {
            guest->run_to<VmExit::IoRead>();
            VTLESS_CHECK(guest->backend().complete_io_read(status));
        }
        guest->run_to<VmExit::IoWrite>();
    }
}
void read_device(CountedGuest& guest, uint64_t value) {
    guest->run_to<VmExit::MmioRead>();
    VTLESS_CHECK(guest->backend().complete_mmio_read(value));
}
void mmio_device(CountedGuest& guest) {
    for (int i = 0; i < 3; ++i) guest->run_to<VmExit::MmioWrite>();
    read_device(guest, 0);
    read_device(guest, 1);
    read_device(guest, 1);  // the OR's
    guest->run_to<VmExit::MmioWrite>();
}

void with_device(vmx::SetupConfig& config) { config.mmio.push_back({Gpa(kDevice), 0x1000}); }
void point_at_device(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RDI, kDevice); }
void choose_msr(CountedGuest& guest) { guest->set_gpr(x86::Gpr::RCX, kExitingMsr); }

}  // namespace

std::span<const Operation> io_operations() {
    static const std::array all = {
        Operation{"port_write", VTLESS_GUEST(out_loop), nullptr, nullptr, run_to<VmExit::IoWrite>},
        Operation{"port_read", VTLESS_GUEST(in_loop), nullptr, nullptr,
                  run_and_complete<VmExit::IoRead, &Arch::complete_io_read>},
        Operation{"port_write_string_of_4", VTLESS_GUEST(rep_outs_loop), nullptr, nullptr, string_output},
        Operation{"msr_read", VTLESS_GUEST(rdmsr_loop), nullptr, choose_msr,
                  run_and_complete<VmExit::SysRegRead, &Arch::complete_sysreg_read>},
        Operation{"msr_write", VTLESS_GUEST(wrmsr_loop), nullptr, choose_msr, run_to<VmExit::SysRegWrite>},
        Operation{"mmio_read", VTLESS_GUEST(mmio_read_loop), with_device, point_at_device,
                  run_and_complete<VmExit::MmioRead, &Arch::complete_mmio_read>},
        Operation{"mmio_write", VTLESS_GUEST(mmio_write_loop), with_device, point_at_device,
                  run_to<VmExit::MmioWrite>},
        Operation{"port_device", VTLESS_GUEST(port_device_loop), nullptr, nullptr, port_device},
        Operation{"mmio_device", VTLESS_GUEST(mmio_device_loop), with_device, point_at_device, mmio_device},
    };
    return all;
}

}  // namespace vtless::bench
