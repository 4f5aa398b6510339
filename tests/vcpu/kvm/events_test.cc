// SPDX-License-Identifier: MIT
#include <cerrno>
#include <cstring>

#include "tests/vcpu/kvm/fake_guest.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

class KvmEvents : public FakeGuest {
  protected:
    void SetUp() override { ASSERT_EQ(text(boot()), "ok"); }

    // An exit by HLT that leaves the guest able, or not, to take an interrupt.
    static FakeKernel::Run halt(bool ready) {
        return [ready](kvm_run& exit, uint8_t*) {
            exit.exit_reason = KVM_EXIT_HLT;
            exit.ready_for_interrupt_injection = ready;
            return 0;
        };
    }
    static FakeKernel::Run port_read() {
        return [](kvm_run& exit, uint8_t*) {
            exit.exit_reason = KVM_EXIT_IO;
            exit.io.direction = KVM_EXIT_IO_IN;
            exit.io.size = 1;
            exit.io.port = 0x60;
            exit.io.count = 1;
            exit.io.data_offset = FakeKernel::kPioOffset;
            return 0;
        };
    }
};

TEST_F(KvmEvents, WindowIsAskedForWhileAnInterruptWaits) {
    bool asked = false;
    const auto look = [&asked](kvm_run& exit, uint8_t*) {
        asked = exit.request_interrupt_window != 0;
        exit.exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
        exit.ready_for_interrupt_injection = 1;
        return 0;
    };
    (void)run(halt(false));
    EXPECT_TRUE(vcpu_->inject_interrupt(0x30));
    EXPECT_EQ(run(look), VmExit(VmExit::Nothing{}));
    EXPECT_TRUE(asked);
    EXPECT_TRUE(kernel_.interrupts.empty());
    (void)run(look);
    EXPECT_FALSE(asked);
    EXPECT_EQ(kernel_.interrupts, std::vector<uint32_t>{0x30});
}

TEST_F(KvmEvents, HighestVectorGoesFirstAndTheOtherKeepsTheWindow) {
    bool asked = false;
    (void)run(halt(true));
    EXPECT_TRUE(vcpu_->inject_interrupt(0x20));
    EXPECT_TRUE(vcpu_->inject_interrupt(0xf0));
    EXPECT_TRUE(vcpu_->inject_interrupt(0x20));  // waits once
    EXPECT_FALSE(vcpu_->can_take_interrupt());
    (void)run([&asked](kvm_run& exit, uint8_t*) {
        asked = exit.request_interrupt_window != 0;
        exit.exit_reason = KVM_EXIT_HLT;
        exit.ready_for_interrupt_injection = 1;
        return 0;
    });
    EXPECT_TRUE(asked);
    (void)run(halt(true));
    (void)run(halt(true));
    EXPECT_EQ(kernel_.interrupts, (std::vector<uint32_t>{0xf0, 0x20}));
}

TEST_F(KvmEvents, ExceptionGoesBeforeAnInterrupt) {
    (void)run(halt(true));
    EXPECT_TRUE(vcpu_->inject_interrupt(0x20));
    EXPECT_TRUE(vcpu_->inject_page_fault(Gva(0x123456), 6));
    (void)run(halt(true));
    EXPECT_TRUE(kernel_.interrupts.empty());
    EXPECT_EQ(kernel_.events.exception.injected, 1);
    EXPECT_EQ(kernel_.events.exception.nr, 14);
    EXPECT_EQ(kernel_.events.exception.has_error_code, 1);
    EXPECT_EQ(kernel_.events.exception.error_code, 6u);
    EXPECT_EQ(kernel_.sregs.cr2, 0x123456u);
    kernel_.events = {};
    (void)run(halt(true));
    EXPECT_EQ(kernel_.interrupts, std::vector<uint32_t>{0x20});
}

TEST_F(KvmEvents, ExceptionWithoutAnErrorCodeHasNone) {
    (void)run(halt(true));
    EXPECT_TRUE(vcpu_->inject_exception(x86::Vector::UD, 5));
    (void)run(halt(true));
    EXPECT_EQ(kernel_.events.exception.nr, 6);
    EXPECT_EQ(kernel_.events.exception.has_error_code, 0);
}

TEST_F(KvmEvents, OpenWindowIsNothingWithoutAnEntry) {
    (void)run(halt(true));
    EXPECT_TRUE(vcpu_->can_take_interrupt());
    EXPECT_TRUE(vcpu_->request_interrupt_window());
    EXPECT_EQ(rest(), VmExit(VmExit::Nothing{}));
    EXPECT_TRUE(vcpu_->cancel_interrupt_window());
    EXPECT_EQ(run(halt(true)), VmExit(VmExit::Halt{}));
}

// The instruction that waits is finished first: it may have closed the window, or have opened it.
TEST_F(KvmEvents, InterruptIsInjectedAfterTheInstructionThatIsInFlight) {
    (void)run(port_read());
    EXPECT_FALSE(vcpu_->can_take_interrupt());
    ASSERT_TRUE(vcpu_->complete_io_read(0));
    kernel_.finish = [](kvm_run& exit, uint8_t*) { return exit.ready_for_interrupt_injection = 1, EINTR; };
    EXPECT_TRUE(vcpu_->can_take_interrupt());
    EXPECT_TRUE(vcpu_->inject_interrupt(0x20));
    (void)run(halt(false));
    EXPECT_EQ(kernel_.interrupts, std::vector<uint32_t>{0x20});
}

TEST_F(KvmEvents, ExitThatFinishingAnInstructionBringsIsTheNextOne) {
    EXPECT_EQ(run(port_read()), VmExit(VmExit::IoRead{0x60, Byte}));
    ASSERT_TRUE(vcpu_->complete_io_read(0x11));
    kernel_.finish = port_read();
    EXPECT_TRUE(vcpu_->inject_interrupt(0x20));
    EXPECT_TRUE(vcpu_->get_gpr(0));
    EXPECT_EQ(rest(), VmExit(VmExit::IoRead{0x60, Byte}));
    EXPECT_TRUE(kernel_.interrupts.empty());
    EXPECT_TRUE(vcpu_->complete_io_read(0x22));
}

TEST_F(KvmEvents, RequestDuringAnExitEndsTheNextRun) {
    EXPECT_EQ(run([this](kvm_run& exit, uint8_t*) {
                  vcpu_->request_exit();
                  return exit.exit_reason = KVM_EXIT_HLT, 0;
              }),
              VmExit(VmExit::Halt{}));
    EXPECT_EQ(rest(), VmExit(VmExit::ExternalInterrupt{0xff}));
    EXPECT_EQ(run(halt(true)), VmExit(VmExit::Halt{}));
}

TEST_F(KvmEvents, RequestSurvivesTheFinishingOfAnInstruction) {
    (void)run(port_read());
    ASSERT_TRUE(vcpu_->complete_io_read(0));
    vcpu_->request_exit();
    EXPECT_TRUE(vcpu_->get_gpr(0));
    EXPECT_EQ(rest(), VmExit(VmExit::ExternalInterrupt{0xff}));
    EXPECT_EQ(run(halt(true)), VmExit(VmExit::Halt{}));
}

}  // namespace
}  // namespace vtless::kvm
