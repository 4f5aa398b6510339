// SPDX-License-Identifier: MIT
#include "vcpu/kvm/exits.h"

#include <cstring>

#include "isa/x86/exit_reason.h"
#include "tests/vcpu/kvm/fake_guest.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

FakeKernel::Run mmio(uint64_t address, uint32_t length, bool write, uint64_t data = 0) {
    return [=](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_MMIO;
        exit.mmio.phys_addr = address;
        exit.mmio.len = length;
        exit.mmio.is_write = write;
        std::memcpy(exit.mmio.data, &data, sizeof data);
        return 0;
    };
}

FakeKernel::Run port(uint8_t direction, uint16_t number, uint8_t size, const std::vector<uint32_t>& data) {
    return [=](kvm_run& exit, uint8_t* shared) {
        exit.exit_reason = KVM_EXIT_IO;
        exit.io.direction = direction;
        exit.io.size = size;
        exit.io.port = number;
        exit.io.count = static_cast<uint32_t>(data.size());
        exit.io.data_offset = FakeKernel::kPioOffset;
        for (size_t i = 0; i < data.size(); ++i)
            std::memcpy(shared + FakeKernel::kPioOffset + i * size, &data[i], size);
        return 0;
    };
}

FakeKernel::Run plain(uint32_t reason) {
    return [=](kvm_run& exit, uint8_t*) { return exit.exit_reason = reason, 0; };
}

class KvmExits : public FakeGuest {
  protected:
    void SetUp() override { ASSERT_EQ(text(boot()), "ok"); }
};

TEST_F(KvmExits, ElementsOfAStringAreOneExitEach) {
    EXPECT_EQ(run(port(KVM_EXIT_IO_OUT, 0x80, 2, {0x1111, 0x2222, 0x3333})),
              VmExit(VmExit::IoWrite{0x80, Word, 0x1111}));
    EXPECT_EQ(rest(), VmExit(VmExit::IoWrite{0x80, Word, 0x2222}));
    EXPECT_EQ(rest(), VmExit(VmExit::IoWrite{0x80, Word, 0x3333}));
    EXPECT_EQ(run(plain(KVM_EXIT_HLT)), VmExit(VmExit::Halt{}));
}

TEST_F(KvmExits, EachElementOfAStringReadIsAnswered) {
    uint64_t read = 0;
    EXPECT_EQ(run(port(KVM_EXIT_IO_IN, 0x80, 4, {0, 0})), VmExit(VmExit::IoRead{0x80, Dword}));
    EXPECT_TRUE(vcpu_->complete_io_read(0x1aaaaaaaa));
    EXPECT_EQ(text(vcpu_->complete_io_read(0)), "InvalidInput: no exit waits for this completion");
    EXPECT_EQ(rest(), VmExit(VmExit::IoRead{0x80, Dword}));
    EXPECT_TRUE(vcpu_->complete_io_read(0xbbbbbbbb));
    (void)run([&read](kvm_run& exit, uint8_t* shared) {
        std::memcpy(&read, shared + FakeKernel::kPioOffset, sizeof read);
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    });
    EXPECT_EQ(read, 0xbbbbbbbbaaaaaaaau);
}

TEST_F(KvmExits, OddWidthsAreTakenApart) {
    EXPECT_EQ(run(mmio(kDevice + 1, 7, true, 0x77665544332211)),
              VmExit(VmExit::MmioWrite{Gpa(kDevice + 1), Dword, 0x44332211}));
    EXPECT_EQ(rest(), VmExit(VmExit::MmioWrite{Gpa(kDevice + 5), Word, 0x6655}));
    EXPECT_EQ(rest(), VmExit(VmExit::MmioWrite{Gpa(kDevice + 7), Byte, 0x77}));

    EXPECT_EQ(run(mmio(kDevice, 3, false)), VmExit(VmExit::MmioRead{Gpa(kDevice), Word, Word, false, 0}));
    EXPECT_TRUE(vcpu_->complete_mmio_read(0xffff2211));
    EXPECT_EQ(rest(), VmExit(VmExit::MmioRead{Gpa(kDevice + 2), Byte, Byte, false, 0}));
    EXPECT_TRUE(vcpu_->complete_mmio_read(0x33));
    uint64_t read = 0;
    (void)run([&read](kvm_run& exit, uint8_t*) {
        std::memcpy(&read, exit.mmio.data, 3);
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    });
    EXPECT_EQ(read, 0x332211u);
}

TEST_F(KvmExits, AccessThatLeavesTheDeviceIsANestedPageFault) {
    EXPECT_EQ(run(mmio(kDevice + 0xffe, 4, true)),
              VmExit(VmExit::NestedPageFault{Gpa(kDevice + 0xffe), {false, true, false}}));
}

TEST_F(KvmExits, HypercallsAreCompletedWithTheirResult) {
    const auto call = [](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_HYPERCALL;
        exit.hypercall.nr = 12;
        for (uint64_t i = 0; i < 6; ++i) exit.hypercall.args[i] = i + 1;
        return 0;
    };
    EXPECT_EQ(run(call), VmExit(VmExit::Hypercall{12, {1, 2, 3, 4, 5, 6}}));
    vcpu_->set_return_value(77);
    uint64_t result = 0;
    (void)run([&result](kvm_run& exit, uint8_t*) {
        result = exit.hypercall.ret;
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    });
    EXPECT_EQ(result, 77u);
}

TEST_F(KvmExits, AccessesToMsrsCarryTheirError) {
    const auto wrmsr = [](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_X86_WRMSR;
        exit.msr.index = 0x1a0;
        exit.msr.data = 5;
        exit.msr.error = 0xee;
        return 0;
    };
    uint8_t error = 0;
    const auto look = [&error](kvm_run& exit, uint8_t*) {
        error = exit.msr.error;
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    };
    EXPECT_EQ(run(wrmsr), VmExit(VmExit::SysRegWrite{0x1a0, 5}));
    (void)run(look);
    EXPECT_EQ(error, 0);  // nobody objected
    EXPECT_EQ(run(wrmsr), VmExit(VmExit::SysRegWrite{0x1a0, 5}));
    EXPECT_TRUE(vcpu_->fail_sysreg_access());
    (void)run(look);
    EXPECT_EQ(error, 1);
    EXPECT_FALSE(vcpu_->fail_sysreg_access());
    EXPECT_EQ(run(wrmsr), VmExit(VmExit::SysRegWrite{0x1a0, 5}));
    EXPECT_TRUE(vcpu_->read_state());  // looking changes nothing
    EXPECT_TRUE(vcpu_->fail_sysreg_access());
    (void)run(look);
    EXPECT_EQ(error, 1);
}

// A recorder looks before the embedder has answered: finishing the instruction would be the answer.
TEST_F(KvmExits, RegistersAtAnExitAreReadWithoutFinishingTheInstruction) {
    kernel_.finish = [](kvm_run&, uint8_t*) -> int { return ADD_FAILURE() << "KVM_RUN", EFAULT; };
    const auto wrmsr = [this](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_X86_WRMSR;
        kernel_.regs.rip = 0x1234;
        return 0;
    };
    (void)run(wrmsr);
    const auto seen = vcpu_->read_exit_state();
    ASSERT_TRUE(seen);
    EXPECT_TRUE(seen->before);
    EXPECT_EQ(seen->state.rip, 0x1234u);
    EXPECT_TRUE(vcpu_->fail_sysreg_access());
    uint8_t error = 0;
    (void)run([&error](kvm_run& exit, uint8_t*) {
        error = exit.msr.error;
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    });
    EXPECT_EQ(error, 1);
    EXPECT_FALSE(vcpu_->read_exit_state()->before) << "HLT is finished";
    kernel_.errors[KVM_GET_REGS] = EIO;
    (void)run(wrmsr);
    EXPECT_FALSE(vcpu_->read_exit_state());
}

// KVM takes CPUID's APIC bit from IA32_APIC_BASE, not from the table.
TEST_F(KvmExits, AnApicThatCpuidDoesNotShowIsDisabled) {
    constexpr uint64_t kEnabled = 0xfee00900, kDisabled = 0xfee00100;
    for (const bool shown : {false, true}) {
        kernel_.sregs.apic_base = kEnabled;
        config_.cpuid = {{1, 0, false, {0, 0, 0, shown ? x86::cpuid::leaf1_edx::APIC : 0}}};
        vcpu_.reset();
        ASSERT_EQ(text(boot()), "ok");
        EXPECT_EQ(kernel_.sregs.apic_base, shown ? kEnabled : kDisabled);
    }
}

TEST_F(KvmExits, Cr8ThatIsWrittenIsWhereKvmRunTakesIt) {
    auto state = vcpu_->read_state();
    ASSERT_TRUE(state);
    state->cr8 = 9;
    ASSERT_TRUE(vcpu_->write_state(*state));
    uint64_t loaded = 0;
    (void)run([&loaded](kvm_run& exit, uint8_t*) {
        loaded = exit.cr8;
        return exit.exit_reason = KVM_EXIT_HLT, 0;
    });
    EXPECT_EQ(loaded, 9u);
}

TEST_F(KvmExits, FailedEntryHasItsReasonAndAnExplanation) {
    const VmExit exit = run([](kvm_run& shared, uint8_t*) {
        shared.exit_reason = KVM_EXIT_FAIL_ENTRY;
        shared.fail_entry.hardware_entry_failure_reason = 0x80000021;
        return 0;
    });
    const auto* fail = exit.get_if<VmExit::FailEntry>();
    ASSERT_NE(fail, nullptr);
    EXPECT_EQ(fail->hardware_entry_failure_reason, 0x80000021u);
    ASSERT_NE(fail->explanation, nullptr);
    EXPECT_STREQ(fail->explanation->id, "kvm.fail_entry");
    EXPECT_EQ(fail->explanation->value, 0x80000021u);
}

TEST_F(KvmExits, InternalErrorsAreFailedEntriesWithAnExplanation) {
    const std::pair<uint32_t, const char*> errors[] = {
        {KVM_INTERNAL_ERROR_EMULATION, "kvm.internal_error.emulation"},
        {KVM_INTERNAL_ERROR_SIMUL_EX, "kvm.internal_error.simultaneous_exceptions"},
        {KVM_INTERNAL_ERROR_DELIVERY_EV, "kvm.internal_error.delivery"},
        {KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "kvm.internal_error.unexpected_exit"},
        {99, "kvm.internal_error.unknown"}};
    for (const auto& [suberror, id] : errors) {
        vcpu_.reset();
        ASSERT_EQ(text(boot()), "ok");
        const VmExit exit = run([suberror = suberror](kvm_run& shared, uint8_t*) {
            shared.exit_reason = KVM_EXIT_INTERNAL_ERROR;
            shared.internal.suberror = suberror;
            return 0;
        });
        const auto* fail = exit.get_if<VmExit::FailEntry>();
        ASSERT_NE(fail, nullptr);
        EXPECT_EQ(fail->hardware_entry_failure_reason, kInternalError | suberror);
        EXPECT_STREQ(fail->explanation->id, id);
        KvmVCpu moved(std::move(*vcpu_));
        EXPECT_STREQ(fail->explanation->id, id);  // the explanation does not move
        vcpu_.reset();
    }
}

TEST_F(KvmExits, WhatIsNotUnderstoodIsUnhandledAndTheEnd) {
    EXPECT_EQ(run(plain(KVM_EXIT_NOTIFY)), VmExit(VmExit::Unhandled{kInternalError | KVM_EXIT_NOTIFY, 0}));
    const auto again = vcpu_->run();
    ASSERT_FALSE(again);
    EXPECT_EQ(describe(again.error()), "Backend: KVM cannot resume the guest after Unhandled");
}

TEST_F(KvmExits, PortExitsThatPointOutsideSharedMemoryAreUnhandled) {
    const auto bad = [](kvm_run& exit, uint8_t*) {
        exit.exit_reason = KVM_EXIT_IO;
        exit.io.direction = KVM_EXIT_IO_OUT;
        exit.io.size = 4;
        exit.io.count = 0x40000000;
        exit.io.data_offset = FakeKernel::kPioOffset;
        return 0;
    };
    EXPECT_EQ(run(bad).kind(), ExitKind::Unhandled);
}

TEST_F(KvmExits, SignalThatNobodySentIsAnExternalInterrupt) {
    EXPECT_EQ(run([](kvm_run&, uint8_t*) { return EINTR; }), VmExit(VmExit::ExternalInterrupt{0xff}));
}

}  // namespace
}  // namespace vtless::kvm
