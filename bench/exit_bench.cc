// SPDX-License-Identifier: MIT
// What does a VM exit cost, from guest to VCpu::run's caller and back into the guest? Against the same stop
// on Unicorn alone, after which RIP is written and the guest goes on.
#include "bench/support/bare_guest.h"
#include "bench/support/c_guest.h"
#include "bench/support/engine_guest.h"
#include "bench/support/guest_code.h"
#include "bench/support/vcpu_guest.h"
#include "bench/support/versus.h"

namespace {

using namespace vtless;
using namespace vtless::bench;

constexpr uint64_t kCode = GuestLayout::kCode;
constexpr uint64_t kExits = 500;

template <class Round>
Batch rounds(Round round) {
    return [round] {
        return ns_per(kExits, [&] {
            for (uint64_t i = 0; i < kExits; ++i) round();
        });
    };
}

Batch bare_rounds(BareGuest& guest, uint64_t next_rip) {
    return rounds([&guest, next_rip] { guest.write_rip_and_resume(next_rip); });
}

void cpuid(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(cpuid_loop), {.intercept_hlt = true});
    VcpuGuest guest(VTLESS_GUEST(cpuid_loop));
    versus(state, "CPUID handled in the backend", Target::at_most_times(2),
           {{bare_rounds(bare, kCode + 2), rounds([&] { guest.run_to<VmExit::Nothing>(); })}});
}

void hlt(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(hlt_loop));
    VcpuGuest guest(VTLESS_GUEST(hlt_loop));
    versus(state, "HLT exit to the caller", Target::at_most_times(2),
           {{bare_rounds(bare, kCode + 1), rounds([&] { guest.run_to<VmExit::Halt>(); })}});
}

void io(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(out_loop));
    bare.hook_instruction(kCode);
    VcpuGuest guest(VTLESS_GUEST(out_loop));
    versus(state, "I/O exit (OUT) to the caller", Target::at_most_times(2),
           {{bare_rounds(bare, kCode + 2), rounds([&] { guest.run_to<VmExit::IoWrite>(); })}});
}

void ept_violation(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(missing_page_loop), {.refused_page = GuestLayout::kMissingPage});
    VcpuGuest guest(VTLESS_GUEST(missing_page_loop));
    constexpr uint64_t kNext = kCode + 8;
    versus(state, "EPT-violation exit to the caller", Target::at_most_times(2),
           {{bare_rounds(bare, kNext), rounds([&] {
                 guest.run_to<VmExit::NestedPageFault>();
                 guest.set_rip(kNext);
             })}});
}

// What a hypervisor on libvtless pays that does the least: which exit, and RIP past the instruction.
void c_abi(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(cpuid_loop), {.intercept_hlt = true});
    c_guest_open();
    versus(state, "CPUID exit through the C ABI", Target::at_most_times(3),
           {{bare_rounds(bare, kCode + 2), rounds(c_guest_round)}});
    c_guest_close();
}

// The share of the engine in the above.
void engine_cpuid(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(cpuid_loop), {.intercept_hlt = true});
    EngineGuest guest(VTLESS_GUEST(cpuid_loop));
    guest.engine().set_rip(kCode);
    versus(state, "CPUID stop of the engine alone", Target::at_most_times(2),
           {{bare_rounds(bare, kCode + 2), rounds([&] {
                 const sim::Stop& stop = guest.engine().run();
                 VTLESS_CHECK(stop.kind == sim::Stop::Kind::Instruction);
                 guest.engine().set_rip(guest.engine().rip() + stop.instruction.length);
             })}});
}

const bool registered = add("exit/cpuid", cpuid) && add("exit/hlt", hlt) && add("exit/io", io) &&
                        add("exit/ept_violation", ept_violation) && add("exit/engine_cpuid", engine_cpuid) &&
                        add("exit/c_abi", c_abi);

}  // namespace
