// SPDX-License-Identifier: MIT
#include "isa/x86/exit_reason.h"
#include "tests/vcpu/kvm/test_guest.h"
#include "vcpu/kvm/host.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

TEST_F(KvmGuest, PortReadIsMergedByWidth) {
    boot(long_mode(), {
                          0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,  // mov rax, -1
                          0xe4, 0x60,                                // in al, 0x60
                          0xe7, 0x80,                                // out 0x80, eax
                          0x66, 0xe5, 0x61,                          // in ax, 0x61
                          0xe7, 0x80,                                // out 0x80, eax
                          0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,  // mov rax, -1
                          0xe5, 0x62,                                // in eax, 0x62
                          0xf4,
                      });
    expect(VmExit::IoRead{0x60, Byte});
    ASSERT_TRUE(arch().complete_io_read(0x1234));
    expect_out(0x80, Dword, 0xffffff34);
    expect(VmExit::IoRead{0x61, Word});
    ASSERT_TRUE(arch().complete_io_read(0x5678));
    expect_out(0x80, Dword, 0xffff5678);
    expect(VmExit::IoRead{0x62, Dword});
    ASSERT_TRUE(arch().complete_io_read(0x1abcdef02));
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0xabcdef02u);  // KVM finishes the instruction to say so
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0xabcdef02u);
}

TEST_F(KvmGuest, PortReadMayBeAnsweredByItsRegister) {
    boot(real_mode(), {0xe4, 0x60, 0xf4});  // in al, 0x60; hlt
    expect(VmExit::IoRead{0x60, Byte});
    ASSERT_TRUE(vcpu_->set_gpr(0, 0x42));
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0x42u);
}

TEST_F(KvmGuest, ReadThatNobodyAnsweredIsRefusedByName) {
    boot(real_mode(), {0xe4, 0x60, 0xf4});
    expect(VmExit::IoRead{0x60, Byte});
    EXPECT_FALSE(arch().complete_mmio_read(0));
    const auto exit = arch().run();
    ASSERT_FALSE(exit);
    EXPECT_EQ(describe(exit.error()),
              "InvalidInput: the last exit, IoRead, waits for its completion: KVM cannot leave it undone");
}

TEST_F(KvmGuest, StringOutIsOneExitForEachElement) {
    memory_.store_bytes(kData, {0x11, 0x22, 0x33});
    boot(real_mode(), {
                          0xbe,
                          0x00,
                          0x30,  // mov si, kData
                          0xb9,
                          0x03,
                          0x00,  // mov cx, 3
                          0xba,
                          0x80,
                          0x00,  // mov dx, 0x80
                          0xf3,
                          0x6e,  // rep outsb
                          0xf4,
                      });
    expect_out(0x80, Byte, 0x11);
    expect_out(0x80, Byte, 0x22);
    expect_out(0x80, Byte, 0x33);
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RSI), kData + 3);
    EXPECT_EQ(gpr(x86::Gpr::RCX), 0u);
}

TEST_F(KvmGuest, StringInIsOneExitForEachElement) {
    boot(real_mode(), {
                          0xbf,
                          0x00,
                          0x30,  // mov di, kData
                          0xb9,
                          0x03,
                          0x00,  // mov cx, 3
                          0xba,
                          0x80,
                          0x00,  // mov dx, 0x80
                          0xf3,
                          0x6d,  // rep insw
                          0xf4,
                      });
    for (const uint64_t value : {0x1111u, 0x2222u, 0x3333u}) {
        expect(VmExit::IoRead{0x80, Word});
        ASSERT_TRUE(arch().complete_io_read(value));
    }
    expect(VmExit::Halt{});
    EXPECT_EQ(memory_.load<uint64_t>(kData), 0x0000333322221111u);
    EXPECT_EQ(gpr(x86::Gpr::RDI), kData + 6);
}

TEST_F(KvmGuest, PowerOffPortEndsTheSystem) {
    boot(real_mode(), {
                          0xba, 0x04, 0x06,  // mov dx, 0x604
                          0xb8, 0x01, 0x20,  // mov ax, 0x2001
                          0xef,              // out dx, ax
                          0x48,              // dec ax
                          0xef,              // out dx, ax
                      });
    expect_out(0x604, Word, 0x2001);
    expect(VmExit::SystemDown{});
}

// IA32_MTRRCAP is not on the list of what is passed through.
TEST_F(KvmGuest, ReadsAndWritesOfMsrsExit) {
    boot(long_mode(), {
                          0xb9,
                          0xfe,
                          0,
                          0,
                          0,  // mov ecx, IA32_MTRRCAP
                          0x0f,
                          0x32,  // rdmsr
                          0xb9,
                          0x8b,
                          0,
                          0,
                          0,  // mov ecx, IA32_BIOS_SIGN_ID
                          0x0f,
                          0x30,  // wrmsr
                          0xf4,
                      });
    expect(VmExit::SysRegRead{0xfe, 0});
    ASSERT_TRUE(arch().complete_sysreg_read(0x1122334455667788));
    expect(VmExit::SysRegWrite{0x8b, 0x1122334455667788});
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0x55667788u);
    EXPECT_EQ(gpr(x86::Gpr::RDX), 0x11223344u);
}

TEST_F(KvmGuest, AccessToAnMsrMayFault) {
    install_handler(13);
    boot(real_mode(), {
                          0x66, 0xb9, 0xfe, 0, 0, 0,  // mov ecx, IA32_MTRRCAP
                          0x0f, 0x32,                 // rdmsr
                      });
    expect(VmExit::SysRegRead{0xfe, 0});
    ASSERT_TRUE(arch().fail_sysreg_access());
    expect_out(0x70, Byte, 13);
    expect(VmExit::SysRegRead{0xfe, 0});  // IRET leads to the RDMSR again
}

TEST_F(KvmGuest, WriteOfAnMsrMayFaultAfterALookAtTheRegisters) {
    install_handler(13);
    boot(real_mode(), {
                          0x66, 0xb9, 0x8b, 0, 0, 0,  // mov ecx, IA32_BIOS_SIGN_ID
                          0x0f, 0x30,                 // wrmsr
                      });
    expect(VmExit::SysRegWrite{0x8b, 0});
    EXPECT_EQ(arch().read_state()->rip, kCode + 6);
    ASSERT_TRUE(arch().fail_sysreg_access());
    expect_out(0x70, Byte, 13);
    expect(VmExit::SysRegWrite{0x8b, 0});  // IRET leads to the WRMSR again
    ASSERT_TRUE(vcpu_->set_gpr(3, 7));     // which finishes it
    EXPECT_EQ(arch().read_state()->rip, kCode + 8);
    EXPECT_EQ(gpr(x86::Gpr::RBX), 7u);
}

TEST_F(KvmGuest, MsrsThatArePassedDoNotExit) {
    boot(long_mode(), {
                          0xb9, 0x82, 0,    0, 0xc0,  // mov ecx, IA32_LSTAR
                          0xb8, 0x44, 0x33, 0, 0,     // mov eax, 0x3344
                          0x31, 0xd2,                 // xor edx, edx
                          0x0f, 0x30,                 // wrmsr
                          0x31, 0xc0,                 // xor eax, eax
                          0x0f, 0x32,                 // rdmsr
                          0xf4,
                      });
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0x3344u);
}

// KVM has no x2APIC mode without its own APIC, and no filter for these MSRs.
TEST_F(KvmGuest, X2ApicMsrsFaultWithoutTheKernelsApic) {
    install_handler(13);
    boot(real_mode(), {0x66, 0xb9, 0x02, 0x08, 0, 0, 0x0f, 0x32, 0xf4});  // mov ecx, 0x802; rdmsr
    expect_out(0x70, Byte, 13);
}

TEST_F(KvmGuest, TripleFaultIsUnhandledWithItsReason) {
    auto state = protected_mode();
    state.idtr = {0, 0};
    boot(state, {0x0f, 0x0b});  // ud2
    expect(VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::TRIPLE_FAULT), 0});
    const auto again = arch().run();
    ASSERT_FALSE(again);
    EXPECT_EQ(describe(again.error()), "Backend: KVM cannot resume the guest after Unhandled");
}

// VMCALL of an unknown number: KVM answers -1000 itself, without an exit.
TEST_F(KvmGuest, HypercallsThatKvmKeepsAreAnsweredByIt) {
    ASSERT_FALSE(arch().capabilities().all_hypercalls);
    if (!host_virtualizes()) GTEST_SKIP() << "a KVM that emulates instructions repeats VMCALL for ever";
    boot(long_mode(), {
                          0xb8,
                          0x77,
                          0x77,
                          0,
                          0,  // mov eax, 0x7777
                          0x0f,
                          0x01,
                          0xc1,  // vmcall
                          0xf4,
                      });
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), static_cast<uint64_t>(-1000));
}

}  // namespace
}  // namespace vtless::kvm
