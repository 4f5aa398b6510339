// SPDX-License-Identifier: MIT
// The local APIC in the kernel, over the fake.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isa/x86/apic_register.h"
#include "tests/vcpu/kvm/fake_guest.h"
#include "vcpu/kvm/flexible.h"

namespace vtless::kvm {
namespace {

namespace reg = x86::apic_register;
using namespace x86::cpuid::leaf1_ecx;

class KvmApic : public FakeGuest {
  protected:
    KvmApic() { vm_config_.local_apics = ApicIn::Kernel; }

    static FakeKernel::Run slice_over(FakeKernel& kernel) {
        return [&kernel](kvm_run& exit, uint8_t*) {
            kernel.activity.mp_state = KVM_MP_STATE_HALTED;
            exit.ready_for_interrupt_injection = 1;
            return EINTR;
        };
    }
    void set_register(unsigned offset, uint32_t value) {
        std::memcpy(kernel_.local_apic.regs + offset, &value, sizeof value);
    }
    bool waits() {
        const auto waits = vcpu_->waits_for_others();
        if (waits) return *waits;
        ADD_FAILURE() << describe(waits.error());
        return false;
    }
    uint32_t features() {
        kernel_.cpuid = {{1, 0, 0, 0, 0, VMX | X2APIC | TSC_DEADLINE, 0, {}}};
        EXPECT_EQ(text(make_vm()), "ok");
        return (*vm_->supported_cpuid())[0].result.ecx;
    }
};

TEST_F(KvmApic, IsSplitBeforeTheFirstVCpu) {
    kernel_.errors = {{KVM_CREATE_VCPU, EIO}};
    EXPECT_EQ(text(boot()), "Backend: KVM_CREATE_VCPU: Input/output error (errno 5)");
    ASSERT_FALSE(kernel_.capabilities.empty());
    EXPECT_EQ(kernel_.capabilities[0].cap, unsigned{KVM_CAP_SPLIT_IRQCHIP});
    EXPECT_EQ(kernel_.capabilities[0].args[0], 24u);
}

TEST_F(KvmApic, InUserSpaceAsksForNothing) {
    vm_config_.local_apics = ApicIn::UserSpace;
    ASSERT_EQ(text(boot()), "ok");
    for (const kvm_enable_cap& enabled : kernel_.capabilities)
        EXPECT_NE(enabled.cap, unsigned{KVM_CAP_SPLIT_IRQCHIP});
    for (const unsigned long request : {static_cast<unsigned long>(KVM_GET_MP_STATE), KVM_SET_MP_STATE,
                                        static_cast<unsigned long>(KVM_GET_LAPIC)})
        kernel_.errors[request] = EINVAL;
    EXPECT_TRUE(vcpu_->inject_exception(x86::Vector::UD));
    (void)run([](kvm_run& exit, uint8_t*) { return exit.exit_reason = KVM_EXIT_HLT, 0; });
    EXPECT_FALSE(*vcpu_->stands_halted());
    EXPECT_TRUE(vcpu_->capabilities().halts_exit && vcpu_->capabilities().local_apic_exits);
}

TEST_F(KvmApic, WhatKvmLacksIsNamed) {
    const std::pair<uintptr_t, const char*> needed[] = {{KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
                                                        {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
                                                        {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
                                                        {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"}};
    for (const auto& [capability, name] : needed) {
        kernel_.extensions = {{capability, 0}};
        vm_config_.local_apics = ApicIn::Kernel;
        EXPECT_EQ(text(boot()), std::string("Unsupported: this KVM lacks ") + name);
        vm_config_.local_apics = ApicIn::UserSpace;
        EXPECT_EQ(text(make_vm()), "ok");
    }
}

TEST_F(KvmApic, EveryRequestIsNamed) {
    kernel_.errors = {{KVM_SET_MP_STATE, EINVAL}};
    EXPECT_EQ(text(boot()), "Backend: KVM_SET_MP_STATE: Invalid argument (errno 22)");
    vcpu_.reset();
    kernel_.errors.clear();
    ASSERT_EQ(text(boot()), "ok");
    kernel_.errors = {{KVM_SIGNAL_MSI, ENOMEM}, {kSetGsiRouting, EINVAL}, {KVM_GET_MP_STATE, EIO}};
    EXPECT_EQ(text(vcpu_->inject_interrupt(0x30)),
              "Backend: KVM_SIGNAL_MSI: Cannot allocate memory (errno 12)");
    EXPECT_EQ(text(vm_->set_ioapic_routes({})), "Backend: KVM_SET_GSI_ROUTING: Invalid argument (errno 22)");
    EXPECT_EQ(describe(vcpu_->waits_for_others().error()),
              "Backend: KVM_GET_MP_STATE: Input/output error (errno 5)");
    EXPECT_EQ(text(vcpu_->set_entry(Gpa(0))), "Backend: KVM_GET_MP_STATE: Input/output error (errno 5)");
    kernel_.errors = {{KVM_GET_LAPIC, EIO}};
    kernel_.activity.mp_state = KVM_MP_STATE_HALTED;
    kernel_.regs.rflags = x86::rflags::IF;
    (void)run([](kvm_run&, uint8_t*) { return EINTR; });  // the registers are KVM's now
    EXPECT_EQ(describe(vcpu_->waits_for_others().error()),
              "Backend: KVM_GET_LAPIC: Input/output error (errno 5)");
}

TEST_F(KvmApic, OnlyTheKernelsTakesMessages) {
    vm_config_.local_apics = ApicIn::UserSpace;
    config_.wait_for_sipi = true;
    const std::string needs = " needs the local APICs in the kernel: VmConfig::local_apics";
    EXPECT_EQ(text(boot()), "Unsupported: a vCPU that waits for a start-up IPI" + needs);
    EXPECT_EQ(text(vm_->signal_msi(fixed_msi(0, 0x30))),
              "Unsupported: a message-signalled interrupt" + needs);
    EXPECT_EQ(text(vm_->set_ioapic_routes({})), "Unsupported: EOIs of an I/O APIC" + needs);
}

TEST_F(KvmApic, InterruptIsAMessageToTheVCpusId) {
    ASSERT_EQ(text(make_vm()), "ok");
    auto third = KvmVCpu::create(0, 3, {vm_.get()});
    ASSERT_TRUE(third && third->set_ept_root(ept_.root()) && third->setup(config_));
    EXPECT_EQ(text(third->inject_interrupt(0x31)), "ok");
    ASSERT_EQ(kernel_.messages.size(), 1u);
    EXPECT_EQ(kernel_.messages[0].address_lo, 0xfee03000u);
    EXPECT_EQ(kernel_.messages[0].address_hi, 0u);
    EXPECT_EQ(kernel_.messages[0].data, 0x31u);
    EXPECT_FALSE(third->has_waiting_events());
    EXPECT_EQ(text(third->inject_interrupt(15)), "InvalidInput: local APICs take vectors from 16 on, not 15");
    EXPECT_EQ(third->inject_interrupt(256).error(), VCpuError::of(VCpuErrc::InvalidInput, 256));
    EXPECT_EQ(third->inject_external_interrupt(256).error(), VCpuError::of(VCpuErrc::InvalidInput, 256));
    EXPECT_EQ(describe(KvmVCpu::create(0, 255, {vm_.get()}).error()),
              "Unsupported: no local APIC has the id 255: they are 0 to 254");
}

// 0 and -1 are both KVM's ways to say that nobody took it.
TEST_F(KvmApic, MessageThatIsNotTakenIsNoSuccess) {
    ASSERT_EQ(text(boot()), "ok");
    const char* why =
        "ResourceBusy: no local APIC took vector 48: there is none of this id, or the guest has "
        "it disabled";
    kernel_.answers = {{KVM_SIGNAL_MSI, 0}};
    EXPECT_EQ(text(vcpu_->inject_interrupt(0x30)), why);
    kernel_.answers.clear();
    kernel_.errors = {{KVM_SIGNAL_MSI, EPERM}};
    EXPECT_EQ(text(vcpu_->inject_interrupt(0x30)), why);
}

TEST_F(KvmApic, ExternalInterruptIsInjectedWhenItsWindowIsOpen) {
    ASSERT_EQ(text(boot()), "ok");
    (void)run(slice_over(kernel_));
    EXPECT_TRUE(vcpu_->can_take_interrupt());
    EXPECT_EQ(text(vcpu_->inject_external_interrupt(0x20)), "ok");
    EXPECT_TRUE(vcpu_->has_waiting_events());
    (void)run(slice_over(kernel_));
    EXPECT_EQ(kernel_.interrupts, std::vector<uint32_t>{0x20});
    EXPECT_TRUE(kernel_.messages.empty());
}

TEST_F(KvmApic, RoutesAreMessagesByPin) {
    ASSERT_EQ(text(make_vm()), "ok");
    EXPECT_EQ(text(vm_->set_ioapic_routes({{4, {0xfee01000, 0x8031}}, {23, {0x1fee00000, 0x32}}})), "ok");
    ASSERT_EQ(kernel_.routes.size(), 2u);
    EXPECT_EQ(kernel_.routes[0].gsi, 4u);
    EXPECT_EQ(kernel_.routes[0].type, unsigned{KVM_IRQ_ROUTING_MSI});
    EXPECT_EQ(kernel_.routes[0].u.msi.address_lo, 0xfee01000u);
    EXPECT_EQ(kernel_.routes[0].u.msi.data, 0x8031u);
    EXPECT_EQ(kernel_.routes[1].gsi, 23u);
    EXPECT_EQ(kernel_.routes[1].u.msi.address_hi, 1u);
    EXPECT_EQ(text(vm_->set_ioapic_routes({{24, {}}})),
              "InvalidInput: the I/O APIC has no pin 24: VmConfig::ioapic_pins");
}

TEST_F(KvmApic, EoiGoesToTheHookAndElseIsUnhandled) {
    const auto eoi = [](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_IOAPIC_EOI;
        exit.eoi.vector = 0x31;
        return 0;
    };
    int seen = 0;
    config_.eoi_hook = {[](void* context, uint8_t vector) { *static_cast<int*>(context) = vector; }, &seen};
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_EQ(run(eoi), VmExit(VmExit::Nothing{}));
    EXPECT_EQ(seen, 0x31);
    vcpu_.reset();
    config_.eoi_hook = {};
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_EQ(run(eoi), VmExit(VmExit::Unhandled{uint64_t{1} << 63 | KVM_EXIT_IOAPIC_EOI, 0}));
}

TEST_F(KvmApic, CpuidHasTheFeaturesOfTheKernelsApic) {
    EXPECT_EQ(features(), X2APIC | TSC_DEADLINE | HYPERVISOR);
    kernel_.extensions = {{KVM_CAP_TSC_DEADLINE_TIMER, 0}};
    EXPECT_EQ(features(), X2APIC | HYPERVISOR);
    vm_config_.local_apics = ApicIn::UserSpace;
    EXPECT_EQ(features(), HYPERVISOR);
    vm_config_.local_apics = ApicIn::Kernel;
    ASSERT_EQ(text(make_vm()), "ok");
    kernel_.errors = {{KVM_CHECK_EXTENSION, EIO}};
    EXPECT_EQ(describe(vm_->supported_cpuid().error()),
              "Backend: KVM_CHECK_EXTENSION: Input/output error (errno 5)");
}

TEST_F(KvmApic, WaitingForSipiIsTheActivity) {
    config_.wait_for_sipi = true;
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_EQ(kernel_.activity.mp_state, unsigned{KVM_MP_STATE_UNINITIALIZED});
    int entries = 0;
    // Woken by INIT and SIPI, KVM_RUN wants to be called again.
    EXPECT_EQ(run([&entries](kvm_run& exit, uint8_t*) {
                  if (++entries < 3) return EAGAIN;
                  return exit.exit_reason = KVM_EXIT_HLT, 0;
              }),
              VmExit(VmExit::Halt{}));
    EXPECT_EQ(entries, 3);
}

TEST_F(KvmApic, ExceptionAndEntryWakeAHalt) {
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_EQ(kernel_.activity.mp_state, unsigned{KVM_MP_STATE_RUNNABLE});
    (void)run(slice_over(kernel_));
    EXPECT_TRUE(*vcpu_->stands_halted());
    EXPECT_TRUE(vcpu_->inject_exception(x86::Vector::UD));
    uint32_t activity = ~0u;
    (void)run([&](kvm_run&, uint8_t*) { return activity = kernel_.activity.mp_state, EINTR; });
    EXPECT_EQ(activity, unsigned{KVM_MP_STATE_RUNNABLE});
    (void)run(slice_over(kernel_));
    EXPECT_EQ(text(vcpu_->set_entry(Gpa(0x100))), "ok");
    EXPECT_FALSE(*vcpu_->stands_halted());
}

TEST_F(KvmApic, HaltIsForEverUnlessItsApicInterrupts) {
    constexpr uint32_t kMasked = 1 << 16, kPeriodic = 1 << 17, kDeadline = 2 << 17;
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_FALSE(waits()) << "it runs";
    kernel_.regs.rflags = x86::rflags::kFixed1 | x86::rflags::IF;
    (void)run(slice_over(kernel_));
    EXPECT_TRUE(waits()) << "the APIC is disabled";
    set_register(reg::SVR, 0x1ff);
    set_register(reg::LVT_TIMER, kMasked | kPeriodic);
    set_register(reg::CURRENT_COUNT, 5);
    EXPECT_TRUE(waits()) << "the timer is masked";
    set_register(reg::LVT_TIMER, 0x30);
    EXPECT_FALSE(waits());
    set_register(reg::CURRENT_COUNT, 0);
    EXPECT_TRUE(waits()) << "the timer is over";
    for (const uint32_t mode : {kPeriodic, kDeadline}) {
        set_register(reg::LVT_TIMER, mode | 0x30);
        EXPECT_FALSE(waits());
    }
    set_register(reg::LVT_TIMER, kMasked);
    set_register(reg::IRR + 0x70, 1);
    EXPECT_FALSE(waits()) << "an interrupt waits";
    kernel_.regs.rflags = x86::rflags::kFixed1;
    (void)run(slice_over(kernel_));
    EXPECT_TRUE(waits()) << "IF is 0";
}

TEST_F(KvmApic, DeviceAtItsPageIsRefused) {
    const char* why =
        "Unsupported: the local APICs in the kernel are at guest-physical page 0xfee00000: no "
        "device can be there";
    for (const vmx::MmioRange& range :
         {vmx::MmioRange{Gpa(0xfee00000), 1}, {Gpa(0xfee00fff), 0x1000}, {Gpa(0xc0000000), 0x40000000}}) {
        config_.mmio = {range};
        EXPECT_EQ(text(boot()), why);
        vcpu_.reset();
    }
    config_.mmio = {{Gpa(0xfed00000), 0x100000}, {Gpa(0xfee01000), 0x1000}};
    EXPECT_EQ(text(boot()), "ok");
}

TEST_F(KvmApic, ItsMsrsDoNotExit) {
    for (const ApicIn where : {ApicIn::Kernel, ApicIn::UserSpace}) {
        vm_config_.local_apics = where;
        EXPECT_EQ(text(make_vm()), "ok");
        for (const uint32_t access : {KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE})
            for (const uint32_t msr : {0x1b, 0x6e0})
                EXPECT_EQ(kernel_.passes(access, msr), where == ApicIn::Kernel) << msr;
    }
    vm_config_.local_apics = ApicIn::Kernel;
    while (vm_config_.passed_msrs.push_back({x86::Msr::IA32_PAT})) continue;
    EXPECT_EQ(text(make_vm()),
              "InvalidInput: VmConfig::passed_msrs has no room for those of the local APICs in the kernel");
}

}  // namespace
}  // namespace vtless::kvm
