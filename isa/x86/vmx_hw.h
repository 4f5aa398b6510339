// SPDX-License-Identifier: MIT
// What a VMX backend needs of a processor: the seam between vcpu/vmx and whatever stands where silicon
// would be (sim::VmxProcessor, the real instructions in ring 0, a recording fake).
#pragma once

#include <concepts>
#include <cstdint>

#include "isa/addr.h"
#include "isa/entry_explanation.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/event_info.h"
#include "isa/x86/msr.h"
#include "isa/x86/registers.h"
#include "isa/x86/segment.h"
#include "isa/x86/vmcs_field.h"
#include "isa/x86/vmx_status.h"

namespace vtless::x86 {

enum class InveptType : uint64_t { SINGLE_CONTEXT = 1, ALL_CONTEXT = 2 };
// In memory as here. SDM Vol. 3C "INVEPT—Invalidate Translations Derived from EPT" (31.3).
struct InveptDescriptor {
    uint64_t eptp = 0;
    uint64_t reserved = 0;
};

enum class InvvpidType : uint64_t {
    INDIVIDUAL_ADDRESS = 0,
    SINGLE_CONTEXT = 1,
    ALL_CONTEXT = 2,
    SINGLE_CONTEXT_RETAINING_GLOBALS = 3,
};
// The reserved bits 63:16 are 0. SDM Vol. 3C "INVVPID—Invalidate Translations Based on VPID" (31.3).
struct InvvpidDescriptor {
    uint16_t vpid = 0;
    Gva address;
};

// Frames (4 KiB) of host-physical memory. allocate_frame gives a zeroed frame, or false when there is none;
// map gives the frame's bytes for as long as it is allocated, or nullptr where no memory is.
template <class M>
concept HostMemory = requires(M memory, Hpa frame) {
    { memory.allocate_frame(frame) } -> std::same_as<bool>;
    {memory.free_frame(frame)};
    { memory.map(frame) } -> std::same_as<uint8_t*>;
};

// The guest's general-purpose registers as vmlaunch/vmresume take and leave them. RSP is not among them: it
// is VMCS field GUEST_RSP. Access is by register because moving all sixteen is what costs.
template <class G>
concept GuestGprs = requires(G gprs, Gpr index, uint64_t value) {
    { gprs.get(index) } -> std::same_as<uint64_t>;
    {gprs.set(index, value)};
};

// The instructions, each as the SDM describes it in VMX root operation at CPL 0. vmlaunch and vmresume return
// Succeed when a VM exit has brought control back (an entry failure that is reported as an exit included),
// and a failure when there was no entry. Outputs are written on success only. SDM Vol. 3C "VMX Instruction
// Reference" (31).
template <class Hw>
concept VmxHw = requires(Hw hw, typename Hw::Gprs gprs, Hpa hpa, VmcsField field, uint64_t value,
                         uint32_t word, Msr msr, InveptDescriptor ept, InvvpidDescriptor vpid,
                         SegmentRegister segment) {
    requires GuestGprs<typename Hw::Gprs>;
    requires HostMemory<typename Hw::Memory>;
    { hw.memory() } -> std::same_as<typename Hw::Memory&>;

    { hw.vmxon(hpa) } -> std::same_as<VmxStatus>;
    { hw.vmxoff() } -> std::same_as<VmxStatus>;
    { hw.vmclear(hpa) } -> std::same_as<VmxStatus>;
    { hw.vmptrld(hpa) } -> std::same_as<VmxStatus>;
    { hw.vmptrst(hpa) } -> std::same_as<VmxStatus>;  // all ones when there is no current VMCS
    { hw.vmread(field, value) } -> std::same_as<VmxStatus>;
    { hw.vmwrite(field, value) } -> std::same_as<VmxStatus>;
    { hw.vmlaunch(gprs) } -> std::same_as<VmxStatus>;
    { hw.vmresume(gprs) } -> std::same_as<VmxStatus>;
    { hw.invept(InveptType::ALL_CONTEXT, ept) } -> std::same_as<VmxStatus>;
    { hw.invvpid(InvvpidType::ALL_CONTEXT, vpid) } -> std::same_as<VmxStatus>;

    { hw.rdmsr(msr, value) } -> std::same_as<VmxStatus>;
    { hw.wrmsr(msr, value) } -> std::same_as<VmxStatus>;
    { hw.xgetbv(word, value) } -> std::same_as<VmxStatus>;
    { hw.xsetbv(word, value) } -> std::same_as<VmxStatus>;
    { hw.read_cr0() } -> std::same_as<uint64_t>;
    { hw.read_cr2() } -> std::same_as<uint64_t>;  // no VMCS field: what the guest left is the guest's
    { hw.read_cr3() } -> std::same_as<uint64_t>;
    { hw.read_cr4() } -> std::same_as<uint64_t>;
    { hw.write_cr0(value) } -> std::same_as<VmxStatus>;
    { hw.write_cr2(value) } -> std::same_as<VmxStatus>;  // before injecting #PF
    { hw.write_cr4(value) } -> std::same_as<VmxStatus>;
    { hw.cpuid(word, word) } -> std::same_as<CpuidResult>;
    { hw.rdtsc() } -> std::same_as<uint64_t>;

    // The host's own segmentation, for the host-state area.
    { hw.sgdt() } -> std::same_as<DescriptorTable>;
    { hw.sidt() } -> std::same_as<DescriptorTable>;
    { hw.selector(segment) } -> std::same_as<uint16_t>;
    { hw.segment_base(segment) } -> std::same_as<uint64_t>;
};

// What a processor may offer beyond VmxHw: why the last VMLAUNCH or VMRESUME failed, or nullptr.
template <class Hw>
concept ExplainsEntryFailures = requires(const Hw hw) {
    { hw.entry_explanation() } -> std::same_as<const EntryExplanation*>;
};

template <class Hw>
const EntryExplanation* entry_explanation([[maybe_unused]] const Hw& hw) {
    if constexpr (ExplainsEntryFailures<Hw>) {
        return hw.entry_explanation();
    } else {
        return nullptr;
    }
}

// And: to be told of an event that the backend keeps for the guest of the VMCS until it can be injected. Not
// of one that a VM exit has cut short.
template <class Hw>
concept NotesQueuedEvents = requires(Hw hw, Hpa vmcs, EventInfo event) {
    {hw.note_queued_event(vmcs, event)};
};

template <class Hw>
void note_queued_event([[maybe_unused]] Hw& hw, [[maybe_unused]] Hpa vmcs, [[maybe_unused]] EventInfo event) {
    if constexpr (NotesQueuedEvents<Hw>) hw.note_queued_event(vmcs, event);
}

}  // namespace vtless::x86
