// SPDX-License-Identifier: MIT
#include "samples/hypervisor/monitor.h"

#include <initializer_list>

#include "samples/rom/output.h"

namespace hypervisor {

using vtless::VmExit;
using vtless::x86::VmcsField;

namespace {

constexpr uint64_t kDeviceAnswer = 0x11223344;
constexpr uint64_t kMsrAnswer = 0x0123456789abcdef;
constexpr size_t kInterrupt = 0x40;
constexpr uint64_t kReservedFlags = 0;  // bit 1 has to be 1

void put_words(std::initializer_list<uint64_t> words) {
    for (const uint64_t word : words) {
        rom::put(' ');
        rom::put_hex(word);
    }
}

// The words of a line: what the exit is about.
void put_payload(const VmExit::Hypercall& exit) { put_words({exit.nr, exit.args[0], exit.args[1]}); }
void put_payload(const VmExit::MmioRead& exit) {
    put_words({exit.addr.value(), bytes(exit.width), bytes(exit.reg_width), exit.reg});
}
void put_payload(const VmExit::MmioWrite& exit) {
    put_words({exit.addr.value(), bytes(exit.width), exit.data});
}
void put_payload(const VmExit::SysRegRead& exit) { put_words({exit.addr}); }
void put_payload(const VmExit::SysRegWrite& exit) { put_words({exit.addr, exit.value}); }
void put_payload(const VmExit::IoRead& exit) { put_words({exit.port, bytes(exit.width)}); }
void put_payload(const VmExit::IoWrite& exit) { put_words({exit.port, bytes(exit.width), exit.data}); }
void put_payload(const VmExit::NestedPageFault& exit) {
    const auto& [read, write, execute] = exit.access_flags;
    put_words({exit.addr.value(), read, write, execute});
}
void put_payload(const VmExit::FailEntry& exit) { put_words({exit.hardware_entry_failure_reason}); }
void put_payload(const VmExit::Unhandled& exit) { put_words({exit.raw, exit.qualification}); }
template <vtless::ExitPayload T>
void put_payload(const T&) {}

void put_line(const VmExit& exit, const vtless::vmx::RawVmxExit& raw, uint64_t rip) {
    rom::put(vtless::name(exit.kind()));
    exit.visit([](const auto& payload) { put_payload(payload); });
    rom::put(" | reason, qualification, RIP:");
    put_words({raw.exit_reason.raw, raw.exit_qualification, rip});
    rom::put('\n');
}

}  // namespace

vtless::vmx::SetupConfig guest_setup() {
    vtless::vmx::SetupConfig setup;
    setup.mmio.push_back({vtless::Gpa(0xd0000000), 0x1000});
    setup.exception_bitmap = 1u << static_cast<unsigned>(vtless::x86::Vector::UD);
    return setup;
}

void Monitor::run() {
    for (bool goes_on = true; goes_on;) {
        const vtless::Result<VmExit> exit = guest_.run();
        if (!exit) {
            rom::put("run failed: ");
            rom::put_hex(exit.error().detail);
            rom::put('\n');
            rom::shut_down();
        }
        put_line(*exit, backend().raw_exit(), backend().read_field(VmcsField::GUEST_RIP));
        goes_on = exit->visit([this](const auto& payload) { return on(payload); });
    }
}

bool Monitor::on(const VmExit::IoRead&) { return backend().complete_io_read(kDeviceAnswer).has_value(); }
bool Monitor::on(const VmExit::MmioRead&) { return backend().complete_mmio_read(kDeviceAnswer).has_value(); }
bool Monitor::on(const VmExit::SysRegRead&) { return backend().complete_sysreg_read(kMsrAnswer).has_value(); }

bool Monitor::on(const VmExit::Hypercall& exit) {
    switch (static_cast<Hypercall>(exit.nr)) {
        case Hypercall::Compute:
            return guest_.set_return_value(2 * exit.args[0] + 1).has_value();
        case Hypercall::Interrupt:
            return guest_.inject_interrupt(kInterrupt).has_value();
        case Hypercall::Nmi:
            return backend().inject_nmi(), true;
        case Hypercall::BadState:
            good_flags_ = backend().read_field(VmcsField::GUEST_RFLAGS);
            return backend().write_field(VmcsField::GUEST_RFLAGS, kReservedFlags), true;
    }
    return false;
}

bool Monitor::on(const VmExit::NestedPageFault& exit) { return memory_.give(exit.addr); }

bool Monitor::on(const VmExit::FailEntry&) {
    backend().write_field(VmcsField::GUEST_RFLAGS, good_flags_);
    return good_flags_ != 0;
}

bool Monitor::on(const VmExit::Unhandled&) { return false; }

}  // namespace hypervisor
