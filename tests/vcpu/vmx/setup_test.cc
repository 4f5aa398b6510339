// SPDX-License-Identifier: MIT
#include "tests/vcpu/vmx/machine.h"
#include "vcpu/vcpu.h"

namespace vtless::test {
namespace {

using vmx::ControlGroup;
using vmx::Failure;
using vmx::FailureDetail;
using vmx::GuestEntryState;
using x86::Msr;
namespace cr0 = x86::cr0;

static_assert(ArchVCpu<vmx::VmxVCpu<FakeHw>>);
// A processor that does not say that it is simulated is silicon.
static_assert(vmx::VmxVCpu<FakeHw>::capabilities().hardware_speed &&
              !vmx::VmxVCpu<FakeHw>::capabilities().deterministic &&
              vmx::VmxVCpu<FakeHw>::capabilities().vmcs);

TEST(VmxSetup, StartsInRealModeAsUpstream) {
    Machine machine;
    EXPECT_EQ(machine.rip(), 0x7c00u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CS_SELECTOR), 0u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CS_BASE), 0u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_RFLAGS), 2u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_DR7), 0x400u);
    EXPECT_EQ(machine.field(VmcsField::CR0_READ_SHADOW), cr0::NW | cr0::CD | cr0::ET);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CR0), cr0::NW | cr0::CD | cr0::ET | cr0::NE);
    EXPECT_EQ(machine.field(VmcsField::GUEST_IA32_EFER), 0u);
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), vmx::CpuMode::Real);
}

TEST(VmxSetup, ResetVectorIsOffsetInItsSegment) {
    SetupConfig config;
    config.entry_state = GuestEntryState::reset();
    Machine machine(config, {}, Gpa(0xfffffff0));
    EXPECT_EQ(machine.rip(), 0xfff0u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CS_SELECTOR), 0xf000u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CS_BASE), 0xffff0000u);
}

TEST(VmxSetup, LongModeEntry) {
    SetupConfig config;
    config.entry_state = GuestEntryState::long_mode(0x9000);
    config.entry_state.gprs[static_cast<unsigned>(Gpr::RSI)] = 0x1000;
    config.entry_state.gprs[static_cast<unsigned>(Gpr::RSP)] = 0x2000;
    Machine machine(config, {}, Gpa(0x100200));
    EXPECT_EQ(machine.rip(), 0x100200u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_CR3), 0x9000u);
    EXPECT_NE(machine.field(VmcsField::VM_ENTRY_CONTROLS) & x86::EntryControls::IA32E_MODE_GUEST, 0u);
    EXPECT_EQ(machine.gpr(Gpr::RSI), 0x1000u);
    EXPECT_EQ(machine.field(VmcsField::GUEST_RSP), 0x2000u);
    EXPECT_EQ(machine.vcpu().get_cpu_mode(), vmx::CpuMode::Mode64);
}

TEST(VmxSetup, ControlsAreTheConfigs) {
    SetupConfig config;
    config.hlt_exiting = false;
    config.tsc_offset = 5;
    Machine machine(config);
    const x86::PrimaryControls primary{
        {static_cast<uint32_t>(machine.field(VmcsField::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS))}};
    EXPECT_FALSE(primary.has(x86::PrimaryControls::HLT_EXITING));
    EXPECT_FALSE(primary.has(x86::PrimaryControls::CR3_LOAD_EXITING));
    EXPECT_FALSE(primary.has(x86::PrimaryControls::INTERRUPT_WINDOW_EXITING));
    EXPECT_TRUE(
        primary.has(x86::PrimaryControls::USE_MSR_BITMAPS | x86::PrimaryControls::USE_TSC_OFFSETTING));
    EXPECT_EQ(machine.field(VmcsField::TSC_OFFSET), 5u);
    EXPECT_EQ(machine.field(VmcsField::VPID), 3u);
    EXPECT_EQ(machine.field(VmcsField::EPT_POINTER),
              Machine::kEptRoot | 3 << 3 | 6 | x86::Eptp::kAccessedDirty);
    EXPECT_EQ(machine.field(VmcsField::VMCS_LINK_POINTER), ~uint64_t{0});
}

struct SetupRefused : testing::Test {
    FailureDetail detail(const SetupConfig& config = {}) {
        auto vcpu = vmx::VmxVCpu<FakeHw>::create(1, 0, {&hw, 0, {}});
        EXPECT_TRUE(vcpu);
        const auto done = vcpu->setup(config);
        EXPECT_FALSE(done);
        code = done ? VCpuErrc::Backend : done.error().code;
        return done ? FailureDetail{} : FailureDetail::decode(done.error().detail);
    }
    void disallow(Msr msr, uint32_t bits) { hw.msrs[msr] &= ~(uint64_t{bits} << 32); }
    FakeHw hw;
    VCpuErrc code{};
};

TEST_F(SetupRefused, NamesEachMissingControl) {
    struct {
        Msr msr;
        ControlGroup group;
        uint32_t bits;
    } const rows[] = {
        {Msr::IA32_VMX_TRUE_PINBASED_CTLS, ControlGroup::Pin, x86::PinControls::EXTERNAL_INTERRUPT_EXITING},
        {Msr::IA32_VMX_TRUE_PROCBASED_CTLS, ControlGroup::Primary, x86::PrimaryControls::USE_MSR_BITMAPS},
        {Msr::IA32_VMX_TRUE_PROCBASED_CTLS, ControlGroup::Primary,
         x86::PrimaryControls::INTERRUPT_WINDOW_EXITING},
        {Msr::IA32_VMX_PROCBASED_CTLS2, ControlGroup::Secondary, x86::SecondaryControls::UNRESTRICTED_GUEST},
        {Msr::IA32_VMX_TRUE_EXIT_CTLS, ControlGroup::Exit, x86::ExitControls::LOAD_IA32_EFER},
        {Msr::IA32_VMX_TRUE_ENTRY_CTLS, ControlGroup::Entry, x86::EntryControls::LOAD_IA32_EFER},
    };
    for (const auto& row : rows) {
        const uint64_t before = hw.msrs[row.msr];
        disallow(row.msr, row.bits);
        EXPECT_EQ(detail(),
                  (FailureDetail{Failure::MissingControls, static_cast<uint16_t>(row.group), row.bits}));
        EXPECT_EQ(code, VCpuErrc::Unsupported);
        hw.msrs[row.msr] = before;
    }
}

// Upstream handles the timer's exit but never turns the timer on.
TEST_F(SetupRefused, PreemptionTimerIsNeededOnlyWhenAsked) {
    disallow(Msr::IA32_VMX_TRUE_PINBASED_CTLS, x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    SetupConfig config;
    config.preemption_timer.ticks = 1;
    EXPECT_EQ(detail(config).value, x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
}

TEST_F(SetupRefused, EptMustHaveFourLevelsAndWriteBack) {
    hw.msrs[Msr::IA32_VMX_EPT_VPID_CAP] &= ~x86::EptVpidCapability::kWriteBack;
    EXPECT_EQ(detail(), (FailureDetail{Failure::EptCapability, 0, x86::EptVpidCapability::kWriteBack}));
}

TEST_F(SetupRefused, EntryStateMustMakeSense) {
    SetupConfig config;
    config.entry_state.efer = x86::efer::LMA;
    EXPECT_EQ(detail(config).what, Failure::EntryState);
    config.entry_state.efer = 0;
    config.entry_state.cr4 = x86::cr4::VMXE;
    EXPECT_EQ(detail(config).what, Failure::EntryState);
}

TEST_F(SetupRefused, MsrThatCannotBePassedThrough) {
    SetupConfig config;
    config.passed_msrs.push_back({Msr{0x40000000}, true, true});
    detail(config);
    EXPECT_EQ(code, VCpuErrc::InvalidInput);
}

TEST_F(SetupRefused, NoFramesNoVCpu) {
    hw.memory().limit = 3;
    const auto vcpu = vmx::VmxVCpu<FakeHw>::create(1, 0, {&hw, 0, {}});
    ASSERT_FALSE(vcpu);
    EXPECT_EQ(vcpu.error().code, VCpuErrc::NoMemory);
    EXPECT_EQ(hw.memory().live_frames, 0u);
}

TEST_F(SetupRefused, OptionalControlsAreDropped) {
    disallow(Msr::IA32_VMX_PROCBASED_CTLS2,
             x86::SecondaryControls::ENABLE_VPID | x86::SecondaryControls::ENABLE_RDTSCP);
    disallow(Msr::IA32_VMX_TRUE_EXIT_CTLS, x86::ExitControls::SAVE_IA32_PAT);
    auto vcpu = vmx::VmxVCpu<FakeHw>::create(1, 0, {&hw, 0, {}});
    ASSERT_TRUE(vcpu->set_ept_root(Hpa(0xf0000)));
    ASSERT_TRUE(vcpu->setup({}));
    EXPECT_FALSE(vcpu->controls().secondary.has(x86::SecondaryControls::ENABLE_VPID));
    ASSERT_TRUE(vcpu->bind());
    const uint8_t* bitmap = hw.memory().map(Hpa(hw.field(VmcsField::MSR_BITMAP)));
    EXPECT_NE(bitmap[0x277 / 8] & 1 << (0x277 % 8), 0);  // PAT is not switched: it exits
}

TEST(VmxSetup, HostStateIsRewrittenOnBind) {
    Machine machine;
    EXPECT_EQ(machine.field(VmcsField::HOST_CR0), machine.hw.cr0);
    EXPECT_EQ(machine.field(VmcsField::HOST_CR3), 0x5000u);
    EXPECT_EQ(machine.field(VmcsField::HOST_CS_SELECTOR), 0x10u);
    EXPECT_EQ(machine.field(VmcsField::HOST_TR_SELECTOR), 0x40u);
    EXPECT_EQ(machine.field(VmcsField::HOST_FS_BASE), 0x4000u);
    EXPECT_EQ(machine.field(VmcsField::HOST_TR_BASE), 0x7000u);
    EXPECT_EQ(machine.field(VmcsField::HOST_GDTR_BASE), 0x6000u);
    EXPECT_EQ(machine.field(VmcsField::HOST_IDTR_BASE), 0x7000u);
    EXPECT_EQ(machine.field(VmcsField::HOST_IA32_EFER), x86::efer::LME | x86::efer::LMA);
    EXPECT_EQ(machine.field(VmcsField::HOST_IA32_SYSENTER_EIP), 0x9000u);
    ASSERT_TRUE(machine.vcpu().unbind());
    machine.hw.cr0 |= cr0::WP;
    ASSERT_TRUE(machine.vcpu().bind());
    EXPECT_EQ(machine.field(VmcsField::HOST_CR0), machine.hw.cr0);
}

TEST(VmxSetup, OfASecondVCpuLeavesTheFirstCurrent) {
    Machine machine;
    const uint64_t first = machine.hw.current;
    auto other = vmx::VmxVCpu<FakeHw>::create(1, 3, {&machine.hw, 0, {}});
    ASSERT_TRUE(other->set_ept_root(Hpa(0xf0000)));
    ASSERT_TRUE(other->setup({}));
    EXPECT_EQ(machine.hw.current, first);
}

TEST(VmxSetup, FlushesWhatAnEarlierVCpuLeft) {
    Machine machine;
    EXPECT_EQ(machine.hw.invepts.size(), 1u);
    EXPECT_EQ(machine.hw.invvpids.size(), 1u);
    machine.run_exit(ExitReason::CPUID);
    EXPECT_EQ(machine.hw.invepts.size(), 1u);
    EXPECT_EQ(machine.hw.invvpids.size(), 1u);
}

TEST(VmxSetup, DestructionClearsTheVmcsAndFreesItsFrames) {
    FakeHw hw;
    {
        auto vcpu = vmx::VmxVCpu<FakeHw>::create(1, 0, {&hw, 0, {}});
        ASSERT_TRUE(vcpu->set_ept_root(Hpa(0xf0000)));
        ASSERT_TRUE(vcpu->setup({}));
        ASSERT_TRUE(vcpu->bind());
        auto moved = std::move(*vcpu);
        EXPECT_EQ(hw.memory().live_frames, 4u);
        EXPECT_NE(hw.current, FakeHw::kNone);
    }
    EXPECT_EQ(hw.current, FakeHw::kNone);
    EXPECT_EQ(hw.memory().live_frames, 0u);
    EXPECT_EQ(hw.msrs[Msr::IA32_LSTAR], 2u);
}

TEST(VmxSetup, RunsThroughVCpu) {
    FakeHw hw;
    PhysCpu cpu(0);
    auto vcpu = VCpu<vmx::VmxVCpu<FakeHw>>::create(cpu, {}, {&hw, 0, {}});
    ASSERT_TRUE(vcpu);
    ASSERT_TRUE(vcpu->setup(Gpa(0x1000), Hpa(0xf0000), {}));
    ASSERT_TRUE(vcpu->bind());
    hw.exit_with(ExitReason::HLT);
    const auto exit = vcpu->run();
    ASSERT_TRUE(exit);
    EXPECT_TRUE(exit->is<VmExit::Halt>());
    EXPECT_EQ(vcpu->state(), VCpuState::Ready);
}

}  // namespace
}  // namespace vtless::test
