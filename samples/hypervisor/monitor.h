// SPDX-License-Identifier: MIT
// What the hypervisor does about its guest's exits: prints each, and plays the few devices that the guest
// uses.
#pragma once

#include "samples/hypervisor/memory.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/native.h"
#include "vcpu/vmx/vmx_vcpu.h"

namespace hypervisor {

using Hardware = vtless::vmx::NativeVmx<FrameAllocator>;
using Backend = vtless::vmx::VmxVCpu<Hardware>;
using Guest = vtless::VCpu<Backend>;

inline constexpr vtless::Gpa kGuestEntry{0x1000};
vtless::vmx::SetupConfig guest_setup();

// What the guest asks for by VMCALL.
enum class Hypercall : uint64_t { Compute = 7, Interrupt = 8, Nmi = 9, BadState = 10 };

class Monitor {
  public:
    Monitor(Guest& guest, GuestMemory& memory) : guest_(guest), memory_(memory) {}

    // Until the guest ends, by an exit that nothing can be done about.
    void run();

    // One for each kind of exit: whether the guest goes on.
    bool on(const vtless::VmExit::IoRead& exit);
    bool on(const vtless::VmExit::MmioRead& exit);
    bool on(const vtless::VmExit::SysRegRead& exit);
    bool on(const vtless::VmExit::Hypercall& exit);
    bool on(const vtless::VmExit::NestedPageFault& exit);
    bool on(const vtless::VmExit::FailEntry& exit);
    bool on(const vtless::VmExit::Unhandled& exit);
    template <vtless::ExitPayload T>
    bool on(const T&) {
        return true;
    }

  private:
    Backend& backend() { return guest_.get_arch_vcpu(); }

    Guest& guest_;
    GuestMemory& memory_;
    uint64_t good_flags_ = 0;
};

}  // namespace hypervisor
