// SPDX-License-Identifier: MIT
// MSR-load and MSR-store areas. SDM Vol. 3C "Loading MSRs" (27.4, 28.6), "Saving MSRs" (28.4).
#include <cstring>

#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

using x86::Msr;
using F = x86::VmcsField;

namespace {

struct MsrEntry {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};
static_assert(sizeof(MsrEntry) == 16);

// MSRs that are loaded with the segments.
bool is_segment_base(uint32_t index) {
    const auto msr = static_cast<Msr>(index);
    return msr == Msr::IA32_FS_BASE || msr == Msr::IA32_GS_BASE;
}

bool fetch(const HostMemory& memory, Hpa at, MsrEntry& entry) {
    if (!memory.contains(at, sizeof entry)) return false;
    std::memcpy(&entry, memory.map(at), sizeof entry);
    return entry.reserved == 0 && !x86::is_x2apic(static_cast<Msr>(entry.index));
}

}  // namespace

uint32_t VmxProcessor::load_msrs(Hpa area, uint32_t count, World world) {
    for (uint32_t i = 0; i < count; ++i) {
        MsrEntry entry;
        if (i >= capabilities_.misc.msr_list_max() || !fetch(*memory_, area + uint64_t{i} * 16, entry) ||
            is_segment_base(entry.index) || !msrs_.write(static_cast<Msr>(entry.index), world, entry.value)) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t VmxProcessor::store_msrs(Hpa area, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        const Hpa at = area + uint64_t{i} * 16;
        MsrEntry entry;
        if (i >= capabilities_.misc.msr_list_max() || !fetch(*memory_, at, entry) ||
            !msrs_.read(static_cast<Msr>(entry.index), World::Guest, entry.value)) {
            return i + 1;
        }
        std::memcpy(memory_->map(at), &entry, sizeof entry);
        memory_->note_write(at, sizeof entry);
    }
    return 0;
}

uint32_t VmxProcessor::load_entry_msrs(const Vmcs& vmcs) {
    const uint32_t count = vmcs.get32(F::VM_ENTRY_MSR_LOAD_COUNT);
    if (count == 0) return 0;
    return load_msrs(vmcs.get_address(F::VM_ENTRY_MSR_LOAD_ADDRESS), count, World::Guest);
}

}  // namespace vtless::sim
