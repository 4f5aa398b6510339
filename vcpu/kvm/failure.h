// SPDX-License-Identifier: MIT
// What VCpuError::detail says when the KVM backend fails: what it tried, on what, and errno.
#pragma once

#include <cstdint>
#include <string>

#include "isa/addr.h"
#include "vcpu/error.h"

namespace vtless::kvm {

class Descriptor;

enum class Failure : uint8_t {
    Open = 1,           // the device file: error
    ApiVersion,         // value: the version
    MissingCapability,  // value: KVM_CAP_ number
    Ioctl,              // value: the request; error
    Map,                // the vCPU's shared memory: error
    SharedMemory,       // value: its size, too small for kvm_run
    Layout,             // EPT that memory slots cannot express: subject: LayoutRefusal, and a page
    OtherEptRoot,       // another vCPU of the VM has another one
    EntryState,         // RIP would be negative: the entry lies below CS's base
    Msr,                // KVM_SET_MSRS did not take value, an MSR
    MsrRange,           // value: an MSR that no filter of KVM reaches
    Signal,             // value: signal number, which has a handler of someone else's; or error
    Timer,              // timer_create or timer_settime: error
    NotSetUp,           // run or bind before setup
    NotBound,
    NothingPending,    // a completion without the exit that asks for it
    NotCompleted,      // run with an exit that waits for its completion; value: ExitKind
    CannotGoOn,        // run after an exit that KVM cannot resume from; value: ExitKind
    QueueFull,         // value: capacity
    NeedsKernelApics,  // value: KernelApicUse
    ApicPage,          // a device in the page of the kernel's local APICs
    ApicId,            // value: the vCPU's id, which no local APIC can have
    ApicVector,        // value: a vector that local APICs do not take
    MsiNotTaken,       // value: the vector
    IoApicPin,         // value: the pin, which VmConfig does not have
    MsrListFull,       // passed_msrs has no room for the local APICs' own
};

// Why the EPT of the caller cannot become memory slots.
enum class LayoutRefusal : uint8_t {
    ExecuteOnly = 1,
    NoExecute,
    WriteWithoutRead,
    SupervisorUserSplit,  // mode-based execute control
    Misconfigured,        // reserved bits or memory type of an entry
    MemoryType,           // not write-back: the host's choice under KVM
    NoHostMemory,         // an entry, or a table, where the embedder has no memory
    Unaligned,            // the embedder's memory for a frame does not start at a multiple of 4 KiB
    TooManySlots,
    ReadOnlyUnsupported,  // KVM_CAP_READONLY_MEM
    ApicPage,             // FEE00000H, where the kernel's local APICs are
};

// What is there only with the local APICs in the kernel.
enum class KernelApicUse : uint8_t { Msi = 1, IoApicRoutes, WaitForSipi };

struct FailureDetail {
    Failure what = Failure::Ioctl;
    LayoutRefusal refusal{};
    Gpa page;            // Layout: of the guest
    uint16_t error = 0;  // errno; 0: none
    uint32_t value = 0;

    uint64_t encode() const;
    static FailureDetail decode(uint64_t detail);
};

Unexpected<VCpuError> fail_with(VCpuErrc code, Failure what, uint32_t value = 0, int error = 0);
Unexpected<VCpuError> refuse_layout(LayoutRefusal why, Gpa page);

// The ioctl, or what it was and why it failed. argument: a number or a structure.
Result<int> call(const Descriptor& fd, unsigned long request, uintptr_t argument = 0);
template <class T>
Result<int> call(const Descriptor& fd, unsigned long request, T* argument) {
    return call(fd, request, reinterpret_cast<uintptr_t>(argument));
}

// "Backend: KVM_SET_SREGS: Invalid argument (errno 22)".
std::string describe(const VCpuError& error);

}  // namespace vtless::kvm
