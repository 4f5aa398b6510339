// SPDX-License-Identifier: MIT
// MSR-load and MSR-store areas. SDM Vol. 3C "Loading MSRs" (27.4, 28.6), "Saving MSRs" (28.4).
#include <fmt/format.h>

#include <cstring>

#include "isa/check.h"
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

}  // namespace

// The host is one with 64-bit paging.
MsrLoading VmxProcessor::msr_loading(World world) const {
    if (world == World::Root) return {capabilities_, true, true};
    const CpuState& cpu = engine_->state();
    return {capabilities_, cpu.paging(), (cpu.efer() & x86::efer::LME) != 0};
}

// The guest's IA32_EFER is loaded as WRMSR does: not LME while paging is on.
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
        if (const auto check = refused_msr_index(entry)) return MsrLoadFailure{*check, i + 1, entry};
        if (load(static_cast<Msr>(entry.index), entry.value)) continue;
        const auto check = refused_msr_entry(entry, msr_loading(world));
        VTLESS_CHECK(check.has_value());
        return MsrLoadFailure{*check, i + 1, entry};
    }
    return std::nullopt;
}

std::optional<std::string> VmxProcessor::store_msrs(Hpa area, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        const Hpa at = area + uint64_t{i} * 16;
        MsrEntry entry{};
        if (i >= capabilities_.misc.msr_list_max()) return fmt::format("entry {} is one too many", i + 1);
        if (!fetch(*memory_, at, entry)) return fmt::format("entry {} is where no memory is", i + 1);
        const auto msr = static_cast<Msr>(entry.index);
        if (entry.reserved != 0 || x86::is_x2apic(msr) || !msrs_.read(msr, World::Guest, entry.value))
            return describe_unstored(i + 1, entry);
        std::memcpy(memory_->map(at), &entry, sizeof entry);
        memory_->note_write(at, sizeof entry);
    }
    return std::nullopt;
}

// What an entry loads before another fails must not get into the guest's fields: they are saved first.
std::optional<MsrLoadFailure> VmxProcessor::load_entry_msrs(Vmcs& vmcs) {
    const uint32_t count = vmcs.get32(F::VM_ENTRY_MSR_LOAD_COUNT);
    if (count == 0) return std::nullopt;
    guest_.save(vmcs);
    return load_msrs(vmcs.get_address(F::VM_ENTRY_MSR_LOAD_ADDRESS), count, World::Guest);
}

}  // namespace vtless::sim
