// SPDX-License-Identifier: MIT
#include "explain/explain.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <set>
#include <string_view>

#include "isa/x86/control_regs.h"
#include "isa/x86/vmcs_bits.h"
#include "sim/vmx/allowed_values.h"
#include "sim/vmx/entry_checks.h"
#include "sim/vmx/root_state.h"
#include "sim/vmx/vmx_operation.h"

namespace vtless::explain {
namespace {

using F = x86::VmcsField;
using sim::EntryFailure;
using sim::kEntryCheckRules;
using sim::kEntryChecks;
using Checks = std::bitset<kEntryChecks>;

constexpr const char* kHostMode = "IA32_EFER.LMA of the processor at VM entry";
constexpr const char* kVmcsAddress = "the address of the VMCS";
constexpr const char* kVirtualTpr = "VTPR in the virtual-APIC page";
constexpr const char* kLinkedVmcs = "the first bytes of the VMCS that the link pointer names";

std::vector<uint64_t> trial_values(F field) {
    const unsigned bits = x86::access_bits(field);
    const uint64_t mask = x86::access_mask(field);
    std::vector<uint64_t> values = {0, mask};
    for (unsigned i = 0; i < bits; ++i) {
        values.push_back(bit(i));
        values.push_back(mask & ~bit(i));
        for (unsigned j = 0; bits <= 32 && j < i; ++j) values.push_back(bit(i) | bit(j));
    }
    return values;
}

// A VMCS whose unknown fields take trial values, and the outcome of the checks for all of them.
class Trials {
  public:
    Trials(const Dump& dump, const sim::VmxCapabilities& processor) : dump_(dump), processor_(processor) {
        for (unsigned i = 0; i < sim::kSupportedFieldCount; ++i) {
            const F field = sim::kSupportedFields[i];
            if (!x86::is_read_only(field) && !dump.get(field)) unknown_.push_back(field);
        }
        for (const auto& [field, value] : dump.fields) vmcs_.set(field, value);
        set_host_mode(dump.ia32e_host.value_or(true));
        header_ = processor.basic.revision();
    }

    void run() {
        failures_ = check();
        base_ = ids(failures_);
        note(failures_, base_, "");
        for (const uint64_t others : {uint64_t{0}, ~uint64_t{0}, uint64_t{0x1000}}) {
            for (const F field : unknown_) vmcs_.set(field, others & x86::access_mask(field));
            base_ = ids(check());
            for (const F field : unknown_) vary(field);
            vary_processor();
        }
        for (const F field : unknown_) vmcs_.set(field, 0);
    }

    bool always(size_t index) const { return always_[index]; }
    bool sometimes(size_t index) const { return sometimes_[index]; }
    const std::vector<EntryFailure>& failures() const { return failures_; }
    bool first_is_certain() const { return firsts_.size() <= 1; }
    std::vector<std::string> needs(size_t index) const {
        const auto found = needs_.find(index);
        if (found == needs_.end()) return {"several unknown fields together"};
        return {found->second.begin(), found->second.end()};
    }
    sim::EntryChecker checker() const {
        return {vmcs_, {root_, nullptr, processor_, header_, link_is_current_, task_priority_class_}};
    }

  private:
    std::vector<EntryFailure> check() const {
        std::vector<EntryFailure> failures;
        sim::EntryChecker c = checker();
        c.find_all(failures);
        run_entry_checks(c, sim::EntryStage::Controls);
        run_entry_checks(c, sim::EntryStage::Host);
        run_entry_checks(c, sim::EntryStage::Guest);
        return failures;
    }
    static Checks ids(const std::vector<EntryFailure>& failures) {
        Checks set;
        for (const EntryFailure& failure : failures) set.set(failure.check.index());
        return set;
    }

    void note(const std::vector<EntryFailure>& failures, const Checks& violated, const char* varied) {
        always_ &= violated;
        sometimes_ |= violated;
        firsts_.insert(failures.empty() ? kEntryChecks : failures[0].check.index());
        const Checks changed = violated ^ base_;
        if (changed.none()) return;
        for (size_t i = 0; i < kEntryChecks; ++i) {
            if (changed[i]) needs_[i].insert(varied);
        }
    }
    void note_trial(const char* varied) {
        const auto failures = check();
        note(failures, ids(failures), varied);
    }

    void vary(F field) {
        const uint64_t kept = vmcs_.get(field);
        for (const uint64_t value : trial_values(field)) {
            vmcs_.set(field, value);
            note_trial(x86::name(field));
        }
        vmcs_.set(field, kept);
    }

    void vary_processor() {
        for (const uint32_t header :
             {~processor_.basic.revision(), processor_.basic.revision() | sim::kShadowIndicator}) {
            header_ = header;
            note_trial(kLinkedVmcs);
        }
        header_ = processor_.basic.revision();
        link_is_current_ = true;
        note_trial(kVmcsAddress);
        link_is_current_ = false;
        task_priority_class_ = 0;
        note_trial(kVirtualTpr);
        task_priority_class_ = 0xf;
        if (dump_.ia32e_host) return;
        set_host_mode(false);
        note_trial(kHostMode);
        set_host_mode(true);
    }
    void set_host_mode(bool ia32e) {
        root_.efer = ia32e ? root_.efer | x86::efer::LMA : root_.efer & ~x86::efer::LMA;
    }

    const Dump& dump_;
    const sim::VmxCapabilities& processor_;
    std::vector<F> unknown_;
    sim::Vmcs vmcs_{Hpa(0)};
    sim::RootState root_;
    uint32_t header_ = 0;
    bool link_is_current_ = false;
    unsigned task_priority_class_ = 0xf;
    std::vector<EntryFailure> failures_;  // with all unknown fields 0
    Checks base_;
    Checks always_ = ~Checks();
    Checks sometimes_;
    std::set<size_t> firsts_;
    std::map<size_t, std::set<std::string>> needs_;
};

template <class Controls>
void add_beyond(const Dump& dump, F field, x86::ControlCapability<Controls> processor,
                x86::ControlCapability<Controls> engine, Report& report) {
    const auto value = dump.get(field);
    if (!value) return;
    const uint64_t beyond = *value & processor.allowed1() & ~engine.allowed1();
    if (beyond != 0)
        report.beyond_checks.push_back(std::string(x86::name(field)) + ": " +
                                       sim::describe_bits(field, beyond));
}

void find_beyond(const Dump& dump, const sim::VmxCapabilities& processor, Report& report) {
    const sim::VmxCapabilities& engine = sim::kEngineCapabilities;
    add_beyond(dump, F::PIN_BASED_VM_EXECUTION_CONTROLS, processor.pin, engine.pin, report);
    add_beyond(dump, F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, processor.primary, engine.primary,
               report);
    add_beyond(dump, F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, processor.secondary,
               engine.secondary, report);
    add_beyond(dump, F::VM_EXIT_CONTROLS, processor.exit, engine.exit, report);
    add_beyond(dump, F::VM_ENTRY_CONTROLS, processor.entry, engine.entry, report);
}

constexpr std::string_view kLoadMsr = "load.msr.";

// Which MSRs a processor has, and can write, differs between models.
bool depends_on_model(std::string_view id) { return id == "load.msr.unknown" || id == "load.msr.read_only"; }

bool is_paging_known(const Dump& dump) { return dump.get(F::GUEST_CR0) && dump.get(F::VM_ENTRY_CONTROLS); }

sim::MsrLoading msr_loading(const Dump& dump, const sim::VmxCapabilities& processor) {
    const uint64_t cr0 = dump.get(F::GUEST_CR0).value_or(0);
    const uint64_t controls = dump.get(F::VM_ENTRY_CONTROLS).value_or(0);
    return {processor, is_paging_known(dump) && (cr0 & x86::cr0::PG) != 0,
            (controls & x86::EntryControls::IA32E_MODE_GUEST) != 0};
}

// Of the checks while loading, those that need neither memory nor the processor's model.
void find_msr_failures(const Dump& dump, const sim::VmxCapabilities& processor, Report& report) {
    const sim::MsrLoading loading = msr_loading(dump, processor);
    for (uint32_t i = 0; i < dump.entry_msrs.size(); ++i) {
        const sim::MsrEntry& entry = dump.entry_msrs[i];
        const auto check = sim::refused_msr_entry(entry, loading);
        if (!check || depends_on_model(check->rule().id)) continue;
        report.violations.push_back({&check->rule(), F::VM_ENTRY_MSR_LOAD_ADDRESS,
                                     dump.get(F::VM_ENTRY_MSR_LOAD_ADDRESS).value_or(0),
                                     describe(sim::MsrLoadFailure{*check, i + 1, entry}, loading)});
    }
}

// Whether the entries, all of which the dump shows, decide a check of them.
bool decided_by_entries(std::string_view id, const Dump& dump, const sim::VmxCapabilities& processor) {
    if (depends_on_model(id) || id == "load.msr.count" || id == "load.msr.memory") return false;
    if (id == "load.msr.lme") return is_paging_known(dump);
    const sim::MsrLoading loading = msr_loading(dump, processor);
    return id != "load.msr.value" ||
           std::none_of(dump.entry_msrs.begin(), dump.entry_msrs.end(), [&](const sim::MsrEntry& entry) {
               const auto check = sim::refused_msr_entry(entry, loading);
               return check && depends_on_model(check->rule().id);
           });
}

bool is_load_check(size_t index) {
    return std::string_view(kEntryCheckRules[index].id).substr(0, 5) == "load.";
}

// Entries that the dump does not show, memory that it does not hold.
void find_undecided_loads(const Dump& dump, const sim::VmxCapabilities& processor, Report& report) {
    const auto flag = [&](F field, uint64_t mask) { return (dump.get(field).value_or(mask) & mask) == mask; };
    const auto count = dump.get(F::VM_ENTRY_MSR_LOAD_COUNT);
    const bool maybe_msrs = !count || *count != 0;
    const bool shown = count && *count == dump.entry_msrs.size();
    const bool ept =
        dump.get(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS) &&
        flag(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, x86::SecondaryControls::ENABLE_EPT);
    const bool pae =
        !ept && flag(F::GUEST_CR0, x86::cr0::PG) && flag(F::GUEST_CR4, x86::cr4::PAE) &&
        !(dump.get(F::VM_ENTRY_CONTROLS) && flag(F::VM_ENTRY_CONTROLS, x86::EntryControls::IA32E_MODE_GUEST));
    for (const sim::EntryCheckRule& rule : kEntryCheckRules) {
        const std::string_view id = rule.id;
        if (id == "load.pdptes" && pae) {
            report.undecided.push_back({&rule, {"the guest's PDPTEs in memory"}});
        } else if (id.substr(0, kLoadMsr.size()) == kLoadMsr && maybe_msrs &&
                   !(shown && decided_by_entries(id, dump, processor))) {
            report.undecided.push_back({&rule, {"the entries of the VM-entry MSR-load area"}});
        }
    }
}

}  // namespace

Report explain(const Dump& dump, const sim::VmxCapabilities& processor) {
    Trials trials(dump, processor);
    trials.run();
    Report report;
    report.first_is_certain = trials.first_is_certain();
    for (const EntryFailure& failure : trials.failures()) {
        if (!trials.always(failure.check.index())) continue;
        report.violations.push_back(
            {&failure.check.rule(), failure.field, failure.value,
             describe(allowed_values(trials.checker(), failure), failure.field, failure.value)});
    }
    for (size_t i = 0; i < kEntryChecks; ++i) {
        if (is_load_check(i) || trials.always(i) || !trials.sometimes(i)) continue;
        report.undecided.push_back({&kEntryCheckRules[i], trials.needs(i)});
    }
    find_msr_failures(dump, processor, report);
    find_undecided_loads(dump, processor, report);
    find_beyond(dump, processor, report);
    return report;
}

std::string consequence(const sim::EntryCheckRule& rule) {
    const std::string_view id = rule.id;
    const auto is = [&](std::string_view prefix) { return id.substr(0, prefix.size()) == prefix; };
    if (is("controls.") || is("injection.")) return "VMfailValid with error 7";
    if (is("host.")) return "VMfailValid with error 8";
    if (is("load.msr.")) return "exit with reason 0x80000022";
    return "exit with reason 0x80000021";
}

}  // namespace vtless::explain
