// SPDX-License-Identifier: MIT
// The software VMX processor: what a hypervisor finds where silicon would be. Satisfies x86::VmxHw.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "isa/expected.h"
#include "isa/x86/vmx_hw.h"
#include "sim/engine/engine.h"
#include "sim/mmu/host_memory.h"
#include "sim/mmu/mmu.h"
#include "sim/vmx/capability.h"
#include "sim/vmx/entry_checks.h"
#include "sim/vmx/entry_refusal.h"
#include "sim/vmx/gprs.h"
#include "sim/vmx/guest_state.h"
#include "sim/vmx/host_events.h"
#include "sim/vmx/msr_entry.h"
#include "sim/vmx/msr_unit.h"
#include "sim/vmx/non_root.h"
#include "sim/vmx/root_state.h"
#include "sim/vmx/vmx_counts.h"
#include "sim/vmx/vmx_observer.h"
#include "sim/vmx/vmx_operation.h"

namespace vtless::sim {

class Sanitizer;

struct VmxProcessorConfig {
    EngineConfig engine;
    // At most what the engine can do.
    VmxCapabilities capabilities = kEngineCapabilities;
    // Outlives the processor. Null: misuse that silicon tolerates is tolerated.
    Sanitizer* sanitizer = nullptr;
    // Outlives the processor. Not null: counts, which makes VMREAD, VMWRITE and VM entry slower on the host.
    VmxCounts* counts = nullptr;
};

// One logical processor. Starts outside VMX operation with the host state of RootState. Not thread-safe, but
// for request_exit().
class VmxProcessor {
  public:
    using Gprs = sim::Gprs;
    using Memory = HostMemory;
    static constexpr bool kSimulated = true;  // it counts instructions and cycles, and repeats itself exactly

    // memory outlives the processor. The error says what Unicorn lacks.
    static Expected<std::unique_ptr<VmxProcessor>, std::string> create(HostMemory& memory,
                                                                       const VmxProcessorConfig& config = {});
    VmxProcessor(const VmxProcessor&) = delete;
    VmxProcessor& operator=(const VmxProcessor&) = delete;

    Memory& memory() { return *memory_; }
    const VmxCapabilities& capabilities() const { return capabilities_; }

    // The instructions of root operation at CPL 0, with the outcomes of x86::VmxHw. Those of VMX take the
    // time that TransitionCosts has for them, whether they succeed or not; the others take none.
    x86::VmxStatus vmxon(Hpa region) {
        take(costs().vmcs_switch);
        return operation_.vmxon(region);
    }
    x86::VmxStatus vmxoff() {
        take(costs().vmcs_switch);
        host_from_ = nullptr;
        if (observer_ != nullptr) observer_->before_vmxoff(view());
        return operation_.vmxoff();
    }
    x86::VmxStatus vmclear(Hpa region) {
        take(costs().vmcs_switch);
        host_from_ = nullptr;
        if (observer_ != nullptr && operation_.valid_region(region))
            observer_->before_vmclear(view(), region);
        return operation_.vmclear(region);
    }
    x86::VmxStatus vmptrld(Hpa region) {
        take(costs().vmcs_switch);
        const x86::VmxStatus status = operation_.vmptrld(region);
        if (observer_ != nullptr && status.ok()) observer_->after_vmptrld(view());
        return status;
    }
    x86::VmxStatus vmptrst(Hpa& region) {
        take(costs().vmcs_switch);
        return operation_.vmptrst(region);
    }
    // Inline, and VMWRITE of what stays in the engine too: a hypervisor does several at each exit.
    [[gnu::always_inline]] x86::VmxStatus vmread(x86::VmcsField field, uint64_t& value) {
        take(costs().vmread);
        const Vmcs* vmcs = operation_.unobserved();
        const uint32_t unusual = x86::encoding(field) & (kVmcsEncodingReserved | kVmcsEncodingHigh);
        if (vmcs == nullptr || unusual != 0) [[unlikely]]
            return vmread_unusual(field, value);
        const VmcsFieldInfo& info = vmcs_field_info(field);
        if (info.stored) {
            value = vmcs->get(field);
        } else if (info.live != kNotLive) {
            const auto live = static_cast<LiveField>(info.live);
            value = vmcs->is_stale(live) ? guest_.fetch(live) : vmcs->get(field);
        } else {
            return vmread_unusual(field, value);
        }
        return x86::VmxStatus::succeed();
    }
    [[gnu::always_inline]] x86::VmxStatus vmwrite(x86::VmcsField field, uint64_t value) {
        take(costs().vmwrite);
        Vmcs* vmcs = operation_.unobserved();
        const uint32_t unusual = x86::encoding(field) & (kVmcsEncodingReserved | kVmcsEncodingHigh);
        if (vmcs == nullptr || unusual != 0) [[unlikely]]
            return vmwrite_other(field, value);
        const VmcsFieldInfo& info = vmcs_field_info(field);
        if (info.live == kNotLive) return vmwrite_other(field, value);
        vmcs->set_live(static_cast<LiveField>(info.live), field, value & x86::access_mask(field));
        vmcs->mark_unchecked(info.groups);
        return x86::VmxStatus::succeed();
    }
    x86::VmxStatus vmlaunch(Gprs& gprs) { return enter(gprs, true); }
    x86::VmxStatus vmresume(Gprs& gprs) { return enter(gprs, false); }
    x86::VmxStatus invept(x86::InveptType type, const x86::InveptDescriptor& descriptor);
    x86::VmxStatus invvpid(x86::InvvpidType type, const x86::InvvpidDescriptor& descriptor);

    x86::VmxStatus rdmsr(x86::Msr msr, uint64_t& value) const;
    x86::VmxStatus wrmsr(x86::Msr msr, uint64_t value);
    x86::VmxStatus xgetbv(uint32_t index, uint64_t& value) const;
    x86::VmxStatus xsetbv(uint32_t index, uint64_t value);
    uint64_t read_cr0() const { return root_.cr0; }
    uint64_t read_cr2() const { return engine_->state().cr2(); }  // shared with the guest, as on silicon
    uint64_t read_cr3() const { return root_.cr3; }
    uint64_t read_cr4() const { return root_.cr4; }
    // MOV DR, 0 to 7. DR0 to DR3 and DR6 are the guest's as well.
    x86::VmxStatus read_dr(unsigned number, uint64_t& value) const;
    x86::VmxStatus write_dr(unsigned number, uint64_t value);
    x86::VmxStatus write_cr0(uint64_t value);
    x86::VmxStatus write_cr2(uint64_t value) {
        engine_->edit_state().set_cr2(value);
        return x86::VmxStatus::succeed();
    }
    x86::VmxStatus write_cr4(uint64_t value);
    x86::CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) const;
    uint64_t rdtsc() const { return msrs_.tsc(); }

    x86::DescriptorTable sgdt() const { return root_.gdtr; }
    x86::DescriptorTable sidt() const { return root_.idtr; }
    uint16_t selector(x86::SegmentRegister segment) const { return root_.segment(segment).selector; }
    uint64_t segment_base(x86::SegmentRegister segment) const { return root_.segment(segment).base; }

    // What the last VM exit has loaded from the host-state area, and root operation has changed since.
    const RootState& host_state() const { return root_; }
    // Why the last VM entry failed, and the VMCS as it was then; nullptr after one that succeeded.
    const EntryRefusal* last_entry_failure() const { return refusal_.get(); }
    const EntryExplanation* entry_explanation() const {
        return refusal_ == nullptr ? nullptr : &refusal_->explanation();
    }
    // A copy of the current VMCS with the guest state that is in the engine; nullptr without one.
    std::unique_ptr<Vmcs> copy_vmcs() const;
    // SDM Vol. 3C "VMX Aborts" (28.7): not 0 after one. The processor is then shut down: each VM entry gives
    // #DF.
    uint32_t vmx_abort() const { return vmx_abort_; }
    // Which area of which VMCS the exit could not store or load, which entry of it, and why.
    const std::string& vmx_abort_reason() const { return vmx_abort_reason_; }

    // A backend says that it keeps this event for the guest of the VMCS until it can be injected: nobody but
    // the sanitizer listens.
    void note_queued_event(Hpa vmcs, x86::EventInfo event) {
        if (observer_ != nullptr) observer_->event_queued(vmcs, event);
    }

    // The platform around the processor. An interrupt that is raised becomes a VM exit, goes to the guest
    // (without external-interrupt exiting), or waits for take_interrupt().
    void raise_interrupt(uint8_t vector) { events_.raise_interrupt(vector); }
    void raise_nmi() { events_.raise_nmi(); }
    // What was raised and has not been taken is not there any more.
    void withdraw_interrupt(uint8_t vector) { events_.withdraw_interrupt(vector); }
    void withdraw_nmi() { events_.take_nmi(); }
    // Root operation blocks INIT signals: they wait for the next guest, which exits.
    void raise_init() { events_.raise_init(); }
    // A start-up IPI: an exit of a guest in wait-for-SIPI. Any other guest, the next one if none runs, loses
    // it.
    void raise_sipi(uint8_t vector) { events_.raise_sipi(vector); }
    // One shot: raises the vector when rdtsc() reaches tsc, in root and in non-root operation.
    void set_host_timer(uint64_t tsc, uint8_t vector) { events_.set_timer(tsc, vector); }
    // Root operation acknowledges an interrupt, as it would by taking it with RFLAGS.IF set.
    std::optional<uint8_t> take_interrupt();
    // HLT in root operation: lets time pass until an interrupt is pending. False when none will ever be.
    bool idle_until_interrupt();
    // From any thread: the guest exits at an instruction boundary soon, by an external interrupt with vector
    // HostEvents::kRequestVector (or an INIT signal, if the guest takes external interrupts itself).
    void request_exit();
    // Whether the last guest ended in HLT, MWAIT, shutdown or wait-for-SIPI with nothing left that could wake
    // it; the exit is INIT_SIGNAL.
    bool stalled() const { return events_.stalled(); }

    // EngineConfig::profile, if there is one, has all up to now.
    void settle_profile();

    Engine& engine() { return *engine_; }
    Mmu& mmu() { return *mmu_; }

  private:
    friend class RootCode;

    VmxProcessor(const VmxCapabilities& capabilities, std::unique_ptr<Mmu> mmu,
                 std::unique_ptr<Engine> engine);

    void observe(std::unique_ptr<VmxObserver> observer);
    void count_in(VmxCounts& counts);
    VmxView view() const { return {operation_.current(), guest_, *engine_, *memory_, *mmu_, capabilities_}; }

    bool has_mappings_of(x86::Eptp eptp) const;
    void flush_strictly(std::optional<uint64_t> eptp);
    void flush_strictly(x86::InvvpidType type, const x86::InvvpidDescriptor& descriptor);
    const TransitionCosts& costs() const { return engine_->transition_costs(); }
    void take(uint64_t cycles) { engine_->add_cycles(cycles); }
    x86::VmxStatus vmread_unusual(x86::VmcsField field, uint64_t& value);
    x86::VmxStatus vmwrite_other(x86::VmcsField field, uint64_t value);

    // vm_entry.cc
    // In its caller: each frame between Unicorn and whoever asked costs 5 ns more at each VM exit.
    [[gnu::always_inline]] x86::VmxStatus enter(Gprs& gprs, bool launch) {
        Vmcs* vmcs = operation_.unobserved();
        const bool again = vmcs != nullptr && host_from_ == vmcs && !launch && refusal_ == nullptr;
        if (!again) [[unlikely]]
            return enter_first(gprs, launch);
        return enter_guest(*vmcs, gprs, launch);
    }
    x86::VmxStatus begin_entry(bool launch);
    x86::VmxStatus enter_first(Gprs& gprs, bool launch);
    void count_exit();
    void begin_profiled_entry();
    void end_profiled_entry(x86::VmxStatus status);
    x86::VmxStatus enter_guest(Vmcs& vmcs, Gprs& gprs, bool launch);
    CheckGroups groups_to_check(const Vmcs& vmcs) const;
    std::optional<x86::VmxStatus> run_checks(Vmcs& vmcs, CheckGroups groups);
    bool is_rip_fine(const Vmcs& vmcs) const;
    std::optional<x86::VmInstructionError> check_controls_and_host(EntryChecker& checker, CheckGroups groups);
    void refuse(const Vmcs& vmcs, const EntryFailure& failure, std::string allowed = {});
    x86::VmxStatus fail_entry(Vmcs& vmcs, x86::ExitReason reason, uint64_t qualification);
    bool load_guest(Vmcs& vmcs, CheckGroups written);
    bool is_same_translation(const Vmcs& vmcs, CheckGroups written, LiveMask loaded) const;
    void load_efer(const Vmcs& vmcs, LiveMask loaded);
    bool load_paging(const Vmcs& vmcs, LiveMask loaded);
    void load_translation(Vmcs& vmcs);
    void load_nonregister_state(const Vmcs& vmcs);

    // vm_exit.cc
    void leave(Vmcs& vmcs, const ExitRecord& record);
    void record_exit(Vmcs& vmcs, const ExitRecord& record);
    void save_guest(Vmcs& vmcs, const ExitRecord& record);
    void load_host(const Vmcs& vmcs);
    bool host_is_loaded(const Vmcs& vmcs) const;
    void load_host_registers(const Vmcs& vmcs);
    void load_host_segments(const Vmcs& vmcs);

    // msr_areas.cc
    std::optional<MsrLoadFailure> load_msrs(Hpa area, uint32_t count, World world);
    // Out of line, since hardly any entry or exit has such areas. The number of the entry that failed,
    // counted from 1, or 0.
    [[gnu::noinline]] uint32_t load_entry_msrs(Vmcs& vmcs);
    // False after an abort.
    [[gnu::noinline]] bool store_exit_msrs(Vmcs& vmcs);
    [[gnu::noinline]] void load_exit_msrs(const Vmcs& vmcs);
    void abort(Vmcs& vmcs, uint32_t indicator, std::string reason);
    // What is wrong with the first entry that cannot be stored.
    std::optional<std::string> store_msrs(Hpa area, uint32_t count);
    MsrLoading msr_loading(World world) const;

    const VmxCapabilities capabilities_;
    HostMemory* memory_;
    RootState root_;
    std::unique_ptr<Mmu> mmu_;
    std::unique_ptr<Engine> engine_;
    HostEvents events_;
    VmxOperation operation_;
    MsrUnit msrs_;
    GuestState guest_;
    NonRoot non_root_;
    GprResidence gprs_;
    std::unique_ptr<EntryRefusal> refusal_;
    std::unique_ptr<VmxObserver> observer_;
    VmxCounts* counts_ = nullptr;
    uint32_t vmx_abort_ = 0;
    std::string vmx_abort_reason_;
    // The VMCS whose host state root_ still is: neither its fields nor root_ changed since. Else nullptr.
    const Vmcs* host_from_ = nullptr;
    uint16_t last_vpid_ = 0;  // whose translations the Mmu holds
};

}  // namespace vtless::sim
