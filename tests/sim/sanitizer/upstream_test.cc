// SPDX-License-Identifier: MIT
// The bugs of upstream's backend that a processor can notice, and the backend that does not have them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/sanitizer/sanitizer.h"
#include "sim/vmx/vmx_processor.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vmx/upstream_policy.h"
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vcpu/vmx/vmx_vcpu.h"
#include "vmm/memory/ept_table.h"

namespace vtless::sim {
namespace {

// A real-mode guest at 0x8000 whose handlers execute CPUID and IRET. The page below 0x7000 is not mapped.
template <class Policy>
class Guest {
  public:
    static constexpr uint64_t kBytes = 1 << 20;
    static constexpr uint64_t kEntry = 0x8000;
    static constexpr uint64_t kHole = 0x6000;

    Guest() : ept_(std::move(*vmm::EptTable<HostMemory>::create(memory_))) {
        EXPECT_TRUE(per_cpu_.init(0, {hw_.get()}));
        EXPECT_TRUE(per_cpu_.hardware_enable());
        EXPECT_TRUE(memory_.allocate_frames(kBytes / 4096, 4096, ram_));
        EXPECT_TRUE(ept_.map({Gpa(0), ram_, kHole}));
        EXPECT_TRUE(ept_.map({Gpa(kHole + 4096), ram_ + (kHole + 4096), kBytes - kHole - 4096}));
        for (uint16_t vector = 0; vector < 256; ++vector) {
            const uint16_t vector_entry[] = {0x9000, 0};
            std::memcpy(memory_.map(ram_ + vector * 4), vector_entry, 4);
        }
        put(0x9000, {0x0f, 0xa2, 0xcf});  // cpuid; iret
        auto created = Arch::create(1, 0, {hw_.get(), 0, {}});
        EXPECT_TRUE(created.has_value());
        arch_.emplace(std::move(*created));
        EXPECT_TRUE(arch().set_entry(Gpa(kEntry)));
        EXPECT_TRUE(arch().set_ept_root(ept_.root()));
        EXPECT_TRUE(arch().setup({}));
        EXPECT_TRUE(arch().bind());
        EXPECT_TRUE(arch().set_gpr(static_cast<size_t>(x86::Gpr::RSP), 0x8000));
    }
    ~Guest() {
        EXPECT_TRUE(arch().unbind());
        arch_.reset();
        EXPECT_TRUE(per_cpu_.hardware_disable());
    }

    using Arch = vmx::VmxVCpu<VmxProcessor, Policy>;
    Arch& arch() { return *arch_; }
    void put(uint64_t at, std::initializer_list<uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(), memory_.map(ram_ + at));
    }
    VmExit run() {
        auto exit = arch().run();
        EXPECT_TRUE(exit.has_value());
        return exit ? *exit : VmExit(VmExit::Unhandled{});
    }
    // Until CPUID executes at this address.
    void run_to_cpuid_at(uint64_t at) {
        for (int i = 0; i < 10; ++i) {
            run();
            if (arch().read_field(x86::VmcsField::EXIT_REASON) == 10 &&
                arch().read_field(x86::VmcsField::GUEST_RIP) == at + 2)
                return;
        }
        ADD_FAILURE() << "CPUID at " << at << " was not reached";
    }
    void map_hole() { EXPECT_TRUE(ept_.map({Gpa(kHole), ram_ + kHole, 4096})); }

    std::vector<std::string> found() const {
        std::vector<std::string> ids;
        for (const Finding& finding : sanitizer_.findings()) ids.push_back(info(finding.rule).id);
        return ids;
    }
    std::string details() const {
        std::string all;
        for (const Finding& finding : sanitizer_.findings()) all += describe(finding) + "\n";
        return all;
    }

  private:
    static VmxProcessorConfig watched_by(Sanitizer& sanitizer) {
        VmxProcessorConfig config;
        config.sanitizer = &sanitizer;
        return config;
    }

    Sanitizer sanitizer_;
    HostMemory memory_ = HostMemory::create(16 << 20).value();
    std::unique_ptr<VmxProcessor> hw_ = VmxProcessor::create(memory_, watched_by(sanitizer_)).value();
    vmm::EptTable<HostMemory> ept_;
    Hpa ram_;
    PerCpu<vmx::VmxPerCpu<VmxProcessor>> per_cpu_;
    std::optional<Arch> arch_;
};

using Upstream = Guest<policy::Upstream>;
using Ours = Guest<vmx::DefaultPolicy>;
const std::vector<std::string> kNone;

// Two interrupts at once.
template <class G>
void two_interrupts(G& guest) {
    guest.put(G::kEntry, {0xfb, 0x90, 0x0f, 0xa2, 0xeb, 0xfb});  // sti; nop; cpuid; jmp to nop
    guest.run_to_cpuid_at(G::kEntry + 2);
    EXPECT_TRUE(guest.arch().queue_event(0x40));
    EXPECT_TRUE(guest.arch().queue_event(0x41));
    guest.run_to_cpuid_at(0x9000);
    guest.run();
}

TEST(UpstreamsBugs, OneEventForEachEntry) {
    Upstream guest;
    two_interrupts(guest);
    EXPECT_EQ(guest.found(), (std::vector<std::string>{"event.late-interrupt"})) << guest.details();
}

TEST(UpstreamsBugs, OursKeepsAWindowOpen) {
    Ours guest;
    two_interrupts(guest);
    guest.run_to_cpuid_at(0x9000);
    EXPECT_EQ(guest.found(), kNone) << guest.details();
}

// An exception after an interrupt that the guest holds off.
template <class G>
void exception_behind_interrupt(G& guest) {
    guest.put(G::kEntry, {0x0f, 0xa2, 0xeb, 0xfc});  // cpuid; jmp, with IF clear
    guest.run_to_cpuid_at(G::kEntry);
    EXPECT_TRUE(guest.arch().queue_event(0x40));
    EXPECT_TRUE(guest.arch().queue_event(static_cast<uint8_t>(x86::Vector::UD)));
    guest.run();
}

TEST(UpstreamsBugs, ExceptionsWaitBehindBlockedInterrupts) {
    Upstream guest;
    exception_behind_interrupt(guest);
    EXPECT_EQ(guest.found(), (std::vector<std::string>{"event.late-exception"})) << guest.details();
}

TEST(UpstreamsBugs, OursInjectsTheExceptionFirst) {
    Ours guest;
    exception_behind_interrupt(guest);
    EXPECT_EQ(guest.arch().read_field(x86::VmcsField::GUEST_RIP), 0x9002u);
    EXPECT_EQ(guest.found(), kNone) << guest.details();
}

// The stack is not there when the interrupt is delivered.
template <class G>
VmExit interrupted_delivery(G& guest) {
    guest.put(G::kEntry, {0xbc, 0x00, 0x70, 0xfb, 0x90, 0x0f, 0xa2, 0xeb, 0xfb});  // mov sp, 0x7000; sti; ...
    guest.run_to_cpuid_at(G::kEntry + 5);
    EXPECT_TRUE(guest.arch().queue_event(0x40));
    const VmExit exit = guest.run();
    EXPECT_EQ(guest.arch().read_field(x86::VmcsField::EXIT_REASON), 48u);
    guest.map_hole();
    guest.run();
    return exit;
}

TEST(UpstreamsBugs, IdtVectoringInformationIsDropped) {
    Upstream guest;
    EXPECT_TRUE(interrupted_delivery(guest).template is<VmExit::Halt>());
    EXPECT_EQ(guest.found(), (std::vector<std::string>{"event.vectoring-ignored"})) << guest.details();
}

TEST(UpstreamsBugs, OursInjectsItAgain) {
    Ours guest;
    EXPECT_TRUE(interrupted_delivery(guest).template is<VmExit::NestedPageFault>());
    EXPECT_EQ(guest.arch().read_field(x86::VmcsField::GUEST_RIP), 0x9002u);
    EXPECT_EQ(guest.found(), kNone) << guest.details();
}

// mov ecx, 0x1234; rdmsr; cpuid
template <class G>
VmExit read_msr(G& guest) {
    guest.put(G::kEntry, {0x66, 0xb9, 0x34, 0x12, 0, 0, 0x0f, 0x32, 0x0f, 0xa2});
    return guest.run();
}

TEST(UpstreamsBugs, MsrExitsLeaveRip) {
    Upstream guest;
    EXPECT_EQ(read_msr(guest).template get<VmExit::SysRegRead>().addr, 0x1234u);
    EXPECT_TRUE(guest.arch().set_gpr(0, 5));  // as upstream's VMM completes it
    EXPECT_TRUE(guest.run().template is<VmExit::SysRegRead>());
    EXPECT_EQ(guest.found(), (std::vector<std::string>{"exit.not-advanced"})) << guest.details();
}

TEST(UpstreamsBugs, OursAdvances) {
    Ours guest;
    EXPECT_EQ(read_msr(guest).template get<VmExit::SysRegRead>().addr, 0x1234u);
    EXPECT_TRUE(guest.arch().complete_sysreg_read(5));
    EXPECT_TRUE(guest.run().template is<VmExit::Nothing>());
    EXPECT_EQ(guest.found(), kNone) << guest.details();
}

}  // namespace
}  // namespace vtless::sim
