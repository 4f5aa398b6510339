// SPDX-License-Identifier: MIT
// What Linux KVM's dump_vmcs writes to the kernel log. The words are those of kernels 4.1 to 6.16; lines that
// are not known are passed over, for every release adds some.
#include <fmt/format.h>

#include <charconv>
#include <span>

#include "explain/dump.h"

namespace vtless::explain {
namespace {

using F = x86::VmcsField;

struct Labelled {
    std::string_view label;  // what stands before the number
    F field;
};
// A line that starts with the first label: the fields in the order in which they stand there. Some may be
// missing.
using Line = std::span<const Labelled>;

#define VTLESS_LINE(name, ...) constexpr Labelled name[] = {__VA_ARGS__}
#define VTLESS_SEGMENT(name, prefix, NAME)                                                       \
    VTLESS_LINE(name, {prefix "sel=", F::GUEST_##NAME##_SELECTOR},                               \
                {"attr=", F::GUEST_##NAME##_ACCESS_RIGHTS}, {"limit=", F::GUEST_##NAME##_LIMIT}, \
                {"base=", F::GUEST_##NAME##_BASE})
VTLESS_LINE(kCr0, {"CR0: actual=", F::GUEST_CR0}, {"shadow=", F::CR0_READ_SHADOW},
            {"gh_mask=", F::CR0_GUEST_HOST_MASK});
VTLESS_LINE(kCr4, {"CR4: actual=", F::GUEST_CR4}, {"shadow=", F::CR4_READ_SHADOW},
            {"gh_mask=", F::CR4_GUEST_HOST_MASK});
VTLESS_LINE(kCr3, {"CR3=", F::GUEST_CR3});
VTLESS_LINE(kPdptes01, {"PDPTR0=", F::GUEST_PDPTE0}, {"PDPTR1=", F::GUEST_PDPTE1});
VTLESS_LINE(kPdptes23, {"PDPTR2=", F::GUEST_PDPTE2}, {"PDPTR3=", F::GUEST_PDPTE3});
VTLESS_LINE(kRsp, {"RSP=", F::GUEST_RSP}, {"RIP=", F::GUEST_RIP});
VTLESS_LINE(kRflags, {"RFLAGS=", F::GUEST_RFLAGS}, {"DR7=", F::GUEST_DR7});
VTLESS_LINE(kSysenter, {"Sysenter RSP=", F::GUEST_IA32_SYSENTER_ESP}, {"CS:RIP=", F::GUEST_IA32_SYSENTER_CS},
            {":", F::GUEST_IA32_SYSENTER_EIP});
VTLESS_SEGMENT(kCs, "CS: ", CS);
VTLESS_SEGMENT(kDs, "DS: ", DS);
VTLESS_SEGMENT(kSs, "SS: ", SS);
VTLESS_SEGMENT(kEs, "ES: ", ES);
VTLESS_SEGMENT(kFs, "FS: ", FS);
VTLESS_SEGMENT(kGs, "GS: ", GS);
VTLESS_SEGMENT(kLdtr, "LDTR: ", LDTR);
VTLESS_SEGMENT(kTr, "TR: ", TR);
VTLESS_LINE(kGdtr, {"GDTR: limit=", F::GUEST_GDTR_LIMIT}, {"base=", F::GUEST_GDTR_BASE});
VTLESS_LINE(kIdtr, {"IDTR: limit=", F::GUEST_IDTR_LIMIT}, {"base=", F::GUEST_IDTR_BASE});
VTLESS_LINE(kEfer, {"EFER=", F::GUEST_IA32_EFER}, {"PAT=", F::GUEST_IA32_PAT});
VTLESS_LINE(kPat, {"PAT=", F::GUEST_IA32_PAT});
VTLESS_LINE(kDebug, {"DebugCtl=", F::GUEST_IA32_DEBUGCTL},
            {"DebugExceptions=", F::GUEST_PENDING_DEBUG_EXCEPTIONS});
VTLESS_LINE(kPerf, {"PerfGlobCtl=", F::GUEST_IA32_PERF_GLOBAL_CTRL});
VTLESS_LINE(kBndcfgs, {"BndCfgS=", F::GUEST_IA32_BNDCFGS});
VTLESS_LINE(kBlocking, {"Interruptibility=", F::GUEST_INTERRUPTIBILITY_STATE},
            {"ActivityState=", F::GUEST_ACTIVITY_STATE});
VTLESS_LINE(kInterruptStatus, {"InterruptStatus=", F::GUEST_INTERRUPT_STATUS});
constexpr Line kGuestLines[] = {
    kCr0,   kCr4,  kCr3,     kPdptes01, kPdptes23,       kRsp, kRflags, kSysenter, kCs,   kDs,
    kSs,    kEs,   kFs,      kGs,       kLdtr,           kTr,  kGdtr,   kIdtr,     kEfer, kPat,
    kDebug, kPerf, kBndcfgs, kBlocking, kInterruptStatus};

VTLESS_LINE(kHostRip, {"RIP=", F::HOST_RIP}, {"RSP=", F::HOST_RSP});
VTLESS_LINE(kHostSelectors, {"CS=", F::HOST_CS_SELECTOR}, {"SS=", F::HOST_SS_SELECTOR},
            {"DS=", F::HOST_DS_SELECTOR}, {"ES=", F::HOST_ES_SELECTOR}, {"FS=", F::HOST_FS_SELECTOR},
            {"GS=", F::HOST_GS_SELECTOR}, {"TR=", F::HOST_TR_SELECTOR});
VTLESS_LINE(kHostBases, {"FSBase=", F::HOST_FS_BASE}, {"GSBase=", F::HOST_GS_BASE},
            {"TRBase=", F::HOST_TR_BASE});
VTLESS_LINE(kHostTables, {"GDTBase=", F::HOST_GDTR_BASE}, {"IDTBase=", F::HOST_IDTR_BASE});
VTLESS_LINE(kHostCrs, {"CR0=", F::HOST_CR0}, {"CR3=", F::HOST_CR3}, {"CR4=", F::HOST_CR4});
VTLESS_LINE(kHostSysenter, {"Sysenter RSP=", F::HOST_IA32_SYSENTER_ESP},
            {"CS:RIP=", F::HOST_IA32_SYSENTER_CS}, {":", F::HOST_IA32_SYSENTER_EIP});
VTLESS_LINE(kHostEfer, {"EFER=", F::HOST_IA32_EFER}, {"PAT=", F::HOST_IA32_PAT});
VTLESS_LINE(kHostPat, {"PAT=", F::HOST_IA32_PAT});
VTLESS_LINE(kHostPerf, {"PerfGlobCtl=", F::HOST_IA32_PERF_GLOBAL_CTRL});
constexpr Line kHostLines[] = {kHostRip,      kHostSelectors, kHostBases, kHostTables, kHostCrs,
                               kHostSysenter, kHostEfer,      kHostPat,   kHostPerf};

constexpr F kSecondary = F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr F kTertiary = F::TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
VTLESS_LINE(kPin, {"PinBased=", F::PIN_BASED_VM_EXECUTION_CONTROLS},
            {"CPUBased=", F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS}, {"SecondaryExec=", kSecondary},
            {"EntryControls=", F::VM_ENTRY_CONTROLS}, {"ExitControls=", F::VM_EXIT_CONTROLS});
VTLESS_LINE(kCpuBased, {"CPUBased=", F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS},
            {"SecondaryExec=", kSecondary}, {"TertiaryExec=", kTertiary});
VTLESS_LINE(kEntryControls, {"EntryControls=", F::VM_ENTRY_CONTROLS}, {"ExitControls=", F::VM_EXIT_CONTROLS});
VTLESS_LINE(kExceptions, {"ExceptionBitmap=", F::EXCEPTION_BITMAP},
            {"PFECmask=", F::PAGE_FAULT_ERROR_CODE_MASK}, {"PFECmatch=", F::PAGE_FAULT_ERROR_CODE_MATCH});
VTLESS_LINE(kVmEntry, {"VMEntry: intr_info=", F::VM_ENTRY_INTERRUPTION_INFORMATION},
            {"errcode=", F::VM_ENTRY_EXCEPTION_ERROR_CODE}, {"ilen=", F::VM_ENTRY_INSTRUCTION_LENGTH});
VTLESS_LINE(kVmExit, {"VMExit: intr_info=", F::VM_EXIT_INTERRUPTION_INFORMATION},
            {"errcode=", F::VM_EXIT_INTERRUPTION_ERROR_CODE}, {"ilen=", F::VM_EXIT_INSTRUCTION_LENGTH});
VTLESS_LINE(kReason, {"reason=", F::EXIT_REASON}, {"qualification=", F::EXIT_QUALIFICATION});
VTLESS_LINE(kVectoring, {"IDTVectoring: info=", F::IDT_VECTORING_INFORMATION},
            {"errcode=", F::IDT_VECTORING_ERROR_CODE});
VTLESS_LINE(kTscOffset, {"TSC Offset=", F::TSC_OFFSET});
VTLESS_LINE(kTscMultiplier, {"TSC Multiplier=", F::TSC_MULTIPLIER});
VTLESS_LINE(kTpr, {"TPR Threshold=", F::TPR_THRESHOLD});
VTLESS_LINE(kApicAccess, {"APIC-access addr=", F::APIC_ACCESS_ADDRESS},
            {"virt-APIC addr=", F::VIRTUAL_APIC_ADDRESS});
VTLESS_LINE(kVirtualApic, {"virt-APIC addr=", F::VIRTUAL_APIC_ADDRESS});
VTLESS_LINE(kPosted, {"PostedIntrVec=", F::POSTED_INTERRUPT_NOTIFICATION_VECTOR});
VTLESS_LINE(kEpt, {"EPT pointer=", F::EPT_POINTER});
VTLESS_LINE(kPle, {"PLE Gap=", F::PLE_GAP}, {"Window=", F::PLE_WINDOW});
VTLESS_LINE(kVpid, {"Virtual processor ID=", F::VPID});
constexpr Line kControlLines[] = {kPin,    kCpuBased,   kEntryControls, kExceptions, kVmEntry,
                                  kVmExit, kReason,     kVectoring,     kTscOffset,  kTscMultiplier,
                                  kTpr,    kApicAccess, kVirtualApic,   kPosted,     kEpt,
                                  kPle,    kVpid};
#undef VTLESS_SEGMENT
#undef VTLESS_LINE

struct Section {
    std::string_view title;
    std::span<const Line> lines;
};
constexpr Section kSections[] = {{"*** Guest State ***", kGuestLines},
                                 {"*** Host State ***", kHostLines},
                                 {"*** Control State ***", kControlLines}};

// Off with time stamp, host and module; runs of blanks become one, and none stands beside "=".
std::string normal(std::string_view line) {
    if (const size_t module = line.rfind("kvm_intel: "); module != std::string_view::npos) {
        line.remove_prefix(module + 11);
    } else if (const size_t stamp = line.find("] "); stamp != std::string_view::npos) {
        line.remove_prefix(stamp + 2);
    } else if (const size_t kernel = line.find("kernel: "); kernel != std::string_view::npos) {
        line.remove_prefix(kernel + 8);
    }
    std::string text;
    for (const char c : line) {
        const bool blank = c == ' ' || c == '\t' || c == '\r';
        if (blank && (text.empty() || text.back() == ' ' || text.back() == '=')) continue;
        if (c == '=' && !text.empty() && text.back() == ' ') text.pop_back();
        text += blank ? ' ' : c;
    }
    return text;
}

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

class KvmLog {
  public:
    Expected<Dump, Error> read(std::string_view text) {
        while (!text.empty()) {
            const size_t end = std::min(text.find('\n'), text.size());
            ++number_;
            if (!take(normal(text.substr(0, end)))) return Unexpected(error_);
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        return finish();
    }

  private:
    bool take(const std::string& line) {
        for (const Section& section : kSections) {
            if (line.find(section.title) == std::string::npos) continue;
            if (&section == &kSections[0]) start();
            section_ = dumps_ == 0 ? nullptr : &section;
            msrs_ = F{};
            return true;
        }
        if (section_ == nullptr) return true;
        if (starts_with(line, "MSR ")) return take_msr_title(line);
        if (msrs_ != F{} && line.find("msr=") != std::string::npos) return take_msr(line);
        for (const Line& known : section_->lines) {
            if (starts_with(line, known[0].label)) return take_fields(line, known);
        }
        return true;
    }

    void start() {
        ++dumps_;
        dump_ = {};
    }

    bool take_fields(std::string_view line, Line known) {
        // What KVM holds elsewhere than in the field.
        const bool not_the_field =
            line.find("(autoload)") != line.npos || line.find("(effective)") != line.npos;
        size_t at = 0;
        for (const Labelled& labelled : known) {
            const size_t label = line.find(labelled.label, at);
            if (label == line.npos) continue;
            at = label + labelled.label.size();
            uint64_t value = 0;
            if (!take_number(line, at, value)) return false;
            if ((value & ~x86::access_mask(labelled.field)) != 0)
                return fail("{:#x} does not fit into {}", value, x86::name(labelled.field));
            if (!not_the_field) dump_.fields[labelled.field] = value;
        }
        return true;
    }

    // Hexadecimal with or without 0x; at moves behind it.
    bool take_number(std::string_view line, size_t& at, uint64_t& value) {
        if (starts_with(line.substr(at), "0x")) at += 2;
        const char* begin = line.data() + at;
        const auto [stop, error] = std::from_chars(begin, line.data() + line.size(), value, 16);
        if (error != std::errc()) return fail("no number after \"{}\"", line.substr(0, at));
        at += static_cast<size_t>(stop - begin);
        const bool ends =
            at == line.size() || std::string_view(" ,:|(").find(line[at]) != std::string_view::npos;
        return ends || fail("garbled number after \"{}\"", line.substr(0, at));
    }

    bool take_msr_title(std::string_view line) {
        msrs_ = starts_with(line, "MSR guest autoload")    ? F::VM_ENTRY_MSR_LOAD_COUNT
                : starts_with(line, "MSR guest autostore") ? F::VM_EXIT_MSR_STORE_COUNT
                : starts_with(line, "MSR host autoload")   ? F::VM_EXIT_MSR_LOAD_COUNT
                                                           : F{};
        if (msrs_ != F{}) dump_.fields[msrs_] = 0;
        return true;
    }
    bool take_msr(std::string_view line) {
        uint64_t index = 0;
        uint64_t value = 0;
        size_t at = line.find("msr=") + 4;
        if (!take_number(line, at, index)) return false;
        at = line.find("value=", at);
        if (at == line.npos) return fail("an MSR without a value");
        at += 6;
        if (!take_number(line, at, value)) return false;
        ++dump_.fields[msrs_];
        if (msrs_ == F::VM_ENTRY_MSR_LOAD_COUNT)
            dump_.entry_msrs.push_back({static_cast<uint32_t>(index), 0, value});
        return true;
    }

    Expected<Dump, Error> finish() {
        if (dumps_ == 0)
            return Unexpected(Error("neither JSON nor a kernel log with \"*** Guest State ***\" in it"));
        if (section_ != &kSections[2])
            dump_.notes.emplace_back("the log ends before \"*** Control State ***\"");
        if (dumps_ > 1) dump_.notes.push_back(fmt::format("the log has {} dumps; this is the last", dumps_));
        // A kernel at such an address runs in IA-32e mode.
        if (const auto rip = dump_.get(F::HOST_RIP); rip && (*rip >> 32) != 0) dump_.ia32e_host = true;
        return std::move(dump_);
    }

    template <class... Args>
    bool fail(fmt::format_string<Args...> text, Args&&... args) {
        error_ = fmt::format("line {}: ", number_) + fmt::format(text, std::forward<Args>(args)...);
        return false;
    }

    Dump dump_;
    const Section* section_ = nullptr;
    F msrs_{};  // the count of the MSR list that is being read; none: VPID, which no list has
    unsigned number_ = 0;
    unsigned dumps_ = 0;
    Error error_;
};

}  // namespace

Expected<Dump, Error> read_kvm_log(std::string_view text) { return KvmLog().read(text); }

}  // namespace vtless::explain
