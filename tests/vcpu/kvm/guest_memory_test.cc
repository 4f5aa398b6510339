// SPDX-License-Identifier: MIT
#include <thread>

#include "tests/vcpu/kvm/test_guest.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

TEST_F(KvmGuest, DeviceMemoryExitsInEveryWidth) {
    boot(long_mode(), {
                          0xbb, 0,    0,    0,    0x10,  // mov ebx, kDevice
                          0x8a, 0x03,                    // mov al, [rbx]
                          0x66, 0x8b, 0x4b, 0x02,        // mov cx, [rbx + 2]
                          0x8b, 0x53, 0x04,              // mov edx, [rbx + 4]
                          0x48, 0x8b, 0x73, 0x08,        // mov rsi, [rbx + 8]
                          0x88, 0x43, 0x10,              // mov [rbx + 16], al
                          0x66, 0x89, 0x4b, 0x12,        // mov [rbx + 18], cx
                          0x89, 0x53, 0x14,              // mov [rbx + 20], edx
                          0x48, 0x89, 0x73, 0x18,        // mov [rbx + 24], rsi
                          0xf4,
                      });
    uint64_t value = 0x8877665544332211;
    for (const auto& [offset, width] : {std::pair{0, Byte}, {2, Word}, {4, Dword}, {8, Qword}}) {
        expect(VmExit::MmioRead{Gpa(kDevice + static_cast<uint64_t>(offset)), width, width, false, 0});
        ASSERT_TRUE(arch().complete_mmio_read(value));
    }
    expect(VmExit::MmioWrite{Gpa(kDevice + 16), Byte, 0x11});
    expect(VmExit::MmioWrite{Gpa(kDevice + 18), Word, 0x2211});
    expect(VmExit::MmioWrite{Gpa(kDevice + 20), Dword, 0x44332211});
    expect(VmExit::MmioWrite{Gpa(kDevice + 24), Qword, value});
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, ReadModifyWriteOfADeviceIsTwoExits) {
    boot(protected_mode(), {0x83, 0x0d, 0, 0, 0, 0x10, 0x04, 0xf4});  // or dword [kDevice], 4; hlt
    expect(VmExit::MmioRead{Gpa(kDevice), Dword, Dword, false, 0});
    ASSERT_TRUE(arch().complete_mmio_read(0x11));
    expect(VmExit::MmioWrite{Gpa(kDevice), Dword, 0x15});
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, ReadOnlyMemoryIsReadAndItsWritesExit) {
    memory_.store<uint32_t>(kRam, 0xfeedf00d);
    boot(protected_mode(), {
                               0xa1,
                               0,
                               0,
                               0x20,
                               0,  // mov eax, [kRom]
                               0xa3,
                               8,
                               0,
                               0x20,
                               0,  // mov [kRom + 8], eax
                               0xf4,
                           });
    expect(VmExit::MmioWrite{Gpa(kRom + 8), Dword, 0xfeedf00d});
    expect(VmExit::Halt{});
    EXPECT_EQ(memory_.load<uint32_t>(kRam + 8), 0u);
}

TEST_F(KvmGuest, AccessToNothingIsANestedPageFaultAndTheEnd) {
    ASSERT_FALSE(arch().capabilities().ept_violations);
    boot(protected_mode(), {0xa1, 4, 0, 0, 0x20, 0xf4});  // mov eax, [kNothing + 4]; hlt
    expect(VmExit::NestedPageFault{Gpa(kNothing + 4), {true, false, false}});
    const auto again = arch().run();
    ASSERT_FALSE(again);
    EXPECT_EQ(describe(again.error()), "Backend: KVM cannot resume the guest after NestedPageFault");
}

TEST_F(KvmGuest, ChangedEptCountsAfterAFlush) {
    memory_.store<uint32_t>(0x5000, 0x55555555);
    memory_.store<uint32_t>(0x6000, 0x66666666);
    boot(protected_mode(), {
                               0xa1, 0, 0x50, 0, 0,  // mov eax, [0x5000]
                               0xe7, 0x80,           // out 0x80, eax
                               0xeb, 0xf7,           // jmp to the start
                           });
    EXPECT_EQ(vm_->slots().size(), 2u);
    expect_out(0x80, Dword, 0x55555555);
    const uint64_t entry = ept_entry(memory_, ept_->root(), 0x5000);
    memory_.store<uint64_t>(entry, 0x6000 | kWriteBack | x86::ept::RWX);
    ASSERT_TRUE(arch().flush_tlb());
    EXPECT_EQ(vm_->slots().size(), 4u);  // below, the page, above, ROM
    expect_out(0x80, Dword, 0x66666666);
    memory_.store<uint64_t>(entry, 0x5000 | kWriteBack | x86::ept::RWX);
    ASSERT_TRUE(arch().flush_tlb());
    expect_out(0x80, Dword, 0x55555555);
}

TEST_F(KvmGuest, VCpusOfAVmShareOneEptRoot) {
    boot(real_mode(), {0xf4});
    auto second = KvmVCpu::create(0, 1, {vm_.get()});
    ASSERT_TRUE(second) << describe(second.error());
    auto other = vmm::EptTable<TestMemory>::create(memory_);
    const auto refused = second->set_ept_root(other->root());
    ASSERT_FALSE(refused);
    EXPECT_EQ(describe(refused.error()),
              "Unsupported: KVM has one memory for all vCPUs of a VM: another vCPU has another EPT root");
    EXPECT_TRUE(second->set_ept_root(ept_->root()));
    expect(VmExit::Halt{});
}

// The first waits in a loop for what the second writes.
TEST_F(KvmGuest, VCpusOnTwoThreadsShareMemory) {
    boot(protected_mode(), {
                               0xa1,
                               0,
                               0x30,
                               0,
                               0,  // mov eax, [kData]
                               0x85,
                               0xc0,  // test eax, eax
                               0x74,
                               0xf7,  // jz to the start
                               0xe7,
                               0x80,  // out 0x80, eax
                               0xf4,
                           });
    constexpr uint64_t kOtherCode = 0x2000;
    memory_.store_bytes(kOtherCode, {
                                        0xc7,
                                        0x05,
                                        0,
                                        0x30,
                                        0,
                                        0,
                                        0x78,
                                        0x56,
                                        0x34,
                                        0x12,  // mov [kData], imm
                                        0xf4,
                                    });
    std::thread other([this] {
        PhysCpu cpu(1);
        VCpuIdentity identity;
        identity.vcpu_id = 1;
        auto vcpu = VCpu<KvmVCpu>::create(cpu, identity, {vm_.get()});
        ASSERT_TRUE(vcpu) << describe(vcpu.error());
        ASSERT_TRUE(vcpu->setup(Gpa(kOtherCode), ept_->root(), config_));
        ASSERT_TRUE(vcpu->bind());
        const auto exit = vcpu->run();
        ASSERT_TRUE(exit) << describe(exit.error());
        EXPECT_EQ(exit->kind(), ExitKind::Halt);
    });
    expect_out(0x80, Dword, 0x12345678);
    other.join();
}

TEST_F(KvmGuest, SecondVCpuOfTheSameIdIsRefusedByTheKernel) {
    const auto second = KvmVCpu::create(0, 0, {vm_.get()});
    ASSERT_FALSE(second);
    EXPECT_EQ(describe(second.error()), "Backend: KVM_CREATE_VCPU: File exists (errno 17)");
}

TEST_F(KvmGuest, EntryStateThatNoProcessorHasIsRefusedByTheKernel) {
    config_.entry_state = protected_mode();
    config_.entry_state.cr0 = x86::cr0::PG | x86::cr0::ET;  // paging without protection
    const auto refused = vcpu_->setup(Gpa(kCode), ept_->root(), config_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(describe(refused.error()), "Backend: KVM_SET_SREGS: Invalid argument (errno 22)");
    EXPECT_EQ(vcpu_->state(), VCpuState::Invalid);
}

TEST_F(KvmGuest, LayoutThatSlotsCannotExpressFailsTheSetup) {
    const uint64_t entry = ept_entry(memory_, ept_->root(), 0x5000);
    memory_.store<uint64_t>(entry, 0x5000 | kWriteBack | x86::ept::READ | x86::ept::WRITE);
    const auto refused = vcpu_->setup(Gpa(kCode), ept_->root(), config_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(describe(refused.error()),
              "Unsupported: guest-physical page 0x5000: no-execute: KVM's memory slots can "
              "always be executed");
}

}  // namespace
}  // namespace vtless::kvm
