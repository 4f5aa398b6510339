// SPDX-License-Identifier: MIT
// MSR-load and MSR-store areas. SDM Vol. 3C "Loading MSRs" (27.4, 28.6), "Saving MSRs" (28.4).
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "isa/check.h"
#include "sim/cpu/control_registers.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

using x86::Msr;
using F = x86::VmcsField;

namespace {

constexpr uint32_t kAbortMsrStore = 1;
constexpr uint32_t kAbortMsrLoad = 4;

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
uint32_t VmxProcessor::load_entry_msrs(Vmcs& vmcs) {
    guest_.save(vmcs);
    const auto failed = load_msrs(vmcs.get_address(F::VM_ENTRY_MSR_LOAD_ADDRESS),
                                  vmcs.get32(F::VM_ENTRY_MSR_LOAD_COUNT), World::Guest);
    if (!failed) return 0;
    const bool too_many = failed->check.index() == CheckId("load.msr.count").index();
    const F field = too_many ? F::VM_ENTRY_MSR_LOAD_COUNT : F::VM_ENTRY_MSR_LOAD_ADDRESS;
    refuse(vmcs, {failed->check, field, vmcs.get(field), failed->entry},
           too_many ? std::string() : describe(*failed, msr_loading(World::Guest)));
    vmcs.dirty = kAllLive;  // an entry before may have loaded a register that has a field
    return failed->entry;
}

bool VmxProcessor::store_exit_msrs(Vmcs& vmcs) {
    const Hpa area = vmcs.get_address(F::VM_EXIT_MSR_STORE_ADDRESS);
    const auto failed = store_msrs(area, vmcs.get32(F::VM_EXIT_MSR_STORE_COUNT));
    if (failed)
        abort(vmcs, kAbortMsrStore,
              fmt::format("VM-exit MSR-store area at {:#x}: {}", area.value(), *failed));
    return !failed;
}

void VmxProcessor::load_exit_msrs(const Vmcs& vmcs) {
    host_from_ = nullptr;
    const Hpa area = vmcs.get_address(F::VM_EXIT_MSR_LOAD_ADDRESS);
    const auto failed = load_msrs(area, vmcs.get32(F::VM_EXIT_MSR_LOAD_COUNT), World::Root);
    if (failed)
        abort(*operation_.current(), kAbortMsrLoad,
              fmt::format("VM-exit MSR-load area at {:#x}: {}", area.value(),
                          describe(*failed, msr_loading(World::Root))));
}

// "VMX Aborts" (28.7).
void VmxProcessor::abort(Vmcs& vmcs, uint32_t indicator, std::string reason) {
    vmx_abort_ = indicator;
    vmx_abort_reason_ = std::move(reason);
    host_from_ = nullptr;
    operation_.set_abort_indicator(vmcs, indicator);
}

}  // namespace vtless::sim
