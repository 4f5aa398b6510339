// SPDX-License-Identifier: MIT
#include "vcpu/kvm/kvm_vcpu.h"

#include "isa/x86/registers.h"
#include "vcpu/arch_vcpu.h"
#include "vcpu/kvm/core.h"
#include "vcpu/kvm/host.h"

namespace vtless::kvm {

static_assert(ArchVCpu<KvmVCpu> && ReportsCapabilities<KvmVCpu>);

KvmVCpu::KvmVCpu(std::unique_ptr<Core> core) : core_(std::move(core)) {}
KvmVCpu::KvmVCpu(KvmVCpu&&) noexcept = default;
KvmVCpu::~KvmVCpu() = default;

Result<KvmVCpu> KvmVCpu::create(VmId, VCpuId vcpu, const CreateConfig& config) {
    if (config.vm == nullptr) return fail(VCpuErrc::InvalidInput);
    constexpr VCpuId kLastApicId = 254;  // 255 is all of them
    if (config.vm->has_kernel_apics() && vcpu > kLastApicId)
        return fail_with(VCpuErrc::Unsupported, Failure::ApicId, static_cast<uint32_t>(vcpu));
    auto fd = config.vm->create_vcpu(vcpu);
    if (!fd) return Unexpected(fd.error());
    auto shared = config.vm->map_vcpu(*fd);
    if (!shared) return Unexpected(shared.error());
    return KvmVCpu(std::make_unique<Core>(*config.vm, vcpu, std::move(*fd), std::move(*shared)));
}

Result<void> KvmVCpu::set_entry(Gpa entry) { return core_->set_entry(entry); }
Result<void> KvmVCpu::set_ept_root(Hpa root) { return core_->set_ept_root(root); }
Result<void> KvmVCpu::setup(const SetupConfig& config) { return core_->setup(config); }
Result<VmExit> KvmVCpu::run() { return core_->run(); }
Result<void> KvmVCpu::bind() { return core_->bind(); }
Result<void> KvmVCpu::unbind() { return core_->unbind(), Result<void>(); }

Result<void> KvmVCpu::set_gpr(size_t index, uint64_t value) {
    if (index >= x86::kGprCount) return fail(VCpuErrc::InvalidInput, index);
    return core_->set_gpr(static_cast<x86::Gpr>(index), value);
}
Result<uint64_t> KvmVCpu::get_gpr(size_t index) {
    if (index >= x86::kGprCount) return fail(VCpuErrc::InvalidInput, index);
    return core_->gpr(static_cast<x86::Gpr>(index));
}

// KVM puts it into RAX when it finishes the hypercall. Of another exit, RAX is all there is to set; what
// fails then fails again in run().
void KvmVCpu::set_return_value(uint64_t value) {
    if (!core_->exits().complete_hypercall(value)) (void)core_->set_gpr(x86::Gpr::RAX, value);
}
Result<GuestState> KvmVCpu::read_state() { return core_->state(); }
Result<ExitState> KvmVCpu::read_exit_state() { return core_->state_at_exit(); }
Result<void> KvmVCpu::write_state(const GuestState& state) { return core_->set_state(state); }

Result<std::optional<Gpa>> KvmVCpu::translate(Gva address) { return core_->translate(address); }

Result<void> KvmVCpu::inject_interrupt(size_t vector) {
    if (vector > 0xff) return fail(VCpuErrc::InvalidInput, vector);
    return core_->inject_interrupt(static_cast<uint8_t>(vector));
}
Result<void> KvmVCpu::inject_external_interrupt(size_t vector) {
    if (vector > 0xff) return fail(VCpuErrc::InvalidInput, vector);
    core_->push_interrupt(static_cast<uint8_t>(vector));
    return {};
}
Result<void> KvmVCpu::inject_exception(x86::Vector vector, uint32_t error_code) {
    return core_->push_exception({vector, x86::has_error_code(vector), error_code, std::nullopt});
}
Result<void> KvmVCpu::inject_page_fault(Gva address, uint32_t error_code) {
    return core_->push_exception({x86::Vector::PF, true, error_code, address.value()});
}
Result<void> KvmVCpu::inject_nmi() { return core_->inject_nmi(); }
bool KvmVCpu::can_take_interrupt() {
    const auto ready = core_->can_take_interrupt();
    return ready && *ready;
}
Result<void> KvmVCpu::request_interrupt_window() {
    return core_->want_interrupt_window(true), Result<void>();
}
Result<void> KvmVCpu::cancel_interrupt_window() {
    return core_->want_interrupt_window(false), Result<void>();
}
Result<bool> KvmVCpu::stands_halted() { return core_->stands_halted(); }
Result<bool> KvmVCpu::waits_for_others() { return core_->waits_for_others(); }
bool KvmVCpu::has_waiting_events() const { return core_->has_events(); }

Result<void> KvmVCpu::complete_io_read(uint64_t value) { return core_->exits().complete_io_read(value); }
Result<void> KvmVCpu::complete_mmio_read(uint64_t value) { return core_->exits().complete_mmio_read(value); }
Result<void> KvmVCpu::complete_sysreg_read(uint64_t value) {
    return core_->exits().complete_sysreg_read(value);
}
Result<void> KvmVCpu::fail_sysreg_access() { return core_->exits().fail_sysreg_access(); }

void KvmVCpu::set_time_slice(std::chrono::nanoseconds slice) { core_->set_time_slice(slice); }
void KvmVCpu::request_exit() { core_->kick().request(); }
Result<void> KvmVCpu::flush_tlb() { return core_->vm().map_memory(core_->ept_root()); }

Capabilities KvmVCpu::capabilities() const {
    return capabilities(core_->vm().has_kernel_apics() ? ApicIn::Kernel : ApicIn::UserSpace);
}

Capabilities KvmVCpu::capabilities(ApicIn local_apics) {
    Capabilities can;
    can.backend = "kvm";
    can.halts_exit = can.local_apic_exits = local_apics == ApicIn::UserSpace;
    can.interrupt_windows = can.hardware_speed = host_virtualizes();
    return can;
}

}  // namespace vtless::kvm
