// SPDX-License-Identifier: MIT
#include "tests/vcpu/kvm/test_guest.h"
#include "vcpu/kvm/host.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;

constexpr const char* kNoLegacyPaging =
    "a KVM that emulates instructions triple-faults under 32-bit and PAE paging";

TEST_F(KvmGuest, RunsRealMode) {
    boot(real_mode(), {
                          0xb8, 0x34, 0x12,  // mov ax, 0x1234
                          0xe7, 0x80,        // out 0x80, ax
                          0xf4,              // hlt
                      });
    expect_out(0x80, Word, 0x1234);
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 0x1234u);
    EXPECT_EQ(arch().read_state()->rip, kCode + 6);
}

TEST_F(KvmGuest, StartsAtTheResetVector) {
    auto state = vmx::GuestEntryState::reset();
    memory_.store_bytes(kRam + 0xff0, {0xb0, 0x5a, 0xe6, 0x80, 0xf4});  // mov al, 0x5a; out 0x80, al; hlt
    ASSERT_TRUE(ept_->map({Gpa(0xfffff000), Hpa(kRam), 4096, x86::ept::READ | x86::ept::EXECUTE}));
    config_.entry_state = state;
    ASSERT_TRUE(vcpu_->setup(Gpa(0xfffffff0), ept_->root(), config_));
    ASSERT_TRUE(vcpu_->bind());
    expect_out(0x80, Byte, 0x5a);
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, RunsProtectedMode) {
    boot(protected_mode(), {
                               0xb8,
                               0x78,
                               0x56,
                               0x34,
                               0x12,  // mov eax, 0x12345678
                               0xa3,
                               0x00,
                               0x30,
                               0x00,
                               0x00,  // mov [kData], eax
                               0xe7,
                               0x80,  // out 0x80, eax
                               0xf4,
                           });
    expect_out(0x80, Dword, 0x12345678);
    expect(VmExit::Halt{});
    EXPECT_EQ(memory_.load<uint32_t>(kData), 0x12345678u);
}

TEST_F(KvmGuest, RunsLongMode) {
    boot(long_mode(), {
                          0x48,
                          0xb8,
                          1,
                          2,
                          3,
                          4,
                          5,
                          6,
                          7,
                          8,  // mov rax, 0x0807060504030201
                          0x49,
                          0x89,
                          0xc7,  // mov r15, rax
                          0xe7,
                          0x80,  // out 0x80, eax
                          0xf4,
                      });
    expect_out(0x80, Dword, 0x04030201);
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::R15), 0x0807060504030201u);
    const auto state = arch().read_state();
    EXPECT_EQ(state->efer, x86::efer::LME | x86::efer::LMA);
    EXPECT_EQ(state->cr3, kPageTables);
    EXPECT_TRUE(state->segment(x86::SegmentRegister::CS).rights.long_mode());
}

TEST_F(KvmGuest, RunsPaging32) {
    if (!host_virtualizes()) GTEST_SKIP() << kNoLegacyPaging;
    auto state = protected_mode();
    state.cr0 |= x86::cr0::PG;
    state.cr3 = kPageTables;
    state.cr4 = x86::cr4::PSE;
    memory_.store<uint32_t>(kPageTables, 0x83);  // 4 MiB at 0
    boot(state, {0xe7, 0x80, 0xf4});             // out 0x80, eax; hlt
    expect_out(0x80, Dword, 0);
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, RunsPaePaging) {
    if (!host_virtualizes()) GTEST_SKIP() << kNoLegacyPaging;
    auto state = protected_mode();
    state.cr0 |= x86::cr0::PG;
    state.cr3 = kPageTables;
    state.cr4 = x86::cr4::PAE;
    memory_.store<uint64_t>(kPageTables, (kPageTables + 0x1000) | 1);
    memory_.store<uint64_t>(kPageTables + 0x1000, 0x83);  // 2 MiB at 0
    boot(state, {0xe7, 0x80, 0xf4});
    expect_out(0x80, Dword, 0);
    expect(VmExit::Halt{});
}

TEST_F(KvmGuest, TranslatesByTheGuestsTables) {
    auto state = long_mode();
    memory_.store<uint64_t>(kPageTables + 0x2000 + 8, 0x83);  // 2 MiB: 0 again
    boot(state, {0xf4});
    expect(VmExit::Halt{});
    EXPECT_EQ(*arch().translate(Gva(0x201234)), Gpa(0x1234));
    EXPECT_EQ(*arch().translate(Gva(uint64_t{1} << 40)), std::nullopt);
}

TEST_F(KvmGuest, RegistersThatAreWrittenAreTheGuests) {
    boot(real_mode(), {0xf4, 0xe7, 0x80, 0xf4});  // hlt; out 0x80, ax; hlt
    expect(VmExit::Halt{});
    ASSERT_TRUE(vcpu_->set_gpr(0, 0xbeef));
    expect_out(0x80, Word, 0xbeef);
    auto state = arch().read_state();
    ASSERT_TRUE(state);
    state->rip = kCode + 1;
    state->gprs[0] = 0xcafe;
    ASSERT_TRUE(arch().write_state(*state));
    expect_out(0x80, Word, 0xcafe);
    expect(VmExit::Halt{});
    ASSERT_TRUE(vcpu_->set_entry(Gpa(kCode + 1)));
    expect_out(0x80, Word, 0xcafe);
}

// KVM takes CR8 from kvm_run at each entry.
TEST_F(KvmGuest, Cr8ThatIsWrittenIsTheGuests) {
    boot(long_mode(), {0xf4, 0x44, 0x0f, 0x20, 0xc0, 0xf4});  // hlt; mov rax, cr8; hlt
    expect(VmExit::Halt{});
    auto state = arch().read_state();
    ASSERT_TRUE(state);
    state->cr8 = 5;
    ASSERT_TRUE(arch().write_state(*state));
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RAX), 5u);
    EXPECT_EQ(arch().read_state()->cr8, 5u);
}

TEST_F(KvmGuest, CpuidIsWhatTheHookMakesOfIt) {
    struct Seen {
        static void hook(void* context, uint32_t leaf, uint32_t, x86::CpuidResult& result) {
            ++*static_cast<unsigned*>(context);
            if (leaf == 0) result.ebx = 0x12345678;
        }
    };
    unsigned calls = 0;
    config_.cpuid_hook = {Seen::hook, &calls};
    boot(long_mode(), {0x31, 0xc0, 0x31, 0xc9, 0x0f, 0xa2, 0xf4});  // xor eax, eax; xor ecx, ecx; cpuid; hlt
    EXPECT_GT(calls, 1u);
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RBX), 0x12345678u);
}

TEST_F(KvmGuest, HidesTheApicIfCpuidIsToldTo) {
    config_.cpuid_hook.function = [](void*, uint32_t leaf, uint32_t, x86::CpuidResult& result) {
        if (leaf == x86::cpuid::kFeatures) result.edx &= ~x86::cpuid::leaf1_edx::APIC;
    };
    boot(long_mode(),
         {0xb8, 1, 0, 0, 0, 0x31, 0xc9, 0x0f, 0xa2, 0xf4});  // mov eax, 1; xor ecx, ecx; cpuid; hlt
    expect(VmExit::Halt{});
    EXPECT_EQ(gpr(x86::Gpr::RDX) & x86::cpuid::leaf1_edx::APIC, 0u);
}

}  // namespace
}  // namespace vtless::kvm
