// SPDX-License-Identifier: MIT
#include "isa/x86/ept.h"
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

class ExitRules : public SanitizerFixture {
  protected:
    // Host-physical address of the EPT leaf of 2 MiB for a guest-physical address.
    Hpa leaf(uint64_t gpa) {
        const auto table = [&](Hpa at) {
            uint64_t entry = 0;
            std::memcpy(&entry, memory.map(at), sizeof entry);
            return x86::ept::table_address(entry);
        };
        const uint64_t pdpt = table(Hpa(x86::Eptp{eptp}.root()));
        return Hpa(table(Hpa(pdpt)) + (gpa >> 21) * 8);
    }
};

TEST_F(ExitRules, AnInstructionThatExitsAgainWasNotAdvanced) {
    code({0x0f, 0xa2, 0xf4});  // cpuid; hlt
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(only("exit.not-advanced"));
    const Finding& finding = sanitizer.findings()[0];
    EXPECT_EQ(finding.site.exits, 1u);
    EXPECT_EQ(finding.site.rip, kCode);
    EXPECT_EQ(finding.site.vmcs, vmcs);
    EXPECT_EQ(finding.count, 1u);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(sanitizer.findings().size(), 1u);
    EXPECT_EQ(sanitizer.findings()[0].count, 2u);
}

TEST_F(ExitRules, ResultsInRegistersDoNotHideIt) {
    code({0x0f, 0x32});  // rdmsr
    gprs.set(x86::Gpr::RCX, 0x1234);
    EXPECT_EQ(run(), Reason::RDMSR);
    gprs.set(x86::Gpr::RAX, 0x5678);
    EXPECT_EQ(run(), Reason::RDMSR);
    EXPECT_TRUE(only("exit.not-advanced"));
}

TEST_F(ExitRules, ALoopThatExitsAtTheSameInstructionGoesOn) {
    code({0x0f, 0xa2, 0xeb, 0xfc});  // cpuid; jmp $-2
    EXPECT_EQ(run(), Reason::CPUID);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(skip(), Reason::CPUID);
}

TEST_F(ExitRules, OtherRegistersAreAnotherQuestion) {
    code({0x0f, 0x30});  // wrmsr
    gprs.set(x86::Gpr::RCX, 0x1234);
    EXPECT_EQ(run(), Reason::WRMSR);
    gprs.set(x86::Gpr::RCX, 0x1235);
    EXPECT_EQ(run(), Reason::WRMSR);
}

TEST_F(ExitRules, AnInjectedFaultIsAnAnswer) {
    code({0x0f, 0x32});  // rdmsr
    EXPECT_EQ(run(), Reason::RDMSR);
    inject(x86::EventInfo::exception(x86::Vector::GP));
    write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(ExitRules, EnteringAgainAtHltIsWaiting) {
    code({0xf4});
    EXPECT_EQ(run(), Reason::HLT);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(ExitRules, AnEptViolationWithoutAChangeOfEpt) {
    code({0xa1, 0, 0, 0, 4, 0, 0, 0, 0, 0xf4});  // mov eax, [0x4000000]; hlt
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_TRUE(only("exit.not-advanced"));
    EXPECT_TRUE(mentions("guest-physical address 0x4000000"));
}

// Read is granted first, write at the next violation, with the same qualification but for the rights.
TEST_F(ExitRules, AnEptThatChangedIsAnAnswer) {
    code({0xa1, 0, 0, 0, 4, 0, 0, 0, 0, 0xf4});
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
    put_host(leaf(kUnbacked), x86::ept::EXECUTE << 8);  // an ignored bit of an absent entry
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
}

TEST_F(ExitRules, ReservedBitsOfEptAreNamed) {
    code({0xa1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0xf4});  // mov eax, [0x800000]; hlt
    put_host<uint64_t>(leaf(0x800000),
                       (ram + 0x800000).value() | x86::ept::RWX | x86::ept::LARGE | 6u << 3 | 0x1000);
    EXPECT_EQ(run(), Reason::EPT_MISCONFIGURATION);
    ASSERT_TRUE(only("ept.reserved"));
    EXPECT_TRUE(mentions("reserved bits 0x1000 are set")) << details();
    EXPECT_TRUE(mentions("Level 2"));
}

TEST_F(ExitRules, WriteWithoutReadAndAReservedMemoryTypeAreNamed) {
    code({0xa1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0xa1, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0xf4});
    put_host<uint64_t>(leaf(0x800000),
                       (ram + 0x800000).value() | x86::ept::WRITE | x86::ept::LARGE | 6u << 3);
    put_host<uint64_t>(leaf(0xa00000), (ram + 0xa00000).value() | x86::ept::RWX | x86::ept::LARGE | 2u << 3);
    EXPECT_EQ(run(), Reason::EPT_MISCONFIGURATION);
    write(F::GUEST_RIP, kCode + 9);
    EXPECT_EQ(run(), Reason::EPT_MISCONFIGURATION);
    ASSERT_TRUE(only("ept.reserved"));
    EXPECT_TRUE(mentions("writable but not readable")) << details();
    EXPECT_TRUE(mentions("memory type 2 is reserved")) << details();
}

TEST_F(ExitRules, AnAbsentEntryMayHoldAnything) {
    code({0xa1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0xf4});
    put_host<uint64_t>(leaf(0x800000), ~x86::ept::RWX & ~x86::ept::USER_EXECUTE);
    EXPECT_EQ(run(), Reason::EPT_VIOLATION);
}

}  // namespace
}  // namespace vtless::sim
