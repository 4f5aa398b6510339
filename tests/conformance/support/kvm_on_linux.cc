// SPDX-License-Identifier: MIT
#include "tests/conformance/support/kvm_on_linux.h"

#include <chrono>
#include <optional>
#include <stdexcept>

#include "isa/x86/cpuid.h"
#include "tests/conformance/support/kvm_deviations.h"
#include "tests/conformance/support/ram.h"
#include "vcpu/kvm/host.h"
#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"

namespace vtless::conformance {
namespace {

using Arch = kvm::KvmVCpu;

// More than any run takes, on a machine that has other things to do as well.
constexpr std::chrono::seconds kTimeSlice{2};

class KvmOnLinuxBackend final : public Backend {
  public:
    KvmOnLinuxBackend() {
        kvm::VmConfig config;
        config.memory = kvm::HostMemoryMap::of(ram_.host());
        auto vm = kvm::Vm::create(config);
        if (!vm) throw CannotRun{"KVM is absent: " + kvm::describe(vm.error())};
        vm_ = std::move(*vm);
        auto vcpu = VCpu<Arch>::create(cpu_, {}, {vm_.get()});
        if (!vcpu) throw std::runtime_error(kvm::describe(vcpu.error()));
        vcpu_.emplace(std::move(*vcpu));
    }

    bool is_amd() const {
        constexpr uint32_t kAuth = 0x68747541;  // "Auth" of "AuthenticAMD"
        const auto cpuid = vm_->supported_cpuid();
        require(cpuid.has_value(), "CPUID");
        for (const kvm::CpuidEntry& entry : *cpuid)
            if (entry.leaf == x86::cpuid::kVendor) return entry.result.ebx == kAuth;
        return false;
    }

    std::string name() const override { return KvmOnLinux::kName; }
    Capabilities capabilities() const override { return vcpu_->get_arch_vcpu().capabilities(); }
    ProcessorFeatures processor() const override {
        ProcessorFeatures facts;
        facts.unrestricted_guest = facts.quiet_cr3 = true;  // KVM's concern
        const auto cpuid = vm_->supported_cpuid();
        require(cpuid.has_value(), "CPUID");
        for (const kvm::CpuidEntry& entry : *cpuid) {
            if (entry.leaf == x86::cpuid::kFeatures)
                facts.xsave = (entry.result.ecx & x86::cpuid::leaf1_ecx::XSAVE) != 0;
            if (entry.leaf == x86::cpuid::kStructuredFeatures && entry.subleaf == 0) {
                facts.smep = (entry.result.ebx & x86::cpuid::leaf7_ebx::SMEP) != 0;
                facts.smap = (entry.result.ebx & x86::cpuid::leaf7_ebx::SMAP) != 0;
            }
            if (entry.leaf == x86::cpuid::kExtendedFeatures)
                facts.pages_1g = (entry.result.edx & x86::cpuid::extended_edx::PAGE1GB) != 0;
        }
        return facts;
    }
    vmm::GuestMemory& memory() override { return ram_.guest(); }
    uint64_t& ept_entry(Gpa page) override { return ram_.ept_entry(page); }
    void flush() override { require(arch().flush_tlb().has_value(), "flush_tlb"); }

    Result<void> boot(Gpa entry, const Setup& setup) override {
        kvm::SetupConfig config;
        config.entry_state = setup.entry_state;
        config.mmio = setup.mmio;
        config.time_slice = kTimeSlice;
        if (const auto done = vcpu_->setup(entry, ram_.ept_root(), config); !done) return done;
        return vcpu_->bind();
    }
    Result<VmExit> run() override { return vcpu_->run(); }

    Registers registers() override {
        const auto state = arch().read_state();
        if (!state) throw std::runtime_error(describe(state.error()));
        Registers all;
        all.gprs = state->gprs;
        all.rip = state->rip;
        all.rflags = state->rflags;
        return all;
    }
    void set_gpr(x86::Gpr index, uint64_t value) override {
        require(vcpu_->set_gpr(static_cast<size_t>(index), value).has_value(), "set_gpr");
    }
    uint64_t segment_base(x86::SegmentRegister which) override {
        const auto state = arch().read_state();
        if (!state) throw std::runtime_error(describe(state.error()));
        return state->segment(which).base;
    }

    Result<void> complete_io_read(uint64_t value) override { return arch().complete_io_read(value); }
    Result<void> complete_mmio_read(uint64_t value) override { return arch().complete_mmio_read(value); }
    Result<void> complete_sysreg_read(uint64_t value) override { return arch().complete_sysreg_read(value); }
    Result<void> fail_sysreg_access() override { return arch().fail_sysreg_access(); }
    void set_return_value(uint64_t value) override {
        require(vcpu_->set_return_value(value).has_value(), "set_return_value");
    }

    Result<void> inject_interrupt(uint8_t vector) override { return vcpu_->inject_interrupt(vector); }
    Result<void> inject_exception(x86::Vector vector, uint32_t error_code) override {
        return arch().inject_exception(vector, error_code);
    }
    Result<void> inject_page_fault(Gva address, uint32_t error_code) override {
        return arch().inject_page_fault(address, error_code);
    }
    Result<void> inject_nmi() override { return arch().inject_nmi(); }

    void request_exit() override { arch().request_exit(); }

    std::string describe(const VCpuError& error) const override { return kvm::describe(error); }

  private:
    Arch& arch() { return vcpu_->get_arch_vcpu(); }

    Ram ram_;
    std::unique_ptr<kvm::Vm> vm_;
    PhysCpu cpu_{0};
    std::optional<VCpu<Arch>> vcpu_;
};

}  // namespace

std::unique_ptr<Backend> KvmOnLinux::create(const Variant&) { return std::make_unique<KvmOnLinuxBackend>(); }

const Deviation* KvmOnLinux::deviation(const std::string& test, const Backend& backend) {
    const auto& kvm = static_cast<const KvmOnLinuxBackend&>(backend);
    return kvm_deviation(test, kvm::host_virtualizes(), kvm.is_amd());
}

}  // namespace vtless::conformance
