// SPDX-License-Identifier: MIT
#include "tests/conformance/support/vmx_on_sim.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/vmx_processor.h"
#include "tests/conformance/support/layout.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vcpu/vmx/vmx_vcpu.h"
#include "vmm/cpu_profile.h"
#include "vmm/memory/ept_table.h"

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

void require(bool good, const char* what) {
    if (!good) throw std::runtime_error(what);
}

class VmxOnSimBackend final : public Backend {
  public:
    explicit VmxOnSimBackend(const Variant& variant)
        : host_(create_memory()),
          processor_(create_processor(host_, variant, variant.sanitize ? &sanitizer_ : nullptr)),
          ept_(create_ept(host_)) {
        require(per_cpu_.init(0, {processor_.get()}).has_value(), "PerCpu::init");
        require(per_cpu_.hardware_enable().has_value(), "PerCpu::hardware_enable");
        add_memory();
    }

    ~VmxOnSimBackend() override {
        for (const sim::Finding& finding : sanitizer_.findings()) ADD_FAILURE() << sim::describe(finding);
    }

    std::string name() const override { return VmxOnSim::kName; }
    ProcessorFeatures processor() const override {
        const sim::VmxCapabilities& can = processor_->capabilities();
        ProcessorFeatures facts;
        facts.unrestricted_guest = can.secondary.supports(x86::SecondaryControls::UNRESTRICTED_GUEST);
        facts.quiet_cr3 = (can.primary.allowed0() & x86::PrimaryControls::CR3_LOAD_EXITING) == 0;
        facts.ept_accessed_dirty = can.ept_vpid.has(x86::EptVpidCapability::kAccessedDirty);
        facts.explains_refusals = true;
        facts.xsave = (can.cr4_fixed1 & x86::cr4::OSXSAVE) != 0;
        facts.smep = (can.cr4_fixed1 & x86::cr4::SMEP) != 0;
        facts.smap = (can.cr4_fixed1 & x86::cr4::SMAP) != 0;
        facts.pages_1g = (can.cpuid.extended_edx & x86::cpuid::extended_edx::PAGE1GB) != 0;
        facts.cr3_targets = can.misc.cr3_targets();
        facts.preemption_timer_shift = can.misc.preemption_timer_shift();
        return facts;
    }
    vmm::GuestMemory& memory() override { return memory_; }

    uint64_t& ept_entry(Gpa page) override {
        Hpa table = ept_.root();
        for (unsigned level = 4;; --level) {
            auto* entries = reinterpret_cast<uint64_t*>(host_.map(table));
            uint64_t& entry = entries[x86::ept::table_index(level, page.value())];
            if (level == 1 || x86::ept::is_leaf(level, entry)) return entry;
            table = Hpa(x86::ept::table_address(entry));
        }
    }
    void flush() override { require(arch().flush_tlb().has_value(), "flush_tlb"); }

    Result<void> boot(Gpa entry, const vmx::SetupConfig& config) override {
        auto created = VCpu<Arch>::create(cpu_, {}, {processor_.get()});
        if (!created) return Unexpected(created.error());
        vcpu_.emplace(std::move(*created));
        if (const auto done = vcpu_->setup(entry, ept_.root(), config); !done) return done;
        return vcpu_->bind();
    }
    Result<VmExit> run() override { return vcpu_->run(); }

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
    void inject_nmi() override { arch().inject_nmi(); }
    void interrupt_host_after(uint64_t cycles, uint8_t vector) override {
        processor_->set_host_timer(processor_->rdtsc() + cycles, vector);
    }

    vmx::RawVmxExit raw_exit() override { return arch().raw_exit(); }
    uint64_t read_field(x86::VmcsField field) override { return arch().read_field(field); }
    void write_field(x86::VmcsField field, uint64_t value) override { arch().write_field(field, value); }

    std::string diagnosis() override {
        const EntryExplanation* why = processor_->entry_explanation();
        if (why == nullptr) return {};
        return fmt::format("entry check {}: {} ({} holds {:#x}; allowed: {})", why->id, why->sentence,
                           why->field, why->value, why->allowed);
    }

  private:
    static constexpr uint64_t kHostBytes = 16 << 20;

    static sim::HostMemory create_memory() {
        auto created = sim::HostMemory::create(kHostBytes);
        require(created.has_value(), "host memory");
        return std::move(*created);
    }
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
    static vmm::EptTable<sim::HostMemory> create_ept(sim::HostMemory& memory) {
        auto created = vmm::EptTable<sim::HostMemory>::create(memory);
        require(created.has_value(), "EPT root");
        return std::move(*created);
    }

    void add_memory() {
        constexpr uint64_t kPage = 4096;
        Hpa ram;
        require(host_.allocate_frames(layout::kRamBytes / kPage, layout::kSmallPages, ram), "guest memory");
        require(memory_.add({Gpa(0), layout::kRamBytes, ram, host_.map(ram)}), "guest memory");
        memory_.set_write_listener([this](Hpa first, uint64_t bytes) { host_.note_write(first, bytes); });
        for (uint64_t page = 0; page < layout::kSmallPages; page += kPage)
            require(ept_.map({Gpa(page), ram + page, kPage}), "EPT");
        const uint64_t rest = layout::kRamBytes - layout::kSmallPages;
        require(ept_.map({Gpa(layout::kSmallPages), ram + layout::kSmallPages, rest}), "EPT");
    }

    Arch& arch() { return vcpu_->get_arch_vcpu(); }

    // One case asks what a misconfigured entry does.
    static sim::SanitizerConfig all_but_ept_entries() {
        sim::SanitizerConfig config;
        config.ignored.add(sim::Rule::EptReserved);
        return config;
    }

    sim::Sanitizer sanitizer_{all_but_ept_entries()};
    sim::HostMemory host_;
    std::unique_ptr<Processor> processor_;
    vmm::EptTable<sim::HostMemory> ept_;
    vmm::GuestMemory memory_;
    PhysCpu cpu_{0};
    PerCpu<vmx::VmxPerCpu<Processor>> per_cpu_;
    std::optional<VCpu<Arch>> vcpu_;
};

}  // namespace

std::unique_ptr<Backend> VmxOnSim::create(const Variant& variant) {
    return std::make_unique<VmxOnSimBackend>(variant);
}

}  // namespace vtless::conformance
