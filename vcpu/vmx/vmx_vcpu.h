// SPDX-License-Identifier: MIT
// VmxVCpu: the VMX backend of VCpu. What a hypervisor runs; it stands on any VmxHw.
// README.md here has the exits, what each leaves in the guest, and who completes it.
#pragma once

#include <utility>

#include "vcpu/capabilities.h"
#include "vcpu/vmx/bitmaps.h"
#include "vcpu/vmx/cpu_mode.h"
#include "vcpu/vmx/dispatch.h"
#include "vcpu/vmx/entry_context.h"
#include "vcpu/vmx/exit_context.h"
#include "vcpu/vmx/setup_features.h"
#include "vcpu/vmx/setup_guest.h"
#include "vcpu/vmx/setup_host.h"

namespace vtless::vmx {

// A guest's misbehaviour is an exit or an event, never an error. Errors carry a FailureDetail.
// One VmxVCpu can be bound to a processor at a time: bind makes its VMCS current.
template <x86::VmxHw Hw, class Policy = DefaultPolicy>
class VmxVCpu {
  public:
    struct CreateConfig {
        Hw* hw = nullptr;   // in VMX operation from setup() to the destruction of the vCPU
        uint16_t vpid = 0;  // 0: the vCPU's id + 1. Unique among the vCPUs that share an EPT root.
        [[no_unique_address]] Policy policy{};
    };
    using SetupConfig = vmx::SetupConfig;

    // Takes the frames of the VMCS and the bitmaps from hw's memory. InvalidInput without hw; NoMemory.
    static Result<VmxVCpu> create(VmId vm, VCpuId vcpu, const CreateConfig& config) {
        if (config.hw == nullptr) return fail(VCpuErrc::InvalidInput);
        VmxVCpu created(config, vm, vcpu);
        if (const auto done = created.core_.frames.allocate(config.hw->memory()); !done)
            return Unexpected(done.error());
        return Result<VmxVCpu>(std::move(created));
    }
    VmxVCpu(VmxVCpu&&) = default;
    VmxVCpu& operator=(VmxVCpu&&) = delete;
    // The processor must not keep what it caches of a VMCS whose frame goes away.
    ~VmxVCpu() {
        if (core_.frames.empty()) return;
        if (core_.loaded) exchange_state();
        (void)core_.hw->vmclear(vmcs_address());  // fails only outside VMX operation, where nothing is cached
    }

    // Guest-physical, or linear if the entry state has paging; RIP becomes entry minus CS's base.
    Result<void> set_entry(Gpa entry) {
        core_.entry = entry;
        if (core_.loaded) {
            const uint64_t base = core_.vmcs.segment_base(x86::SegmentRegister::CS);
            core_.vmcs.write(x86::VmcsField::GUEST_RIP, entry.value() - base);
        }
        return core_.vmcs.take_failure();
    }
    // Frame of the EPT PML4.
    Result<void> set_ept_root(Hpa root) {
        if (root.page_offset() != 0) return fail(VCpuErrc::InvalidInput, root.value());
        core_.eptp = x86::Eptp::make(root.value(), 4, core_.eptp.accessed_dirty());
        if (core_.loaded) core_.vmcs.write(x86::VmcsField::EPT_POINTER, core_.eptp.raw);
        if (core_.loaded) return flush_tlb();
        return core_.vmcs.take_failure();
    }

    // Unsupported, with the missing control, if the processor cannot do what config asks.
    Result<void> setup(const SetupConfig& config);

    // Until something is for the caller; see VmExit and max_reentries.
    [[gnu::always_inline]] Result<VmExit> run() {
        Result<VmExit> exit = step();
        for (uint32_t left = core_.config.max_reentries; left != 0 && is_handled(exit); --left)
            exit = step_again();
        if (core_.vmcs.failed() || !core_.flush_failure.ok()) [[unlikely]]
            exit = take_failure();
        return exit;
    }

    // bind makes the VMCS current and puts the guest's CR2 and the MSRs that VM entry does not load in the
    // host's place; unbind takes both back and leaves the VMCS clear.
    Result<void> bind();
    Result<void> unbind();

    // Index in ModR/M order; 4 is RSP, and there are 16.
    Result<void> set_gpr(size_t index, uint64_t value) {
        if (index >= x86::kGprCount) return fail(VCpuErrc::InvalidInput, index);
        const auto gpr = static_cast<x86::Gpr>(index);
        if (gpr == x86::Gpr::RSP && !core_.loaded) {
            core_.rsp = value;
            core_.rsp_changed = true;
        } else {
            core_.set_gpr(gpr, value);
        }
        return core_.vmcs.take_failure();
    }
    Result<uint64_t> get_gpr(size_t index) {
        if (index >= x86::kGprCount) return fail(VCpuErrc::InvalidInput, index);
        const auto gpr = static_cast<x86::Gpr>(index);
        if (gpr == x86::Gpr::RSP && !core_.loaded) return core_.rsp;
        return core_.gpr(gpr);
    }
    // The result of a hypercall.
    void set_return_value(uint64_t value) { core_.gprs.set(x86::Gpr::RAX, value); }

    // An external interrupt, whatever the vector: a PIC in real mode uses 8. Waits until the guest takes it.
    // A Policy that ChoosesEvents keeps these events, and may have no room: ResourceBusy.
    Result<void> inject_interrupt(size_t vector) {
        if (vector > 0xff) return fail(VCpuErrc::InvalidInput, vector);
        return push({x86::EventInfo::external_interrupt(static_cast<uint8_t>(vector)), 0, 0, std::nullopt});
    }
    // Before the guest's next instruction. ResourceBusy when EventQueue::kExceptions wait.
    Result<void> inject_exception(x86::Vector vector, uint32_t error_code = 0) {
        return push(Event::exception(vector, error_code));
    }
    // address: linear, for CR2, which is written when the guest takes the fault.
    Result<void> inject_page_fault(Gva address, uint32_t error_code) {
        return push(Event::page_fault(address.value(), error_code));
    }
    void inject_nmi() { (void)push({x86::EventInfo::nmi(), 0, 0, std::nullopt}); }
    // Upstream's queue_event: below 32 an exception, 2 NMI, else an external interrupt.
    Result<void> queue_event(uint8_t vector, uint32_t error_code = 0) {
        if (vector >= 32) return inject_interrupt(vector);
        if (vector == static_cast<uint8_t>(x86::Vector::NMI)) return inject_nmi(), Result<void>();
        return inject_exception(static_cast<x86::Vector>(vector), error_code);
    }
    // For an interrupt controller that chooses its vector only when the guest can take it: run() returns
    // Nothing at the first instruction where it can, until the window is cancelled. While bound.
    bool can_take_interrupt() { return vmx::can_take_interrupt(core_); }
    Result<void> request_interrupt_window() { return set_window(true); }
    Result<void> cancel_interrupt_window() { return set_window(false); }
    bool has_waiting_events() const { return !core_.events.empty(); }

    // Completions, after the exit and before the next run(): IoRead, MmioRead, SysRegRead. The value is cut
    // to the width of the access and merged into the register as the instruction does it. A read that is not
    // completed leaves the register alone; where memory is the destination (INS, MOVS) or an operand (OR m,
    // r) the instruction executes again.
    Result<void> complete_io_read(uint64_t value) { return finished(complete_io(core_, value)); }
    Result<void> complete_mmio_read(uint64_t value) { return finished(complete_mmio(core_, value)); }
    Result<void> complete_sysreg_read(uint64_t value) { return finished(complete_sysreg(core_, value)); }
    // Instead: #GP(0) at the RDMSR or WRMSR of the last SysRegRead or SysRegWrite.
    Result<void> fail_sysreg_access() { return finished(fail_sysreg(core_)); }

    // Queries between bind and unbind. The exit: valid until the next run().
    RawVmxExit raw_exit() { return RawVmxExit::read(core_.vmcs); }
    CpuMode get_cpu_mode() { return vmx::get_cpu_mode(core_); }
    PagingInfo get_paging_info() { return vmx::get_paging_info(core_); }
    // Offset in CS to linear address.
    Gva gla2gva(uint64_t offset) { return vmx::code_address(core_, offset); }
    // By the guest's page tables and EPT, at the guest's privilege, without setting accessed or dirty bits.
    Located translate(Gva address, AccessKind kind = AccessKind::Read) {
        GuestMemory<Hw> memory(core_);
        return memory.locate(address, {kind, memory.user(), false});
    }
    Located read_guest(Gva address, std::span<uint8_t> data) {
        GuestMemory<Hw> memory(core_);
        return memory.read(address, data, {AccessKind::Read, memory.user(), false});
    }
    // VMREAD and VMWRITE. A field that the processor refuses reads as 0 and makes the next run() fail.
    uint64_t read_field(x86::VmcsField field) { return core_.vmcs.read(field); }
    void write_field(x86::VmcsField field, uint64_t value) { core_.vmcs.write(field, value); }

    // What the processor is decides the rest: Hw::kSimulated where it exists and is true.
    static constexpr Capabilities capabilities() {
        constexpr bool kSimulated = requires { requires Hw::kSimulated; };
        Capabilities can;
        can.backend = "vmx";
        can.ept_violations = can.ept_rights = can.ept_accessed_dirty = true;
        can.vmcs = can.exit_instruction_length = can.mmio_register = true;
        can.all_hypercalls = can.single_string_io = can.interrupt_windows = true;
        can.halts_exit = can.local_apic_exits = true;
        can.explains_refusals = requires(const Hw& hw) { hw.entry_explanation(); };
        can.instruction_counts = can.cycles = can.deterministic = kSimulated;
        can.hardware_speed = !kSimulated;
        return can;
    }
    const Controls& controls() const { return core_.controls; }
    Policy& policy() { return policy_; }
    // After changes to EPT that take rights away. SDM Vol. 3C "Guidelines for Use of the INVEPT Instruction".
    Result<void> flush_tlb();

  private:
    VmxVCpu(const CreateConfig& config, VmId vm, VCpuId vcpu)
        : core_(*config.hw, vm, vcpu), policy_(config.policy) {
        core_.vpid = config.vpid != 0 ? config.vpid : static_cast<uint16_t>(vcpu + 1);
    }

    static bool is_handled(const Result<VmExit>& exit) {
        return exit && exit->template is<VmExit::Nothing>();
    }
    Hpa vmcs_address() const { return core_.frames.address(kVmcsFrame); }

    // In its caller: a frame more between VM exit and caller is 5 ns more where the processor is the
    // simulated one, whose exits are a longjmp.
    [[gnu::always_inline]] Result<VmExit> step();
    [[gnu::noinline]] Result<VmExit> step_again() { return step(); }
    Result<VmExit> decide(x86::ExitReasonField reason);
    Result<VmExit> refuse_unbound() const { return fail_with(VCpuErrc::Backend, Failure::NotBound); }
    Result<VmExit> entry_failed(x86::VmxStatus status);
    Result<VmExit> entry_failed(x86::ExitReasonField reason);
    Result<VmExit> take_failure();

    Result<void> push(const Event& event) {
        if (!keep(event))
            return fail_with(VCpuErrc::ResourceBusy, Failure::QueueFull, EventQueue::kExceptions);
        core_.note_queued(event.info);
        return {};
    }
    bool keep(const Event& event) {
        if constexpr (ChoosesEvents<Policy, Hw>) {
            return policy_.queue(event);
        } else {
            return core_.events.push(event);
        }
    }
    void choose_event() {
        if constexpr (ChoosesEvents<Policy, Hw>) {
            core_.injected.info.raw = 0;
            EntryContext<Hw> context(core_);
            policy_.prepare_entry(context);
            core_.emulated = false;
        } else {
            prepare_entry(core_);
        }
    }
    Result<void> finished(Result<void> done) { return done ? core_.vmcs.take_failure() : done; }
    Result<void> set_window(bool wanted) {
        want_interrupt_window(core_, wanted);
        return core_.vmcs.take_failure();
    }
    Result<void> load_clear_vmcs();
    Result<void> fill_vmcs();
    void exchange_state();

    Core<Hw> core_;
    ExchangedMsrs other_msrs_{};  // of the host while bound, else of the guest
    uint64_t other_cr2_ = 0;
    [[no_unique_address]] Policy policy_;
};

}  // namespace vtless::vmx

#include "vcpu/vmx/vmx_vcpu_lifecycle.h"
#include "vcpu/vmx/vmx_vcpu_run.h"
