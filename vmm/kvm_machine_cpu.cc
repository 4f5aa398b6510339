// SPDX-License-Identifier: MIT
#include "vmm/kvm_machine_cpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "vmm/clock.h"

namespace vtless::vmm {

namespace {

// So that a guest that never exits can be ended by the limits of the run.
constexpr std::chrono::nanoseconds kLongestRun = std::chrono::milliseconds(10);

}  // namespace

static_assert(kDefaultTscHz == 1'000'000'000, "cycles are nanoseconds");

uint64_t KvmMachineBase::cycles() const {
    const auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_);
    return static_cast<uint64_t>(passed.count()) + skipped_;
}

void KvmMachineBase::idle_until(uint64_t target) {
    if (const uint64_t now = cycles(); target > now) skipped_ += target - now;
}

void KvmMachineBase::start_slice() {
    const uint64_t now = cycles();
    const uint64_t left = timer_ > now ? timer_ - now : 1;
    const auto longest = static_cast<uint64_t>(kLongestRun.count());
    arch_.set_time_slice(std::chrono::nanoseconds(std::min(left, longest)));
}

// Where HLT stays in the kernel, the end of a slice says that the guest stands halted: as HLT's exit would
// have, unless its own APIC will wake it. There is one processor.
VCpuResult<VmExit> KvmMachineBase::end_of_slice() {
    const auto waits = arch_.waits_for_others();
    if (!waits) return Unexpected(waits.error());
    if (*waits) return VmExit(VmExit::Halt{});
    return VmExit(VmExit::PreemptionTimer{});
}

void KvmMachineBase::note_failed_entry(const VmExit& exit) {
    if (const auto* fail = exit.get_if<VmExit::FailEntry>(); fail != nullptr)
        note_ = fmt::format("{}: {}", fail->explanation->id, fail->explanation->sentence);
}

// What cannot be read is 0: the run ends with the error at the next entry.
ExitRegisters KvmMachineBase::exit_registers() {
    const auto state = arch_.read_state();
    if (!state) return {};
    return {state->gprs, state->rip, state->rflags, state->cr0, state->cr3, state->cr4};
}

ProcessorState KvmMachineBase::processor_state() {
    ProcessorState shown;
    const auto state = arch_.read_state();
    if (!state) return shown;
    shown.gprs = state->gprs;
    shown.rip = state->rip;
    shown.rflags = state->rflags;
    shown.cr0 = state->cr0;
    shown.cr2 = state->cr2;
    shown.cr3 = state->cr3;
    shown.cr4 = state->cr4;
    shown.efer = state->efer;
    shown.segments = state->segments;
    shown.gdtr = state->gdtr;
    shown.idtr = state->idtr;
    shown.note = note_;
    shown.code = read_code(Gva(state->segment(x86::SegmentRegister::CS).base + state->rip));
    return shown;
}

// As many bytes as can be read, up to 16.
std::vector<uint8_t> KvmMachineBase::read_code(Gva start) {
    std::vector<uint8_t> code;
    for (uint64_t i = 0; i < 16; ++i) {
        uint8_t byte = 0;
        const auto where = arch_.translate(start + i);
        if (!where || !*where || !memory_.read(**where, std::span(&byte, 1))) break;
        code.push_back(byte);
    }
    return code;
}

}  // namespace vtless::vmm
