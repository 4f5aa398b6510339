// SPDX-License-Identifier: MIT
// RDMSR and WRMSR. SDM Vol. 3C "MSR-Bitmap Address" (25.6.9), "Instructions That Cause VM Exits
// Conditionally" (26.1.3).
#include "isa/x86/msr.h"
#include "sim/cpu/control_registers.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Msr;
using F = x86::VmcsField;
using Next = NonRoot::Next;

// The bitmap has four parts of 1 KiB: reads of low MSRs, reads of high ones, writes of low, writes of high.
bool NonRoot::msr_exits(uint32_t msr, bool write) const {
    constexpr uint32_t kHighBase = 0xc0000000;
    if (!vmcs_->primary().has(x86::PrimaryControls::USE_MSR_BITMAPS)) return true;
    const bool high = msr >= kHighBase;
    const uint32_t index = high ? msr - kHighBase : msr;
    if (index > 0x1fff) return true;
    const uint8_t* bitmap = parts_.memory.map(vmcs_->get_address(F::MSR_BITMAP));
    if (bitmap == nullptr) return true;  // reads of addresses without RAM give ones
    const uint8_t byte = bitmap[(write ? 2048 : 0) + (high ? 1024 : 0) + index / 8];
    return (byte >> (index % 8) & 1) != 0;
}

Next NonRoot::rdmsr(const StoppedInstruction& instruction) {
    const auto msr = static_cast<uint32_t>(read_gpr(x86::Gpr::RCX, 4));
    if (msr_exits(msr, false)) return exit_for(instruction, ExitReason::RDMSR);
    uint64_t value = 0;
    if (!parts_.msrs.read(static_cast<Msr>(msr), World::Guest, value))
        return read_virtual_x2apic(instruction, static_cast<Msr>(msr));
    if (static_cast<Msr>(msr) == Msr::IA32_TIME_STAMP_COUNTER) value = guest_tsc();
    set_edx_eax(value);
    complete(instruction);
    return Next::Run;
}

Next NonRoot::wrmsr(const StoppedInstruction& instruction) {
    const auto msr = static_cast<uint32_t>(read_gpr(x86::Gpr::RCX, 4));
    if (msr_exits(msr, true)) return exit_for(instruction, ExitReason::WRMSR);
    const uint64_t value = read_gpr(x86::Gpr::RAX, 4) | read_gpr(x86::Gpr::RDX, 4) << 32;
    if (static_cast<Msr>(msr) == Msr::IA32_EFER)
        return finish_moved(instruction, write_efer(engine().edit_state(), parts_.mmu, value,
                                                    parts_.capabilities.guest_features));
    const uint64_t before = parts_.root.tsc_offset;
    if (!parts_.msrs.write(static_cast<Msr>(msr), World::Guest, value))
        return write_virtual_x2apic(instruction, static_cast<Msr>(msr), value);
    // The preemption timer counts the time-stamp counter's increments: what is written is none. 26.5.1.
    if (state_.preemption_deadline != HostEvents::kNever)
        state_.preemption_deadline += parts_.root.tsc_offset - before;
    complete(instruction);
    return Next::Run;
}

}  // namespace vtless::sim
