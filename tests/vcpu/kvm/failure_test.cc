// SPDX-License-Identifier: MIT
#include "vcpu/kvm/failure.h"

#include <cerrno>

#include "tests/vcpu/kvm/fake_guest.h"
#include "vcpu/kvm/flexible.h"

namespace vtless::kvm {
namespace {

class KvmFailures : public FakeGuest {
  protected:
    // Each failure leaves nothing open.
    void TearDown() override {
        vcpu_.reset();
        vm_.reset();
        EXPECT_EQ(kernel_.open_files, 0);
        EXPECT_EQ(kernel_.mappings, 0);
    }
};

struct Request {
    unsigned long number;
    const char* name;
};

// Every system call on the way to a bound vCPU fails once: the error says which, and why.
TEST_F(KvmFailures, EveryRequestOfTheSetUpIsNamed) {
    const Request requests[] = {
        {KVM_GET_API_VERSION, "KVM_GET_API_VERSION"},
        {KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"},
        {KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"},
        {KVM_CREATE_VM, "KVM_CREATE_VM"},
        {KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR"},
        {KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"},
        {KVM_ENABLE_CAP, "KVM_ENABLE_CAP"},
        {KVM_X86_SET_MSR_FILTER, "KVM_X86_SET_MSR_FILTER"},
        {KVM_CREATE_VCPU, "KVM_CREATE_VCPU"},
        {KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION"},
        {kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID"},
        {kSetCpuid2, "KVM_SET_CPUID2"},
        {KVM_SET_XCRS, "KVM_SET_XCRS"},
        {KVM_GET_REGS, "KVM_GET_REGS"},
        {KVM_GET_SREGS, "KVM_GET_SREGS"},
        {KVM_SET_REGS, "KVM_SET_REGS"},
        {KVM_SET_SREGS, "KVM_SET_SREGS"},
        {kSetMsrs, "KVM_SET_MSRS"},
        {KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS"},
        {KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS"},
    };
    config_.xcr0 = 1;
    for (const Request& request : requests) {
        vcpu_.reset();
        kernel_.errors = {{request.number, EPERM}};
        EXPECT_EQ(text(boot()),
                  std::string("Backend: ") + request.name + ": Operation not permitted (errno 1)");
    }
    vcpu_.reset();
    kernel_.errors.clear();
    EXPECT_EQ(text(boot()), "ok");
}

TEST_F(KvmFailures, EveryRequestOfARunIsNamed) {
    const Request requests[] = {
        {KVM_RUN, "KVM_RUN"},
        {KVM_INTERRUPT, "KVM_INTERRUPT"},
        {KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS"},
        {KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS"},
    };
    for (const Request& request : requests) {
        vcpu_.reset();
        kernel_.errors.clear();
        kernel_.events = {};
        ASSERT_EQ(text(boot()), "ok");
        (void)run([](kvm_run& exit, uint8_t*) {
            exit.exit_reason = KVM_EXIT_HLT;
            exit.ready_for_interrupt_injection = 1;
            return 0;
        });
        if (request.number == KVM_INTERRUPT) {
            EXPECT_TRUE(vcpu_->inject_interrupt(0x20));
        } else {
            EXPECT_TRUE(vcpu_->inject_exception(x86::Vector::UD));
        }
        kernel_.errors = {{request.number, EFAULT}};
        const auto exit = vcpu_->run();
        ASSERT_FALSE(exit);
        EXPECT_EQ(describe(exit.error()),
                  std::string("Backend: ") + request.name + ": Bad address (errno 14)");
    }
    kernel_.errors = {{KVM_NMI, EINVAL}};
    EXPECT_EQ(text(vcpu_->inject_nmi()), "Backend: KVM_NMI: Invalid argument (errno 22)");
}

TEST_F(KvmFailures, OfTheDeviceAreNamed) {
    kernel_.open_error = ENOENT;
    EXPECT_EQ(text(boot()), "Unsupported: open of the KVM device: No such file or directory (errno 2)");
    kernel_.open_error = EACCES;
    EXPECT_EQ(text(boot()), "Unsupported: open of the KVM device: Permission denied (errno 13)");
    kernel_.open_error.reset();
    kernel_.map_error = ENOMEM;
    EXPECT_EQ(text(boot()), "Backend: mmap of the vCPU: Cannot allocate memory (errno 12)");
}

TEST_F(KvmFailures, OfAnOldKvmAreNamed) {
    kernel_.answers = {{KVM_GET_API_VERSION, 11}};
    EXPECT_EQ(text(boot()), "Unsupported: KVM_GET_API_VERSION: 11, not 12");
    kernel_.answers = {{KVM_GET_VCPU_MMAP_SIZE, 16}};
    EXPECT_EQ(text(boot()), "Unsupported: KVM_GET_VCPU_MMAP_SIZE: 16 bytes hold no kvm_run");
    kernel_.answers.clear();
    const std::pair<uintptr_t, const char*> needed[] = {
        {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
        {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
        {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
        {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
        {KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI"},
        {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
        {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
        {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
        {KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR"},
        {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER"}};
    for (const auto& [capability, name] : needed) {
        kernel_.extensions = {{capability, 0}};
        EXPECT_EQ(text(boot()), std::string("Unsupported: this KVM lacks ") + name);
    }
    kernel_.extensions = {{KVM_CAP_EXIT_HYPERCALL, 0}};  // not needed
    EXPECT_EQ(text(boot()), "ok");
}

TEST_F(KvmFailures, OfBadInputAreNamed) {
    EXPECT_EQ(KvmVCpu::create(0, 0, {}).error(), VCpuError::of(VCpuErrc::InvalidInput));
    ASSERT_EQ(text(boot()), "ok");
    EXPECT_EQ(vcpu_->set_ept_root(Hpa(0x1008)).error(), VCpuError::of(VCpuErrc::InvalidInput, 8));
    EXPECT_EQ(vcpu_->inject_interrupt(256).error(), VCpuError::of(VCpuErrc::InvalidInput, 256));
    EXPECT_EQ(vcpu_->set_gpr(16, 0).error(), VCpuError::of(VCpuErrc::InvalidInput, 16));
    EXPECT_EQ(vcpu_->get_gpr(99).error(), VCpuError::of(VCpuErrc::InvalidInput, 99));
    EXPECT_EQ(text(vcpu_->complete_mmio_read(0)), "InvalidInput: no exit waits for this completion");
    EXPECT_EQ(text(vcpu_->complete_sysreg_read(0)), "InvalidInput: no exit waits for this completion");
    config_.entry_state = vmx::GuestEntryState::reset();
    EXPECT_EQ(text(vcpu_->setup(config_)), "InvalidInput: the entry lies below the base of CS");
    kernel_.answers = {{kSetMsrs, 0}};
    config_.entry_state = vmx::GuestEntryState::real_mode();
    EXPECT_EQ(text(vcpu_->setup(config_)), "InvalidInput: KVM_SET_MSRS refused MSR 0x277");
}

TEST_F(KvmFailures, MsrThatKvmCannotFilterIsNamed) {
    VmConfig config;
    config.kernel = &kernel_;
    config.passed_msrs.clear();
    config.passed_msrs.push_back({static_cast<x86::Msr>(0x40000000)});
    const auto vm = Vm::create(config);
    ASSERT_FALSE(vm);
    EXPECT_EQ(describe(vm.error()), "InvalidInput: KVM cannot filter MSR 0x40000000");
}

TEST(KvmFailure, DetailsSurviveEncoding) {
    const auto layout = FailureDetail::decode(
        refuse_layout(LayoutRefusal::TooManySlots, Gpa(0xffffffffff000)).error().detail);
    EXPECT_EQ(layout.refusal, LayoutRefusal::TooManySlots);
    EXPECT_EQ(layout.page, Gpa(0xffffffffff000));
    const auto ioctl =
        FailureDetail::decode(fail_with(VCpuErrc::Backend, Failure::Ioctl, 0xffffffff, 133).error().detail);
    EXPECT_EQ(ioctl.value, 0xffffffffu);
    EXPECT_EQ(ioctl.error, 133);
    EXPECT_EQ(describe(VCpuError::bad_state(VCpuState::Free, VCpuState::Ready, VCpuState::Created)),
              "BadState: from Free to Ready, but actual Created");
}

}  // namespace
}  // namespace vtless::kvm
