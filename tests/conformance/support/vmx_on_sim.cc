// SPDX-License-Identifier: MIT
#include "tests/conformance/support/vmx_on_sim.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "isa/x86/vmx_controls.h"
#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/vmx_processor.h"
#include "tests/conformance/support/ram.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/failure.h"
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vcpu/vmx/vmx_vcpu.h"
#include "vmm/cpu_profile.h"

namespace vtless::conformance {
namespace {

using Processor = sim::VmxProcessor;
using Arch = vmx::VmxVCpu<Processor>;
static_assert(x86::VmxHw<Processor>);
static_assert(ReportsCapabilities<vmx::VmxVCpu<Processor>>);
static_assert(vmx::VmxVCpu<Processor>::capabilities().deterministic &&
              vmx::VmxVCpu<Processor>::capabilities().instruction_counts &&
              vmx::VmxVCpu<Processor>::capabilities().explains_refusals &&
              !vmx::VmxVCpu<Processor>::capabilities().hardware_speed);
static_assert(ArchVCpu<Arch>);

constexpr uint64_t kWatchdogCycles = 1'000'000;
constexpr uint8_t kWatchdogVector = 0xfe;

bool needs_unrestricted_guest(const VCpuError& error) {
    return vmx::FailureDetail::decode(error.detail) ==
           vmx::FailureDetail{vmx::Failure::MissingControls,
                              static_cast<uint16_t>(vmx::ControlGroup::Secondary),
                              x86::SecondaryControls::UNRESTRICTED_GUEST};
}

class VmxOnSimBackend final : public Backend, VmcsAccess {
  public:
    explicit VmxOnSimBackend(const Variant& variant)
        : processor_(create_processor(ram_.host(), variant, variant.sanitize ? &sanitizer_ : nullptr)) {
        require(per_cpu_.init(0, {processor_.get()}).has_value(), "PerCpu::init");
        require(per_cpu_.hardware_enable().has_value(), "PerCpu::hardware_enable");
    }

    ~VmxOnSimBackend() override {
        for (const sim::Finding& finding : sanitizer_.findings()) ADD_FAILURE() << sim::describe(finding);
    }

    std::string name() const override { return VmxOnSim::kName; }
    Capabilities capabilities() const override { return Arch::capabilities(); }
    ProcessorFeatures processor() const override {
        const sim::VmxCapabilities& can = processor_->capabilities();
        ProcessorFeatures facts;
        facts.unrestricted_guest = can.secondary.supports(x86::SecondaryControls::UNRESTRICTED_GUEST);
        facts.quiet_cr3 = (can.primary.allowed0() & x86::PrimaryControls::CR3_LOAD_EXITING) == 0;
        facts.ept_accessed_dirty = can.ept_vpid.has(x86::EptVpidCapability::kAccessedDirty);
        facts.xsave = (can.cr4_fixed1 & x86::cr4::OSXSAVE) != 0;
        facts.smep = (can.cr4_fixed1 & x86::cr4::SMEP) != 0;
        facts.smap = (can.cr4_fixed1 & x86::cr4::SMAP) != 0;
        facts.pages_1g = (can.cpuid.extended_edx & x86::cpuid::extended_edx::PAGE1GB) != 0;
        facts.cr3_targets = can.misc.cr3_targets();
        facts.preemption_timer_shift = can.misc.preemption_timer_shift();
        return facts;
    }
    vmm::GuestMemory& memory() override { return ram_.guest(); }
    uint64_t& ept_entry(Gpa page) override { return ram_.ept_entry(page); }
    void flush() override { require(arch().flush_tlb().has_value(), "flush_tlb"); }

    Result<void> boot(Gpa entry, const Setup& setup) override {
        auto created = VCpu<Arch>::create(cpu_, {}, {processor_.get()});
        if (!created) return Unexpected(created.error());
        vcpu_.emplace(std::move(*created));
        vmx::SetupConfig config = setup.controls;
        config.entry_state = setup.entry_state;
        for (const vmx::MmioRange& range : setup.mmio) config.mmio.push_back(range);
        const auto done = vcpu_->setup(entry, ram_.ept_root(), config);
        if (done) return vcpu_->bind();
        if (!needs_unrestricted_guest(done.error())) return done;
        throw CannotRun{"the processor has no unrestricted guest: " + describe(done.error())};
    }
    Result<VmExit> run() override {
        if (!host_timer_set_) interrupt_host_after(kWatchdogCycles, kWatchdogVector);
        host_timer_set_ = false;
        return vcpu_->run();
    }

    Registers registers() override {
        Registers all;
        for (unsigned i = 0; i < x86::kGprCount; ++i) all.gprs[i] = arch().get_gpr(i).value();
        all.rip = arch().read_field(x86::VmcsField::GUEST_RIP);
        all.rflags = arch().read_field(x86::VmcsField::GUEST_RFLAGS);
        all.cycles = processor_->rdtsc();
        all.instructions = processor_->engine().instructions();
        return all;
    }
    void set_gpr(x86::Gpr index, uint64_t value) override {
        require(vcpu_->set_gpr(static_cast<size_t>(index), value).has_value(), "set_gpr");
    }
    uint64_t segment_base(x86::SegmentRegister which) override {
        const auto first = static_cast<unsigned>(x86::VmcsField::GUEST_ES_BASE);
        return arch().read_field(static_cast<x86::VmcsField>(first + 2 * static_cast<unsigned>(which)));
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
    Result<void> inject_nmi() override { return arch().inject_nmi(), Result<void>(); }
    void request_exit() override { processor_->request_exit(); }
    void interrupt_host_after(uint64_t cycles, uint8_t vector) override {
        processor_->set_host_timer(processor_->rdtsc() + cycles, vector);
        host_timer_set_ = true;
    }

    VmcsAccess* vmcs() override { return this; }
    vmx::RawVmxExit raw_exit() override { return arch().raw_exit(); }
    uint64_t read_field(x86::VmcsField field) override { return arch().read_field(field); }
    void write_field(x86::VmcsField field, uint64_t value) override { arch().write_field(field, value); }

    std::string describe(const VCpuError& error) const override {
        char message[200];
        vmx::describe(error, message, sizeof message);
        return message;
    }
    std::string diagnosis() override {
        const EntryExplanation* why = processor_->entry_explanation();
        if (why == nullptr) return {};
        return fmt::format("entry check {}: {} ({} holds {:#x}; allowed: {})", why->id, why->sentence,
                           why->field, why->value, why->allowed);
    }

  private:
    static std::unique_ptr<Processor> create_processor(sim::HostMemory& memory, const Variant& variant,
                                                       sim::Sanitizer* sanitizer) {
        sim::VmxProcessorConfig config;
        config.sanitizer = sanitizer;
        config.engine.flush_seed = variant.flush_seed;
        if (const char* cpu = std::getenv("VTLESS_TEST_CPU")) {
            const auto profile = vmm::load_cpu_profile(cpu);
            if (!profile) throw std::runtime_error(profile.error().message);
            config.capabilities = profile->advertised;
        }
        auto created = Processor::create(memory, config);
        if (!created) throw std::runtime_error(created.error());
        return std::move(*created);
    }
    Arch& arch() { return vcpu_->get_arch_vcpu(); }

    // One case asks what a misconfigured entry does.
    static sim::SanitizerConfig all_but_ept_entries() {
        sim::SanitizerConfig config;
        config.ignored.add(sim::Rule::EptReserved);
        return config;
    }

    sim::Sanitizer sanitizer_{all_but_ept_entries()};
    Ram ram_;
    std::unique_ptr<Processor> processor_;
    PhysCpu cpu_{0};
    PerCpu<vmx::VmxPerCpu<Processor>> per_cpu_;
    std::optional<VCpu<Arch>> vcpu_;
    bool host_timer_set_ = false;  // by the case; a watchdog otherwise
};

}  // namespace

std::unique_ptr<Backend> VmxOnSim::create(const Variant& variant) {
    return std::make_unique<VmxOnSimBackend>(variant);
}

const Deviation* VmxOnSim::deviation(const std::string& test, const Backend&) {
    static constexpr const char* kLimits =
        "the engine does not check the limits of data segments: sim/DEVIATIONS.md, D11";
    static constexpr Deviation kKnown[] = {
        {"Events.SegmentLimit", kLimits},
        {"Modes.RealModeLimit", kLimits},
        {"Events.AlignmentCheck", "the engine never checks alignment: sim/DEVIATIONS.md, D12"},
    };
    for (const Deviation& known : kKnown)
        if (test == known.test) return &known;
    return nullptr;
}

bool VmxOnSim::may_skip() { return std::getenv("VTLESS_TEST_CPU") != nullptr; }

}  // namespace vtless::conformance
