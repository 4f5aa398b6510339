// SPDX-License-Identifier: MIT
#include <csignal>
#include <thread>

#include "tests/vcpu/kvm/test_guest.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

TEST_F(KvmGuest, InterruptWaitsUntilTheGuestTakesIt) {
    install_handler(0x20);
    boot(real_mode(), {
                          0xe6,
                          0x80,  // out 0x80, al
                          0xfb,  // sti
                          0x90,  // nop: the shadow
                          0xe6,
                          0x81,  // out 0x81, al
                          0xf4,
                      });
    ASSERT_TRUE(vcpu_->inject_interrupt(0x20));
    EXPECT_TRUE(arch().has_waiting_events());
    EXPECT_FALSE(arch().can_take_interrupt());
    expect_out(0x80, Byte, 0);
    expect_handler_between(0x20, VmExit::IoWrite{0x81, Byte, 0});
    EXPECT_FALSE(arch().has_waiting_events());
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, HighestOfTwoInterruptsIsFirst) {
    install_handler(0x20);
    install_handler(0x30);
    auto state = real_mode();
    state.rflags |= x86::rflags::IF;
    boot(state, {0x90, 0xe6, 0x81, 0xf4});  // nop; out 0x81, al; hlt
    ASSERT_TRUE(vcpu_->inject_interrupt(0x20));
    ASSERT_TRUE(vcpu_->inject_interrupt(0x30));
    expect_out(0x70, Byte, 0x30);
    expect_handler_between(0x20, VmExit::IoWrite{0x81, Byte, 0});
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, InterruptWakesAHaltedGuest) {
    install_handler(0x21);
    boot(real_mode(), {0xfb, 0xf4, 0xe6, 0x81, 0xf4});  // sti; hlt; out 0x81, al; hlt
    expect(VmExit::Halt{});
    EXPECT_TRUE(arch().can_take_interrupt());
    ASSERT_TRUE(vcpu_->inject_interrupt(0x21));
    expect_out(0x70, Byte, 0x21);
    expect_out(0x81, Byte, 0);
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, RequestedWindowIsNothingUntilCancelled) {
    boot(real_mode(), {
                          0xe6, 0x80,  // out 0x80, al
                          0xfb,        // sti
                          0x90,        // nop
                          0x90,        // nop
                          0xe6, 0x81,  // out 0x81, al
                          0xeb, 0xfc,  // jmp to the last
                      });
    expect_out(0x80, Byte, 0);
    ASSERT_TRUE(arch().request_interrupt_window());
    if (!arch().capabilities().interrupt_windows) expect_out(0x81, Byte, 0);
    expect(VmExit::Nothing{});
    expect(VmExit::Nothing{});
    EXPECT_TRUE(arch().can_take_interrupt());
    ASSERT_TRUE(arch().cancel_interrupt_window());
    expect_out(0x81, Byte, 0);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmGuest, ExceptionComesBeforeTheNextInstruction) {
    install_handler(6);
    boot(real_mode(), {0xf4, 0xe6, 0x81});
    expect(VmExit::Halt{});
    ASSERT_TRUE(arch().inject_exception(x86::Vector::UD));
    expect_out(0x70, Byte, 6);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmGuest, NmiIsDelivered) {
    install_handler(2);
    boot(real_mode(), {0xf4, 0xe6, 0x81});
    expect(VmExit::Halt{});
    ASSERT_TRUE(arch().inject_nmi());
    expect_out(0x70, Byte, 2);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmGuest, VectorsBeyond255AreRefused) {
    EXPECT_FALSE(arch().inject_interrupt(256));
    EXPECT_FALSE(arch().set_gpr(16, 0));
    EXPECT_FALSE(arch().get_gpr(16));
    for (size_t i = 0; i < 8; ++i) EXPECT_TRUE(arch().inject_exception(x86::Vector::GP));
    const auto full = arch().inject_exception(x86::Vector::GP);
    ASSERT_FALSE(full);
    EXPECT_EQ(describe(full.error()), "ResourceBusy: the queue holds its maximum of 8");
}

TEST_F(KvmGuest, AnotherThreadEndsARun) {
    boot(real_mode(), {0xeb, 0xfe});  // jmp to itself
    std::thread other([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        arch().request_exit();
    });
    expect(VmExit::ExternalInterrupt{0xff});
    other.join();
}

TEST_F(KvmGuest, RequestBeforeARunEndsIt) {
    boot(real_mode(), {0xe6, 0x80, 0xf4});
    arch().request_exit();
    expect(VmExit::ExternalInterrupt{0xff});
    expect_out(0x80, Byte, 0);
}

TEST_F(KvmGuest, TimeSliceEndsARun) {
    config_.time_slice = std::chrono::milliseconds(20);
    boot(real_mode(), {0xeb, 0xfe});
    expect(VmExit::PreemptionTimer{});
    expect(VmExit::PreemptionTimer{});
    EXPECT_EQ(arch().read_state()->rip, kCode);
}

TEST_F(KvmGuest, TimeSliceMayChangeBetweenRuns) {
    config_.time_slice = std::chrono::nanoseconds(0);
    boot(real_mode(), {0xe6, 0x80, 0xeb, 0xfe});  // out 0x80, al; jmp to itself
    expect_out(0x80, Byte, 0);
    arch().set_time_slice(std::chrono::milliseconds(20));
    expect(VmExit::PreemptionTimer{});
}

TEST_F(KvmGuest, RunNeedsBind) {
    config_.entry_state = real_mode();
    ASSERT_TRUE(vcpu_->setup(Gpa(kCode), ept_->root(), config_));
    const auto exit = arch().run();
    ASSERT_FALSE(exit);
    EXPECT_EQ(describe(exit.error()), "Backend: the vCPU is not bound to a thread");
}

TEST_F(KvmGuest, MayMoveToAnotherThreadWhileUnbound) {
    boot(real_mode(), {0xe6, 0x80, 0xe6, 0x81, 0xeb, 0xfe});
    expect_out(0x80, Byte, 0);
    ASSERT_TRUE(vcpu_->unbind());
    std::thread other([this] {
        ASSERT_TRUE(vcpu_->bind());
        expect_out(0x81, Byte, 0);
    });
    other.join();
}

TEST_F(KvmGuest, SignalOfSomebodyElseIsNotTaken) {
    const auto before = std::signal(SIGUSR2, [](int) {});
    VmConfig config;
    config.memory = HostMemoryMap::of(memory_);
    config.kick_signal = SIGUSR2;
    auto vm = Vm::create(config);
    ASSERT_TRUE(vm);
    auto vcpu = KvmVCpu::create(0, 0, {vm->get()});
    ASSERT_TRUE(vcpu && vcpu->set_ept_root(ept_->root()) && vcpu->setup(config_));
    const auto bound = vcpu->bind();
    ASSERT_FALSE(bound);
    EXPECT_EQ(describe(bound.error()), "ResourceBusy: signal " + std::to_string(SIGUSR2) +
                                           " already has a handler: name another as the VM's kick_signal");
    std::signal(SIGUSR2, before);
}

}  // namespace
}  // namespace vtless::kvm
