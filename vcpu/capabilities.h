// SPDX-License-Identifier: MIT
// What a backend can do beyond ArchVCpu. A VMM and tests ask before they rely on it.
#pragma once

#include <concepts>

namespace vtless {

// Everything is false until a backend says otherwise.
struct Capabilities {
    const char* backend = "";  // its name: "vmx", "kvm", ...

    bool ept_violations = false;      // NestedPageFault can be repaired: the instruction executes again
    bool ept_rights = false;          // EPT may take away execution alone, or reading alone
    bool ept_accessed_dirty = false;  // a guest's accesses set EPT's accessed and dirty bits
    bool vmcs = false;                // the VMCS and all exit fields can be read
    bool exit_instruction_length = false;
    bool mmio_register = false;     // MmioRead names the register to fill
    bool all_hypercalls = false;    // each VMCALL is a Hypercall; else the backend keeps some to itself
    bool single_string_io = false;  // the guest can be interrupted between two elements of INS and OUTS
    bool interrupt_windows =
        false;                      // a window ends the run at the guest's first instruction where it is open
    bool halts_exit = false;        // HLT is Halt; else the vCPU may stand halted within run()
    bool local_apic_exits = false;  // the local APIC is the embedder's: accesses to its page are exits
    bool explains_refusals = false;   // FailEntry says which check failed
    bool instruction_counts = false;  // exact
    bool cycles = false;              // simulated, independent of the host
    bool hardware_speed = false;      // the time a guest takes is a processor's, not an emulator's
    bool deterministic = false;       // the same guest, run twice, gives the same exits and registers

    friend constexpr bool operator==(const Capabilities&, const Capabilities&) = default;
};

template <class A>
concept ReportsCapabilities = requires(const A& arch) {
    { arch.capabilities() } -> std::same_as<Capabilities>;
};

}  // namespace vtless
