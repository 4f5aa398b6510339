// SPDX-License-Identifier: MIT
// Exits that repeat themselves, and EPT entries that no walk can use.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "isa/x86/ept_walk.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/exit_reason.h"
#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Gpr;
using F = x86::VmcsField;

namespace {

bool is_ept_exit(ExitReason reason) {
    return reason == ExitReason::EPT_VIOLATION || reason == ExitReason::EPT_MISCONFIGURATION;
}

// Exits that a hypervisor answers by carrying the instruction out, or by removing the cause. Not those that
// come by themselves, and not HLT, MWAIT and PAUSE: entering there again is a way to wait.
bool needs_an_answer(ExitReason reason, x86::EventInfo interruption) {
    switch (reason) {
        case ExitReason::EXCEPTION_OR_NMI:  // not #PF: page tables that only the hypervisor knows may change
            return interruption.is_exception(x86::Vector::UD) || interruption.is_exception(x86::Vector::BP) ||
                   interruption.is_exception(x86::Vector::GP);
        case ExitReason::CPUID:
        case ExitReason::GETSEC:
        case ExitReason::INVD:
        case ExitReason::INVLPG:
        case ExitReason::RDPMC:
        case ExitReason::RDTSC:
        case ExitReason::VMCALL:
        case ExitReason::VMCLEAR:
        case ExitReason::VMLAUNCH:
        case ExitReason::VMPTRLD:
        case ExitReason::VMPTRST:
        case ExitReason::VMREAD:
        case ExitReason::VMRESUME:
        case ExitReason::VMWRITE:
        case ExitReason::VMXOFF:
        case ExitReason::VMXON:
        case ExitReason::CONTROL_REGISTER_ACCESS:
        case ExitReason::MOV_DR:
        case ExitReason::IO_INSTRUCTION:
        case ExitReason::RDMSR:
        case ExitReason::WRMSR:
        case ExitReason::MONITOR:
        case ExitReason::APIC_ACCESS:
        case ExitReason::GDTR_IDTR_ACCESS:
        case ExitReason::LDTR_TR_ACCESS:
        case ExitReason::EPT_VIOLATION:
        case ExitReason::EPT_MISCONFIGURATION:
        case ExitReason::INVEPT:
        case ExitReason::RDTSCP:
        case ExitReason::INVVPID:
        case ExitReason::WBINVD:
        case ExitReason::XSETBV:
        case ExitReason::RDRAND:
        case ExitReason::INVPCID:
        case ExitReason::VMFUNC:
        case ExitReason::RDSEED:
        case ExitReason::XSAVES:
        case ExitReason::XRSTORS:
            return true;
        default:
            return false;
    }
}

// Registers that the hypervisor writes as the instruction's result: they may differ.
bool is_result(ExitReason reason, Gpr gpr) {
    switch (reason) {
        case ExitReason::RDMSR:
        case ExitReason::RDTSC:
        case ExitReason::RDTSCP:
        case ExitReason::RDPMC:
        case ExitReason::IO_INSTRUCTION:
        case ExitReason::VMCALL:
            return gpr == Gpr::RAX || gpr == Gpr::RDX || (gpr == Gpr::RCX && reason == ExitReason::RDTSCP);
        case ExitReason::CPUID:
            return gpr == Gpr::RAX || gpr == Gpr::RBX || gpr == Gpr::RCX || gpr == Gpr::RDX;
        default:
            return false;
    }
}

// INS and OUTS exit before their memory is looked at: the hypervisor may have to map that first.
bool waits_for_memory(const ExitTrail& trail) {
    return x86::ExitReasonField{trail.reason}.basic() == ExitReason::IO_INSTRUCTION &&
           x86::IoQualification::decode(trail.qualification).string;
}

std::array<uint64_t, 5> ept_entries(const VmxView& view, Gpa gpa) {
    std::array<uint64_t, 5> entries{};
    const auto eptp = view.mmu.ept();
    if (!eptp) return entries;
    size_t next = 0;
    auto read_entry = [&](unsigned, Hpa hpa) {
        uint64_t entry = ~uint64_t{0};
        if (view.memory.contains(hpa, sizeof entry)) std::memcpy(&entry, view.memory.map(hpa), sizeof entry);
        return entries[next++] = entry;
    };
    (void)x86::ept_walk(x86::Eptp{*eptp}, gpa, view.mmu.ept_features(), read_entry);
    return entries;
}

ExitTrail trail_of(const VmxView& view) {
    ExitTrail trail;
    trail.reason = view.vmcs->get32(F::EXIT_REASON);
    trail.interruption = view.vmcs->get32(F::VM_EXIT_INTERRUPTION_INFORMATION);
    trail.qualification = view.vmcs->get(F::EXIT_QUALIFICATION);
    trail.rip = view.read(F::GUEST_RIP);
    for (unsigned i = 0; i < x86::kGprCount; ++i) trail.gprs[i] = view.engine.gpr(static_cast<Gpr>(i));
    if (!is_ept_exit(x86::ExitReasonField{trail.reason}.basic())) return trail;
    trail.guest_physical = view.vmcs->get(F::GUEST_PHYSICAL_ADDRESS);
    trail.ept_entries = ept_entries(view, Gpa(trail.guest_physical));
    return trail;
}

bool repeats(const ExitTrail& before, const ExitTrail& now) {
    const ExitReason reason = x86::ExitReasonField{now.reason}.basic();
    if (before.reason != now.reason || before.interruption != now.interruption ||
        before.qualification != now.qualification || before.rip != now.rip ||
        before.guest_physical != now.guest_physical || before.ept_entries != now.ept_entries)
        return false;
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        if (before.gprs[i] != now.gprs[i] && !is_result(reason, static_cast<Gpr>(i))) return false;
    }
    return true;
}

// What is_misconfigured found.
std::string what_is_wrong(unsigned level, uint64_t entry, const x86::EptFeatures& features) {
    namespace ept = x86::ept;
    if ((entry & ept::READ) == 0 && (entry & ept::WRITE) != 0) return "writable but not readable";
    if ((entry & ept::READ) == 0 && !features.execute_only)
        return "executable but not readable, which this processor lacks";
    const uint64_t reserved = entry & ept::reserved_bits(level, entry, features);
    if (reserved != 0) return fmt::format("reserved bits {:#x} are set", reserved);
    return fmt::format("memory type {} is reserved", Field<5, 3>::get(entry));
}

}  // namespace

void VmxWatch::check_progress(const VmxView& view, VmcsRecord& record) {
    const ExitTrail now = trail_of(view);
    const std::optional<ExitTrail> before = std::exchange(record.last_exit, now);
    const ExitReason reason = x86::ExitReasonField{now.reason}.basic();
    if (!needs_an_answer(reason, {now.interruption}) || waits_for_memory(now)) return;
    const bool idle = view.engine.instructions() == entry_.instructions && entry_.rip == now.rip;
    if (!before || !idle || entry_.injected.valid() || !repeats(*before, now)) return;
    sanitizer_.report(Rule::ExitNotAdvanced, entry_.site, {now.rip, now.reason}, [&] {
        const char* name = x86::name(reason);
        std::string text = fmt::format("{} (reason {}), qualification {:#x}", name == nullptr ? "Exit" : name,
                                       now.reason, now.qualification);
        if (is_ept_exit(reason)) text += fmt::format(", guest-physical address {:#x}", now.guest_physical);
        return text + ".";
    });
}

void VmxWatch::check_ept(const VmxView& view) {
    const Gpa gpa(view.vmcs->get(F::GUEST_PHYSICAL_ADDRESS));
    const auto eptp = view.mmu.ept();
    if (!eptp) return;
    Hpa at;
    uint64_t last = 0;
    auto read_entry = [&](unsigned, Hpa hpa) {
        at = hpa;
        last = ~uint64_t{0};
        if (view.memory.contains(hpa, sizeof last)) std::memcpy(&last, view.memory.map(hpa), sizeof last);
        return last;
    };
    const x86::EptFeatures& features = view.mmu.ept_features();
    const x86::EptWalk walk = x86::ept_walk(x86::Eptp{*eptp}, gpa, features, read_entry);
    if (walk.end != x86::EptWalk::End::MISCONFIGURED) return;
    sanitizer_.report(Rule::EptReserved, site(view), {at.value(), last}, [&] {
        return fmt::format("Level {} entry {:#018x} at {:#x}, for guest-physical address {:#x}: {}.",
                           walk.level, last, at.value(), gpa.value(),
                           what_is_wrong(walk.level, last, features));
    });
}

}  // namespace vtless::sim
