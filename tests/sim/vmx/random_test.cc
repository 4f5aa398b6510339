// SPDX-License-Identifier: MIT
// RDRAND and RDSEED. SDM Vol. 3C "Instructions That Cause VM Exits Conditionally" (26.1.3), table 28-13.
#include <gtest/gtest.h>

#include <set>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SecondaryControls;

class Random : public GuestFixture {
  protected:
    void set_secondary(uint32_t bits) {
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, values.secondary | bits);
    }
};

TEST_F(Random, ExitsNameRegisterAndSize) {
    set_secondary(SecondaryControls::RDRAND_EXITING | SecondaryControls::RDSEED_EXITING);
    struct Case {
        std::initializer_list<uint8_t> bytes;
        Reason reason;
        uint32_t information;
    };
    const Case cases[] = {
        {{0x0f, 0xc7, 0xf3}, Reason::RDRAND, 3u << 3 | 1u << 11},         // rdrand ebx
        {{0x66, 0x0f, 0xc7, 0xf0}, Reason::RDRAND, 0},                    // rdrand ax
        {{0x49, 0x0f, 0xc7, 0xf7}, Reason::RDRAND, 15u << 3 | 2u << 11},  // rdrand r15
        {{0x0f, 0xc7, 0xff}, Reason::RDSEED, 7u << 3 | 1u << 11},         // rdseed edi
        {{0x66, 0x41, 0x0f, 0xc7, 0xf8}, Reason::RDSEED, 8u << 3},        // rdseed r8w
        {{0x48, 0x0f, 0xc7, 0xfc}, Reason::RDSEED, 4u << 3 | 2u << 11},   // rdseed rsp
    };
    for (const Case& one : cases) {
        code(one.bytes);
        EXPECT_EQ(run(), one.reason);
        EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_INFORMATION), one.information);
        EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), one.bytes.size());
        EXPECT_EQ(read(F::GUEST_RIP), kCode);
    }
}

TEST_F(Random, EachExitsByItsOwnControl) {
    code({0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf8, 0xf4});  // rdrand eax; rdseed eax; hlt
    set_secondary(SecondaryControls::RDSEED_EXITING);
    ASSERT_EQ(run(), Reason::RDSEED);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 3);
    set_secondary(SecondaryControls::RDRAND_EXITING);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(Random, NumbersFillTheOperandAndSetCarryOnly) {
    code({0x48, 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf3, 0x66, 0x0f, 0xc7, 0xf9, 0xf4});
    gprs.set(Gpr::RBX, ~uint64_t{0});
    gprs.set(Gpr::RCX, 0x1111111111110000);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::kArithmetic);
    ASSERT_EQ(run(), Reason::HLT);  // rdrand rax; rdrand ebx; rdseed cx
    EXPECT_NE(gprs.get(Gpr::RAX) >> 32, 0u);
    EXPECT_EQ(gprs.get(Gpr::RBX) >> 32, 0u);
    EXPECT_EQ(gprs.get(Gpr::RCX) >> 16, 0x111111111111u);
    EXPECT_EQ(read(F::GUEST_RFLAGS), 2 | x86::rflags::CF);
}

// rdrand rax into memory, 64 times; hlt
TEST_F(Random, NumbersDifferAndAreTheSameOnEachProcessor) {
    code({0xbf, 0, 0, 0x30, 0, 0xb9, 64, 0, 0, 0, 0x48, 0x0f, 0xc7, 0xf0, 0x48, 0xab, 0xe2, 0xf8, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    RandomNumbers expected;
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < 64; ++i) {
        const auto number = get<uint64_t>(0x300000 + i * 8);
        EXPECT_EQ(number, expected.next());
        seen.insert(number);
    }
    EXPECT_EQ(seen.size(), 64u);
}

TEST_F(Random, WithALockPrefixIsUndefined) {
    write(F::EXCEPTION_BITMAP, 1u << 6);
    set_secondary(SecondaryControls::RDRAND_EXITING);
    code({0xf0, 0x0f, 0xc7, 0xf0});
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(x86::EventInfo{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))}.vector(), 6);
}

constexpr VmxCapabilities without_rdrand() {
    VmxCapabilities can = kEngineCapabilities;
    can.cpuid.leaf1_ecx &= ~x86::cpuid::leaf1_ecx::RDRAND;
    return can;
}

class NoRdrand : public GuestFixture {
  protected:
    NoRdrand() : GuestFixture(without_rdrand()) {}
};

TEST_F(NoRdrand, IsUndefinedWhereCpuidLacksIt) {
    write(F::EXCEPTION_BITMAP, 1u << 6);
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          values.secondary | SecondaryControls::RDRAND_EXITING);
    code({0x0f, 0xc7, 0xf8, 0x0f, 0xc7, 0xf0});  // rdseed eax; rdrand eax
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 3);
}

}  // namespace
}  // namespace vtless::sim
