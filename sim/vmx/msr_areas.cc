// SPDX-License-Identifier: MIT
// MSR-load and MSR-store areas. SDM Vol. 3C "Loading MSRs" (27.4, 28.6), "Saving MSRs" (28.4).
#include <cstring>

#include "sim/cpu/control_registers.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

using x86::Msr;
using F = x86::VmcsField;

namespace {

bool fetch(const HostMemory& memory, Hpa at, MsrEntry& entry) {
    if (!memory.contains(at, sizeof entry)) return false;
    std::memcpy(&entry, memory.map(at), sizeof entry);
    return true;
}

// Whether an area can hold the entry, whatever the MSR and the processor.
bool is_storable(const MsrEntry& entry) {
    return entry.reserved == 0 && !x86::is_x2apic(static_cast<Msr>(entry.index));
}

}  // namespace

std::optional<CheckId> refused_msr_entry(const MsrEntry& entry) {
    const auto msr = static_cast<Msr>(entry.index);
    // They are loaded with the segments.
    if (msr == Msr::IA32_FS_BASE || msr == Msr::IA32_GS_BASE) return CheckId("load.msr.segment_base");
    if (x86::is_x2apic(msr)) return CheckId("load.msr.x2apic");
    if (entry.reserved != 0) return CheckId("load.msr.reserved");
    return std::nullopt;
}

// The guest's IA32_EFER is loaded as WRMSR does: not LME while paging is on. SDM Vol. 3C "Loading MSRs"
// (27.4).
std::optional<MsrLoadFailure> VmxProcessor::load_msrs(Hpa area, uint32_t count, World world) {
    const auto load = [&](Msr msr, uint64_t value) {
        if (msr != Msr::IA32_EFER || world == World::Root) return msrs_.write(msr, world, value);
        return write_efer(engine_->edit_state(), *mmu_, value, capabilities_.guest_features).done();
    };
    for (uint32_t i = 0; i < count; ++i) {
        MsrEntry entry{};
        if (i >= capabilities_.misc.msr_list_max()) return MsrLoadFailure{"load.msr.count", i + 1, entry};
        if (!fetch(*memory_, area + uint64_t{i} * 16, entry))
            return MsrLoadFailure{"load.msr.memory", i + 1, entry};
        if (const auto check = refused_msr_entry(entry)) return MsrLoadFailure{*check, i + 1, entry};
        if (!load(static_cast<Msr>(entry.index), entry.value))
            return MsrLoadFailure{"load.msr.refused", i + 1, entry};
    }
    return std::nullopt;
}

uint32_t VmxProcessor::store_msrs(Hpa area, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        const Hpa at = area + uint64_t{i} * 16;
        MsrEntry entry{};
        if (i >= capabilities_.misc.msr_list_max() || !fetch(*memory_, at, entry) || !is_storable(entry) ||
            !msrs_.read(static_cast<Msr>(entry.index), World::Guest, entry.value)) {
            return i + 1;
        }
        std::memcpy(memory_->map(at), &entry, sizeof entry);
        memory_->note_write(at, sizeof entry);
    }
    return 0;
}

// What an entry loads before another fails must not get into the guest's fields: they are saved first.
std::optional<MsrLoadFailure> VmxProcessor::load_entry_msrs(Vmcs& vmcs) {
    const uint32_t count = vmcs.get32(F::VM_ENTRY_MSR_LOAD_COUNT);
    if (count == 0) return std::nullopt;
    guest_.save(vmcs);
    return load_msrs(vmcs.get_address(F::VM_ENTRY_MSR_LOAD_ADDRESS), count, World::Guest);
}

}  // namespace vtless::sim
