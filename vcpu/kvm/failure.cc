// SPDX-License-Identifier: MIT
#include "vcpu/kvm/failure.h"

#include <linux/kvm.h>

#include <array>
#include <cstring>

#include "vcpu/error_text.h"
#include "vcpu/exit.h"
#include "vcpu/kvm/flexible.h"
#include "vcpu/kvm/kernel.h"

namespace vtless::kvm {

namespace {

struct Name {
    unsigned long number;
    const char* text;
};

#define VTLESS_KVM_NAME(name) \
    Name { name, #name }
constexpr std::array kRequests = {
    VTLESS_KVM_NAME(KVM_GET_API_VERSION),
    VTLESS_KVM_NAME(KVM_CREATE_VM),
    VTLESS_KVM_NAME(KVM_CHECK_EXTENSION),
    VTLESS_KVM_NAME(KVM_GET_VCPU_MMAP_SIZE),
    Name{kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID"},
    Name{kSetCpuid2, "KVM_SET_CPUID2"},
    Name{kSetMsrs, "KVM_SET_MSRS"},
    VTLESS_KVM_NAME(KVM_SET_TSS_ADDR),
    VTLESS_KVM_NAME(KVM_SET_IDENTITY_MAP_ADDR),
    VTLESS_KVM_NAME(KVM_ENABLE_CAP),
    VTLESS_KVM_NAME(KVM_X86_SET_MSR_FILTER),
    VTLESS_KVM_NAME(KVM_SET_USER_MEMORY_REGION),
    VTLESS_KVM_NAME(KVM_CREATE_VCPU),

    VTLESS_KVM_NAME(KVM_GET_REGS),
    VTLESS_KVM_NAME(KVM_SET_REGS),
    VTLESS_KVM_NAME(KVM_GET_SREGS),
    VTLESS_KVM_NAME(KVM_SET_SREGS),

    VTLESS_KVM_NAME(KVM_SET_XCRS),
    VTLESS_KVM_NAME(KVM_GET_DEBUGREGS),
    VTLESS_KVM_NAME(KVM_SET_DEBUGREGS),
    VTLESS_KVM_NAME(KVM_GET_VCPU_EVENTS),
    VTLESS_KVM_NAME(KVM_SET_VCPU_EVENTS),
    VTLESS_KVM_NAME(KVM_INTERRUPT),
    VTLESS_KVM_NAME(KVM_NMI),
    VTLESS_KVM_NAME(KVM_TRANSLATE),
    VTLESS_KVM_NAME(KVM_GET_MP_STATE),
    VTLESS_KVM_NAME(KVM_SET_MP_STATE),
    VTLESS_KVM_NAME(KVM_GET_LAPIC),
    VTLESS_KVM_NAME(KVM_SIGNAL_MSI),
    Name{kSetGsiRouting, "KVM_SET_GSI_ROUTING"},
    VTLESS_KVM_NAME(KVM_RUN),
};
constexpr std::array kCapabilities = {
    VTLESS_KVM_NAME(KVM_CAP_USER_MEMORY),
    VTLESS_KVM_NAME(KVM_CAP_SET_TSS_ADDR),
    VTLESS_KVM_NAME(KVM_CAP_SET_IDENTITY_MAP_ADDR),
    VTLESS_KVM_NAME(KVM_CAP_EXT_CPUID),
    VTLESS_KVM_NAME(KVM_CAP_USER_NMI),
    VTLESS_KVM_NAME(KVM_CAP_VCPU_EVENTS),
    VTLESS_KVM_NAME(KVM_CAP_DEBUGREGS),
    VTLESS_KVM_NAME(KVM_CAP_XCRS),
    VTLESS_KVM_NAME(KVM_CAP_IMMEDIATE_EXIT),
    VTLESS_KVM_NAME(KVM_CAP_X86_USER_SPACE_MSR),
    VTLESS_KVM_NAME(KVM_CAP_X86_MSR_FILTER),
    VTLESS_KVM_NAME(KVM_CAP_SPLIT_IRQCHIP),
    VTLESS_KVM_NAME(KVM_CAP_SIGNAL_MSI),
    VTLESS_KVM_NAME(KVM_CAP_IRQ_ROUTING),
    VTLESS_KVM_NAME(KVM_CAP_MP_STATE),
};
#undef VTLESS_KVM_NAME

template <size_t N>
std::string name_in(const std::array<Name, N>& names, unsigned long number) {
    for (const Name& name : names)
        if (static_cast<uint32_t>(name.number) == number) return name.text;
    return "number " + std::to_string(number);
}

std::string hex(uint64_t value) {
    std::string digits;
    do digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
    while ((value >>= 4) != 0);
    return "0x" + digits;
}

std::string errno_text(int error) {
    return std::string(std::strerror(error)) + " (errno " + std::to_string(error) + ")";
}

const char* text(LayoutRefusal why) {
    switch (why) {
        case LayoutRefusal::ExecuteOnly:
            return "execute-only: KVM's memory slots can always be read";
        case LayoutRefusal::NoExecute:
            return "no-execute: KVM's memory slots can always be executed";
        case LayoutRefusal::WriteWithoutRead:
            return "write without read: an EPT misconfiguration";
        case LayoutRefusal::SupervisorUserSplit:
            return "execution differs for supervisor and user mode: KVM's memory slots do not tell them "
                   "apart";
        case LayoutRefusal::Misconfigured:
            return "EPT misconfiguration: reserved bits, or a memory type that there is not";
        case LayoutRefusal::MemoryType:
            return "a memory type other than write-back: KVM leaves no choice";
        case LayoutRefusal::NoHostMemory:
            return "EPT leads to host-physical memory that the embedder does not have";
        case LayoutRefusal::Unaligned:
            return "the embedder's memory for this page does not start at a multiple of 4 KiB";
        case LayoutRefusal::TooManySlots:
            return "more pieces of memory than KVM has slots";
        case LayoutRefusal::ReadOnlyUnsupported:
            return "read-only: this KVM has no KVM_CAP_READONLY_MEM";
        case LayoutRefusal::ApicPage:
            return "the local APICs in the kernel are there: it cannot be memory";
    }
    return "?";
}

const char* text(KernelApicUse what) {
    switch (what) {
        case KernelApicUse::Msi:
            return "a message-signalled interrupt";
        case KernelApicUse::IoApicRoutes:
            return "EOIs of an I/O APIC";
        case KernelApicUse::WaitForSipi:
            return "a vCPU that waits for a start-up IPI";
    }
    return "?";
}

std::string describe_signal(const FailureDetail& detail) {
    const std::string signal = "signal " + std::to_string(detail.value);
    if (detail.error != 0) return "the handler of " + signal + ": " + errno_text(detail.error);
    return signal + " already has a handler: name another as the VM's kick_signal";
}

std::string text(const FailureDetail& detail) {
    const auto kind = [&detail] { return std::string(name(static_cast<ExitKind>(detail.value))); };
    switch (detail.what) {
        case Failure::Open:
            return "open of the KVM device: " + errno_text(detail.error);
        case Failure::ApiVersion:
            return "KVM_GET_API_VERSION: " + std::to_string(detail.value) + ", not 12";
        case Failure::MissingCapability:
            return "this KVM lacks " + name_in(kCapabilities, detail.value);
        case Failure::Ioctl:
            return name_in(kRequests, detail.value) + ": " + errno_text(detail.error);
        case Failure::Map:
            return "mmap of the vCPU: " + errno_text(detail.error);
        case Failure::SharedMemory:
            return "KVM_GET_VCPU_MMAP_SIZE: " + std::to_string(detail.value) + " bytes hold no kvm_run";
        case Failure::Layout:
            return "guest-physical page " + hex(detail.page.value()) + ": " + text(detail.refusal);
        case Failure::OtherEptRoot:
            return "KVM has one memory for all vCPUs of a VM: another vCPU has another EPT root";
        case Failure::EntryState:
            return "the entry lies below the base of CS";
        case Failure::Msr:
            return "KVM_SET_MSRS refused MSR " + hex(detail.value);
        case Failure::MsrRange:
            return "KVM cannot filter MSR " + hex(detail.value);
        case Failure::Signal:
            return describe_signal(detail);
        case Failure::Timer:
            return "the timer of the time slice: " + errno_text(detail.error);
        case Failure::NotSetUp:
            return "the vCPU is not set up";
        case Failure::NotBound:
            return "the vCPU is not bound to a thread";
        case Failure::NothingPending:
            return "no exit waits for this completion";
        case Failure::NotCompleted:
            return "the last exit, " + kind() + ", waits for its completion: KVM cannot leave it undone";
        case Failure::CannotGoOn:
            return "KVM cannot resume the guest after " + kind();
        case Failure::QueueFull:
            return "the queue holds its maximum of " + std::to_string(detail.value);
        case Failure::NeedsKernelApics:
            return std::string(text(static_cast<KernelApicUse>(detail.value))) +
                   " needs the local APICs in the kernel: VmConfig::local_apics";
        case Failure::ApicPage:
            return "the local APICs in the kernel are at guest-physical page 0xfee00000: no device can be "
                   "there";
        case Failure::ApicId:
            return "no local APIC has the id " + std::to_string(detail.value) + ": they are 0 to 254";
        case Failure::ApicVector:
            return "local APICs take vectors from 16 on, not " + std::to_string(detail.value);
        case Failure::MsiNotTaken:
            return "no local APIC took vector " + std::to_string(detail.value) +
                   ": there is none of this id, or the guest has it disabled";
        case Failure::IoApicPin:
            return "the I/O APIC has no pin " + std::to_string(detail.value) + ": VmConfig::ioapic_pins";
        case Failure::MsrListFull:
            return "VmConfig::passed_msrs has no room for those of the local APICs in the kernel";
    }
    return "detail " + hex(detail.encode());
}

}  // namespace

// Bits 63:56 what; Layout: 55:48 refusal, 39:0 page number; else 47:32 errno, 31:0 value.
uint64_t FailureDetail::encode() const {
    const uint64_t kind = static_cast<uint64_t>(what) << 56;
    if (what == Failure::Layout) return kind | static_cast<uint64_t>(refusal) << 48 | page.frame_number();
    return kind | uint64_t{error} << 32 | value;
}

FailureDetail FailureDetail::decode(uint64_t detail) {
    FailureDetail decoded;
    decoded.what = static_cast<Failure>(detail >> 56);
    if (decoded.what == Failure::Layout) {
        decoded.refusal = static_cast<LayoutRefusal>(detail >> 48);
        decoded.page = Gpa((detail & ((uint64_t{1} << 40) - 1)) << 12);
    } else {
        decoded.error = static_cast<uint16_t>(detail >> 32);
        decoded.value = static_cast<uint32_t>(detail);
    }
    return decoded;
}

Unexpected<VCpuError> fail_with(VCpuErrc code, Failure what, uint32_t value, int error) {
    return fail(code, FailureDetail{what, {}, {}, static_cast<uint16_t>(error), value}.encode());
}

Unexpected<VCpuError> refuse_layout(LayoutRefusal why, Gpa page) {
    return fail(VCpuErrc::Unsupported, FailureDetail{Failure::Layout, why, page, 0, 0}.encode());
}

Result<int> call(const Descriptor& fd, unsigned long request, uintptr_t argument) {
    const Expected<int, int> done = fd.raw(request, argument);
    if (done) return *done;
    return fail_with(VCpuErrc::Backend, Failure::Ioctl, static_cast<uint32_t>(request), done.error());
}

std::string describe(const VCpuError& error) {
    if (error.code == VCpuErrc::BadState || error.detail >> 56 == 0) return to_string(error);
    return std::string(name(error.code)) + ": " + text(FailureDetail::decode(error.detail));
}

}  // namespace vtless::kvm
