// SPDX-License-Identifier: MIT
// Basic exit reasons. SDM Vol. 3D "VMX Basic Exit Reasons" (Appendix C).
#pragma once

#include <array>
#include <cstdint>

namespace vtless::x86 {

enum class ExitReason : uint16_t {
    EXCEPTION_OR_NMI = 0,
    EXTERNAL_INTERRUPT = 1,
    TRIPLE_FAULT = 2,
    INIT_SIGNAL = 3,
    STARTUP_IPI = 4,
    IO_SMI = 5,
    OTHER_SMI = 6,
    INTERRUPT_WINDOW = 7,
    NMI_WINDOW = 8,
    TASK_SWITCH = 9,
    CPUID = 10,
    GETSEC = 11,
    HLT = 12,
    INVD = 13,
    INVLPG = 14,
    RDPMC = 15,
    RDTSC = 16,
    RSM = 17,
    VMCALL = 18,
    VMCLEAR = 19,
    VMLAUNCH = 20,
    VMPTRLD = 21,
    VMPTRST = 22,
    VMREAD = 23,
    VMRESUME = 24,
    VMWRITE = 25,
    VMXOFF = 26,
    VMXON = 27,
    CONTROL_REGISTER_ACCESS = 28,
    MOV_DR = 29,
    IO_INSTRUCTION = 30,
    RDMSR = 31,
    WRMSR = 32,
    ENTRY_FAILURE_GUEST_STATE = 33,
    ENTRY_FAILURE_MSR_LOADING = 34,
    MWAIT = 36,
    MONITOR_TRAP_FLAG = 37,
    MONITOR = 39,
    PAUSE = 40,
    ENTRY_FAILURE_MACHINE_CHECK = 41,
    TPR_BELOW_THRESHOLD = 43,
    APIC_ACCESS = 44,
    VIRTUALIZED_EOI = 45,
    GDTR_IDTR_ACCESS = 46,
    LDTR_TR_ACCESS = 47,
    EPT_VIOLATION = 48,
    EPT_MISCONFIGURATION = 49,
    INVEPT = 50,
    RDTSCP = 51,
    PREEMPTION_TIMER = 52,
    INVVPID = 53,
    WBINVD = 54,
    XSETBV = 55,
    APIC_WRITE = 56,
    RDRAND = 57,
    INVPCID = 58,
    VMFUNC = 59,
    ENCLS = 60,
    RDSEED = 61,
    PML_FULL = 62,
    XSAVES = 63,
    XRSTORS = 64,
    PCONFIG = 65,
    SPP_EVENT = 66,
    UMWAIT = 67,
    TPAUSE = 68,
    LOADIWKEY = 69,
    ENCLV = 70,
    ENQCMD_PASID_TRANSLATION = 72,
    ENQCMDS_PASID_TRANSLATION = 73,
    BUS_LOCK = 74,
    INSTRUCTION_TIMEOUT = 75,
    SEAMCALL = 76,
    TDCALL = 77,
    RDMSRLIST = 78,
    WRMSRLIST = 79,
};

// The whole 32-bit exit-reason field. SDM Vol. 3C "Exit reason" (25.9.1).
struct ExitReasonField {
    static constexpr uint32_t kEnclaveMode = uint32_t{1} << 27;
    static constexpr uint32_t kPendingMtf = uint32_t{1} << 28;
    static constexpr uint32_t kFromVmxRoot = uint32_t{1} << 29;
    static constexpr uint32_t kEntryFailure = uint32_t{1} << 31;

    uint32_t raw = 0;

    constexpr ExitReason basic() const { return static_cast<ExitReason>(raw & 0xffff); }
    constexpr bool entry_failure() const { return (raw & kEntryFailure) != 0; }
};

namespace exit_reason_detail {
inline constexpr std::array kAll = {
    ExitReason::EXCEPTION_OR_NMI,
    ExitReason::EXTERNAL_INTERRUPT,
    ExitReason::TRIPLE_FAULT,
    ExitReason::INIT_SIGNAL,
    ExitReason::STARTUP_IPI,
    ExitReason::IO_SMI,
    ExitReason::OTHER_SMI,
    ExitReason::INTERRUPT_WINDOW,
    ExitReason::NMI_WINDOW,
    ExitReason::TASK_SWITCH,
    ExitReason::CPUID,
    ExitReason::GETSEC,
    ExitReason::HLT,
    ExitReason::INVD,
    ExitReason::INVLPG,
    ExitReason::RDPMC,
    ExitReason::RDTSC,
    ExitReason::RSM,
    ExitReason::VMCALL,
    ExitReason::VMCLEAR,
    ExitReason::VMLAUNCH,
    ExitReason::VMPTRLD,
    ExitReason::VMPTRST,
    ExitReason::VMREAD,
    ExitReason::VMRESUME,
    ExitReason::VMWRITE,
    ExitReason::VMXOFF,
    ExitReason::VMXON,
    ExitReason::CONTROL_REGISTER_ACCESS,
    ExitReason::MOV_DR,
    ExitReason::IO_INSTRUCTION,
    ExitReason::RDMSR,
    ExitReason::WRMSR,
    ExitReason::ENTRY_FAILURE_GUEST_STATE,
    ExitReason::ENTRY_FAILURE_MSR_LOADING,
    ExitReason::MWAIT,
    ExitReason::MONITOR_TRAP_FLAG,
    ExitReason::MONITOR,
    ExitReason::PAUSE,
    ExitReason::ENTRY_FAILURE_MACHINE_CHECK,
    ExitReason::TPR_BELOW_THRESHOLD,
    ExitReason::APIC_ACCESS,
    ExitReason::VIRTUALIZED_EOI,
    ExitReason::GDTR_IDTR_ACCESS,
    ExitReason::LDTR_TR_ACCESS,
    ExitReason::EPT_VIOLATION,
    ExitReason::EPT_MISCONFIGURATION,
    ExitReason::INVEPT,
    ExitReason::RDTSCP,
    ExitReason::PREEMPTION_TIMER,
    ExitReason::INVVPID,
    ExitReason::WBINVD,
    ExitReason::XSETBV,
    ExitReason::APIC_WRITE,
    ExitReason::RDRAND,
    ExitReason::INVPCID,
    ExitReason::VMFUNC,
    ExitReason::ENCLS,
    ExitReason::RDSEED,
    ExitReason::PML_FULL,
    ExitReason::XSAVES,
    ExitReason::XRSTORS,
    ExitReason::PCONFIG,
    ExitReason::SPP_EVENT,
    ExitReason::UMWAIT,
    ExitReason::TPAUSE,
    ExitReason::LOADIWKEY,
    ExitReason::ENCLV,
    ExitReason::ENQCMD_PASID_TRANSLATION,
    ExitReason::ENQCMDS_PASID_TRANSLATION,
    ExitReason::BUS_LOCK,
    ExitReason::INSTRUCTION_TIMEOUT,
    ExitReason::SEAMCALL,
    ExitReason::TDCALL,
    ExitReason::RDMSRLIST,
    ExitReason::WRMSRLIST,
};
}  // namespace exit_reason_detail

constexpr const auto& all_exit_reasons() { return exit_reason_detail::kAll; }

// nullptr for a number the SDM does not define.
constexpr const char* name(ExitReason reason) {
    switch (reason) {
        case ExitReason::EXCEPTION_OR_NMI:
            return "EXCEPTION_OR_NMI";
        case ExitReason::EXTERNAL_INTERRUPT:
            return "EXTERNAL_INTERRUPT";
        case ExitReason::TRIPLE_FAULT:
            return "TRIPLE_FAULT";
        case ExitReason::INIT_SIGNAL:
            return "INIT_SIGNAL";
        case ExitReason::STARTUP_IPI:
            return "STARTUP_IPI";
        case ExitReason::IO_SMI:
            return "IO_SMI";
        case ExitReason::OTHER_SMI:
            return "OTHER_SMI";
        case ExitReason::INTERRUPT_WINDOW:
            return "INTERRUPT_WINDOW";
        case ExitReason::NMI_WINDOW:
            return "NMI_WINDOW";
        case ExitReason::TASK_SWITCH:
            return "TASK_SWITCH";
        case ExitReason::CPUID:
            return "CPUID";
        case ExitReason::GETSEC:
            return "GETSEC";
        case ExitReason::HLT:
            return "HLT";
        case ExitReason::INVD:
            return "INVD";
        case ExitReason::INVLPG:
            return "INVLPG";
        case ExitReason::RDPMC:
            return "RDPMC";
        case ExitReason::RDTSC:
            return "RDTSC";
        case ExitReason::RSM:
            return "RSM";
        case ExitReason::VMCALL:
            return "VMCALL";
        case ExitReason::VMCLEAR:
            return "VMCLEAR";
        case ExitReason::VMLAUNCH:
            return "VMLAUNCH";
        case ExitReason::VMPTRLD:
            return "VMPTRLD";
        case ExitReason::VMPTRST:
            return "VMPTRST";
        case ExitReason::VMREAD:
            return "VMREAD";
        case ExitReason::VMRESUME:
            return "VMRESUME";
        case ExitReason::VMWRITE:
            return "VMWRITE";
        case ExitReason::VMXOFF:
            return "VMXOFF";
        case ExitReason::VMXON:
            return "VMXON";
        case ExitReason::CONTROL_REGISTER_ACCESS:
            return "CONTROL_REGISTER_ACCESS";
        case ExitReason::MOV_DR:
            return "MOV_DR";
        case ExitReason::IO_INSTRUCTION:
            return "IO_INSTRUCTION";
        case ExitReason::RDMSR:
            return "RDMSR";
        case ExitReason::WRMSR:
            return "WRMSR";
        case ExitReason::ENTRY_FAILURE_GUEST_STATE:
            return "ENTRY_FAILURE_GUEST_STATE";
        case ExitReason::ENTRY_FAILURE_MSR_LOADING:
            return "ENTRY_FAILURE_MSR_LOADING";
        case ExitReason::MWAIT:
            return "MWAIT";
        case ExitReason::MONITOR_TRAP_FLAG:
            return "MONITOR_TRAP_FLAG";
        case ExitReason::MONITOR:
            return "MONITOR";
        case ExitReason::PAUSE:
            return "PAUSE";
        case ExitReason::ENTRY_FAILURE_MACHINE_CHECK:
            return "ENTRY_FAILURE_MACHINE_CHECK";
        case ExitReason::TPR_BELOW_THRESHOLD:
            return "TPR_BELOW_THRESHOLD";
        case ExitReason::APIC_ACCESS:
            return "APIC_ACCESS";
        case ExitReason::VIRTUALIZED_EOI:
            return "VIRTUALIZED_EOI";
        case ExitReason::GDTR_IDTR_ACCESS:
            return "GDTR_IDTR_ACCESS";
        case ExitReason::LDTR_TR_ACCESS:
            return "LDTR_TR_ACCESS";
        case ExitReason::EPT_VIOLATION:
            return "EPT_VIOLATION";
        case ExitReason::EPT_MISCONFIGURATION:
            return "EPT_MISCONFIGURATION";
        case ExitReason::INVEPT:
            return "INVEPT";
        case ExitReason::RDTSCP:
            return "RDTSCP";
        case ExitReason::PREEMPTION_TIMER:
            return "PREEMPTION_TIMER";
        case ExitReason::INVVPID:
            return "INVVPID";
        case ExitReason::WBINVD:
            return "WBINVD";
        case ExitReason::XSETBV:
            return "XSETBV";
        case ExitReason::APIC_WRITE:
            return "APIC_WRITE";
        case ExitReason::RDRAND:
            return "RDRAND";
        case ExitReason::INVPCID:
            return "INVPCID";
        case ExitReason::VMFUNC:
            return "VMFUNC";
        case ExitReason::ENCLS:
            return "ENCLS";
        case ExitReason::RDSEED:
            return "RDSEED";
        case ExitReason::PML_FULL:
            return "PML_FULL";
        case ExitReason::XSAVES:
            return "XSAVES";
        case ExitReason::XRSTORS:
            return "XRSTORS";
        case ExitReason::PCONFIG:
            return "PCONFIG";
        case ExitReason::SPP_EVENT:
            return "SPP_EVENT";
        case ExitReason::UMWAIT:
            return "UMWAIT";
        case ExitReason::TPAUSE:
            return "TPAUSE";
        case ExitReason::LOADIWKEY:
            return "LOADIWKEY";
        case ExitReason::ENCLV:
            return "ENCLV";
        case ExitReason::ENQCMD_PASID_TRANSLATION:
            return "ENQCMD_PASID_TRANSLATION";
        case ExitReason::ENQCMDS_PASID_TRANSLATION:
            return "ENQCMDS_PASID_TRANSLATION";
        case ExitReason::BUS_LOCK:
            return "BUS_LOCK";
        case ExitReason::INSTRUCTION_TIMEOUT:
            return "INSTRUCTION_TIMEOUT";
        case ExitReason::SEAMCALL:
            return "SEAMCALL";
        case ExitReason::TDCALL:
            return "TDCALL";
        case ExitReason::RDMSRLIST:
            return "RDMSRLIST";
        case ExitReason::WRMSRLIST:
            return "WRMSRLIST";
    }
    return nullptr;
}

}  // namespace vtless::x86
