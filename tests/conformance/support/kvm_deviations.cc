// SPDX-License-Identifier: MIT
// What KVM is known to do otherwise: one that emulates instructions in software (the module kvm_pvm), any
// KVM, and one on a processor of AMD.
#include "tests/conformance/support/kvm_deviations.h"

#include <span>

namespace vtless::conformance {
namespace {

constexpr const char* kLegacy = "a KVM that emulates triple-faults under 32-bit and PAE paging";
constexpr const char* kNoInt =
    "a KVM that emulates does not carry out INT n, INT3 and INTO outside real mode";
constexpr const char* kNoInstruction = "a KVM that emulates does not know the instruction";
constexpr const char* kWideFrames = "a KVM that emulates pushes 32-bit frames through 16-bit gates";
constexpr const char* kNoTasks = "a KVM that emulates has no task switches";

constexpr const char* kReadsFirst = "KVM reads the port before it looks at INS's destination";

// Software in the kernel does the same each time.
constexpr Deviation kEmulating[] = {
    {"Events.IntNFromCpl3In32Bit", kLegacy},
    {"Events.InterruptUnderPae", kLegacy},
    {"Events.InterruptAtCpl3In32Bit", kLegacy},
    {"Events.InterruptInV86", kLegacy},
    {"Events.SysenterAndSysexit32", kLegacy},
    {"Io.PermissionInV86", kLegacy},
    {"Programs.LarOfASelectorIntoAnUnusableLdt", kLegacy},
    {"Programs.PhsubwOfARegisterWithItself", kLegacy},
    {"Memory.PushaFaults", kLegacy},
    {"Changes.CodeUnderPae", kLegacy},
    {"Changes.PageOf32BitPaging", kLegacy},
    {"Changes.PageOfPaePaging", kLegacy},
    {"Mmio.UnderPae", kLegacy},
    {"ModeExits.Paging32", kLegacy},
    {"ModeExits.Pae", kLegacy},
    {"Mmio.In32BitMode", kLegacy},
    {"Modes.LargePageOf32BitPaging", kLegacy},
    {"Modes.PaePdpteRegisters", kLegacy},
    {"Modes.PaeNoExecute", kLegacy},
    {"Modes.V86ByIret", kLegacy},
    {"Modes.V86CliNeedsIopl3", kLegacy},
    {"Modes.V86IntNNeedsIopl3", kLegacy},
    {"Modes.CallGate32", kLegacy},
    {"Events.IntN", kNoInt},
    {"Events.IntN32", kNoInt},
    {"Events.IntNChecksTheGatesPrivilege", kNoInt},
    {"Events.IntNFromCpl3", kNoInt},
    {"Events.SingleStepThroughExits", kNoInt},
    {"Memory.EventDeliveryAccessesAreSupervisorAccesses", kNoInt},
    {"Events.DeviceNotAvailable", kNoInstruction},
    {"Exits.VmxInstructions", kNoInstruction},
    {"Exits.MonitorAndMwait", kNoInstruction},
    {"Exits.FloatingPointStateSurvivesExits", kNoInstruction},
    {"Memory.FxsaveFaults", kNoInstruction},
    {"Modes.UnusableLocalDescriptorTable", kNoInstruction},
    {"Programs.CompareExchange16BytesChangesZfOnly", kNoInstruction},
    {"Programs.PhadddOfARegisterWithItself", kNoInstruction},
    {"Events.Interrupt16", kWideFrames},
    {"Events.InterruptThrough16BitGateFrom32BitCode", kWideFrames},
    {"Events.InjectedException16", kWideFrames},
    {"System.TaskSwitchToASmallTss", kNoTasks},
    {"System.IretToATaskThatIsNotBusy", kNoTasks},
    {"System.TaskGateToABusyTask", kNoTasks},
    {"Events.NmiBlockingAndWindow",
     "a KVM that emulates looks at a waiting NMI late, after a batch of instructions"},
    {"Events.PageFaultWhileGpIsDelivered",
     "a KVM that emulates triple-faults at a page fault in the delivery of another exception"},
    {"Events.Breakpoints", "a KVM that emulates ignores RF: an instruction breakpoint comes for ever"},
    {"Events.SyscallAndSysret", "a KVM that emulates faults in 64-bit code that SYSCALL entered"},
    {"Exits.Cr0Faults", "a KVM that emulates ignores bits 63:32 of a value for CR0"},
    {"Exits.RdtscAtCpl3", "a KVM that emulates ignores CR4.TSD"},
    {"Io.InsFaultsBeforeThePortIsRead", kReadsFirst},
    {"Io.InsFaultsMidway", kReadsFirst},
    {"Io.Iopl3", "a KVM that emulates looks at the I/O bitmap, whatever IOPL is"},
    {"Memory.StoreAcrossPages",
     "a KVM that emulates writes the first page of a store whose second page faults"},
    {"Memory.DescriptorAccessesAreSupervisorAccesses",
     "a KVM that emulates loads no segment register at CPL 3"},
    {"Modes.CallGate64", "a KVM that emulates does not carry out far calls through gates"},
    {"Programs.CompareExchangeOfRegistersThatDiffer",
     "a KVM that emulates keeps the upper half of a 32-bit register that CMPXCHG leaves"},
};

// Of any KVM: it depends on its version and options.
constexpr Deviation kEvery[] = {
    {"Io.InsFaultsBeforeThePortIsRead", kReadsFirst, false},
    {"Io.InsFaultsMidway", kReadsFirst, false},
    {"Exits.MonitorAndMwait", "KVM carries out MONITOR and MWAIT as NOPs, whatever CPUID says", false},
};

constexpr Deviation kAmd[] = {
    {"Events.SysretToANonCanonicalAddress",
     "AMD's SYSRET faults after the change of CPL, at its target: APM Vol. 3 \"SYSRET\""},
    {"Events.SysenterAndSysexit64", "SYSENTER is #UD in long mode on AMD: APM Vol. 3 \"SYSENTER\""},
};

const Deviation* find(std::span<const Deviation> table, const std::string& test) {
    for (const Deviation& known : table)
        if (test == known.test) return &known;
    return nullptr;
}

}  // namespace

const Deviation* kvm_deviation(const std::string& test, bool virtualizes, bool amd) {
    const Deviation* known = virtualizes ? nullptr : find(kEmulating, test);
    if (known == nullptr && amd) known = find(kAmd, test);
    return known != nullptr ? known : find(kEvery, test);
}

}  // namespace vtless::conformance
