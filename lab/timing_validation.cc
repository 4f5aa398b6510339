// SPDX-License-Identifier: MIT
#include "lab/timing_validation.h"

#include <array>

#include "isa/x86/exit_reason.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/vmx_vcpu.h"
#include "vmm/sim_platform.h"

namespace vtless::lab {

namespace {

using Arch = vmx::VmxVCpu<sim::VmxProcessor>;

constexpr uint64_t kEntry = 0x1000;
constexpr uint64_t kExits = 1000;
constexpr std::array<uint8_t, 4> kCpuidLoop = {0x0f, 0xa2, 0xeb, 0xfc};  // CPUID, JMP to it

// As the published numbers were measured: VMRESUME, CPUID, VM exit, and no hypervisor in between.
vmm::Result<double> round_trip(const sim::EngineConfig& engine) {
    sim::VmxProcessorConfig config;
    config.engine = engine;
    auto platform = vmm::SimPlatform::create(vmm::MemoryLayout(1 << 20), 0, config);
    if (!platform) return Unexpected(platform.error());
    sim::VmxProcessor& processor = (*platform)->processor();
    if (!(*platform)->guest_memory().write(Gpa(kEntry), kCpuidLoop))
        return vmm::fail("no memory for the guest");
    auto vcpu = VCpu<Arch>::create((*platform)->phys_cpu(), {}, {&processor, 0, {}});
    if (!vcpu || !vcpu->setup(Gpa(kEntry), (*platform)->ept_root(), {}) || !vcpu->bind())
        return vmm::fail("the processor cannot run the guest");
    const auto first = vcpu->run();
    sim::Gprs gprs;
    bool ran = first && first->is<VmExit::Nothing>() && processor.vmresume(gprs).ok();
    const uint64_t before = processor.rdtsc();
    for (uint64_t i = 0; i < kExits && ran; ++i) ran = processor.vmresume(gprs).ok();
    const uint64_t cycles = processor.rdtsc() - before;
    uint64_t reason = 0;
    ran = ran && processor.vmread(x86::VmcsField::EXIT_REASON, reason).ok() &&
          reason == static_cast<uint64_t>(x86::ExitReason::CPUID);
    if (!ran || !vcpu->unbind()) return vmm::fail("the guest did not exit as it should");
    return static_cast<double>(cycles) / static_cast<double>(kExits);
}

}  // namespace

vmm::Result<std::vector<Validated>> validate(const vmm::TimingProfile& profile) {
    sim::EngineConfig engine;
    if (const auto applied = vmm::apply(profile, engine); !applied) return Unexpected(applied.error());
    const auto model = round_trip(engine);
    if (!model) return Unexpected(model.error());
    std::vector<Validated> rows;
    for (const vmm::TimingNumber& number : profile.numbers)
        if (!number.free && number.name == vmm::kVmExitRoundTrip)
            rows.push_back({profile.name, number.name, *model, *number.value, true, number.source});
    for (const vmm::TimingCheck& check : profile.checks)
        if (check.name == vmm::kVmExitRoundTrip)
            rows.push_back({profile.name, check.name, *model, check.value, false, check.source});
    return rows;
}

}  // namespace vtless::lab
