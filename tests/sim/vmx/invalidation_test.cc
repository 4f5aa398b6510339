// SPDX-License-Identifier: MIT
// INVEPT and INVVPID: what each type forgets, and its operands' errors. SDM Vol. 3C "VMX Instructions"
// (31.3). The processor keeps each translation until it is invalidated, so that what was forgotten can be
// seen.
#include <gtest/gtest.h>

#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::InveptType;
using x86::InvvpidType;
using x86::VmInstructionError;
using x86::VmxStatus;

const VmxStatus kInvalidOperand =
    VmxStatus::fail_valid(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);

class Invalidation : public EptFixture {
  protected:
    static constexpr uint64_t kFirst = 0x1000000;   // linear
    static constexpr uint64_t kSecond = 0x1200000;  // linear
    static constexpr uint64_t kGlobal = 0x1400000;  // linear
    static constexpr uint16_t kVpid = 1;

    Invalidation() {
        write(F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::PGE);
        map(kFirst, 0x800000);
        map(kSecond, 0x800000);
        map(kGlobal, 0x800000, 0x1e7);
        put<uint64_t>(0x800000, 1);
        put<uint64_t>(0xa00000, 2);
        // mov rax, [rsi]; mov rbx, [rdi]; mov rcx, [rbp]; hlt
        code({0x48, 0x8b, 0x06, 0x48, 0x8b, 0x1f, 0x48, 0x8b, 0x4d, 0x00, 0xf4});
        look();
        EXPECT_EQ(seen(), (std::array<uint64_t, 3>{1, 1, 1}));
    }
    void map(uint64_t linear, uint64_t physical, uint64_t flags = 0xe7) {
        put<uint64_t>(0x12000 + (linear >> 21) * 8, physical | flags);
    }
    void remap_all() {
        map(kFirst, 0xa00000);
        map(kSecond, 0xa00000);
        map(kGlobal, 0xa00000, 0x1e7);
    }
    void look() {
        gprs.set(Gpr::RSI, kFirst);
        gprs.set(Gpr::RDI, kSecond);
        gprs.set(Gpr::RBP, kGlobal);
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::HLT);
    }
    std::array<uint64_t, 3> seen() {
        look();
        return {gprs.get(Gpr::RAX), gprs.get(Gpr::RBX), gprs.get(Gpr::RCX)};
    }
    VmxStatus invvpid(InvvpidType type, uint16_t vpid, uint64_t address = 0) {
        return hw->invvpid(type, {vpid, Gva(address)});
    }
};

using Seen = std::array<uint64_t, 3>;

TEST_F(Invalidation, WithoutAnyTranslationsStay) {
    remap_all();
    EXPECT_EQ(seen(), (Seen{1, 1, 1}));
}

TEST_F(Invalidation, InvvpidOfAnAddressForgetsItsPage) {
    remap_all();
    ASSERT_TRUE(invvpid(InvvpidType::INDIVIDUAL_ADDRESS, kVpid, kFirst + 0x1234).ok());
    EXPECT_EQ(seen(), (Seen{2, 1, 1}));
    ASSERT_TRUE(invvpid(InvvpidType::INDIVIDUAL_ADDRESS, kVpid, kGlobal).ok());
    EXPECT_EQ(seen(), (Seen{2, 1, 2}));
}

TEST_F(Invalidation, InvvpidOfAContextForgetsAll) {
    remap_all();
    ASSERT_TRUE(invvpid(InvvpidType::SINGLE_CONTEXT, kVpid).ok());
    EXPECT_EQ(seen(), (Seen{2, 2, 2}));
}

TEST_F(Invalidation, InvvpidOfAllContextsForgetsAll) {
    remap_all();
    ASSERT_TRUE(invvpid(InvvpidType::ALL_CONTEXT, 0).ok()) << "the VPID is not looked at";
    EXPECT_EQ(seen(), (Seen{2, 2, 2}));
}

TEST_F(Invalidation, InvvpidRetainingGlobalsKeepsThose) {
    remap_all();
    ASSERT_TRUE(invvpid(InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS, kVpid).ok());
    EXPECT_EQ(seen(), (Seen{2, 2, 1}));
}

TEST_F(Invalidation, InvvpidOfAnotherVpidForgetsNothing) {
    remap_all();
    for (const auto type : {InvvpidType::INDIVIDUAL_ADDRESS, InvvpidType::SINGLE_CONTEXT,
                            InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS})
        ASSERT_TRUE(invvpid(type, kVpid + 1, kFirst).ok());
    EXPECT_EQ(seen(), (Seen{1, 1, 1}));
}

TEST_F(Invalidation, InvvpidNeedsAVpidAndACanonicalAddress) {
    for (const auto type : {InvvpidType::INDIVIDUAL_ADDRESS, InvvpidType::SINGLE_CONTEXT,
                            InvvpidType::SINGLE_CONTEXT_RETAINING_GLOBALS})
        EXPECT_EQ(invvpid(type, 0), kInvalidOperand);
    constexpr uint64_t kNonCanonical = 0x0000800000000000;
    EXPECT_EQ(invvpid(InvvpidType::INDIVIDUAL_ADDRESS, kVpid, kNonCanonical), kInvalidOperand);
    EXPECT_TRUE(invvpid(InvvpidType::INDIVIDUAL_ADDRESS, kVpid, kNonCanonical - 1).ok());
    EXPECT_TRUE(invvpid(InvvpidType::INDIVIDUAL_ADDRESS, kVpid, 0xffff800000000000).ok());
    EXPECT_TRUE(invvpid(InvvpidType::SINGLE_CONTEXT, kVpid, kNonCanonical).ok());
    for (const uint64_t type : {4u, 5u, 0xffffffffu})
        EXPECT_EQ(invvpid(static_cast<InvvpidType>(type), kVpid), kInvalidOperand) << type;
    EXPECT_EQ(read(F::VM_INSTRUCTION_ERROR), 28u);
}

TEST_F(Invalidation, InveptForgetsWhatEptMaps) {
    const auto remap = [&] {
        put_host(entry_of(0x800000), (ram + 0xa00000).value() | kLeaf | x86::ept::LARGE);
    };
    remap();
    EXPECT_EQ(seen(), (Seen{1, 1, 1}));
    ASSERT_TRUE(hw->invept(InveptType::SINGLE_CONTEXT, {x86::Eptp::make(0x7000).raw}).ok());
    EXPECT_EQ(seen(), (Seen{1, 1, 1})) << "another EPT";
    ASSERT_TRUE(hw->invept(InveptType::SINGLE_CONTEXT, {eptp}).ok());
    EXPECT_EQ(seen(), (Seen{2, 2, 2}));
}

// Mappings belong to the address of the top table (EPTRTA), whatever else the EPT pointers say.
// SDM Vol. 3C "Information That May Be Cached" (29.4.2).
TEST_F(Invalidation, InveptLooksAtTheRootOnly) {
    constexpr uint64_t kFiveLevels = 4u << 3;
    uint64_t page = 0x800000;
    for (const uint64_t other : {(eptp & ~uint64_t{7}) | uint64_t{static_cast<uint8_t>(x86::MemoryType::UC)},
                                 eptp ^ x86::Eptp::kAccessedDirty, (eptp & ~uint64_t{0x38}) | kFiveLevels}) {
        page ^= 0x800000 ^ 0xa00000;
        put_host(entry_of(0x800000), (ram + page).value() | kLeaf | x86::ept::LARGE);
        ASSERT_TRUE(hw->invept(InveptType::SINGLE_CONTEXT, {other}).ok()) << std::hex << other;
        const uint64_t now = page == 0xa00000 ? 2 : 1;
        EXPECT_EQ(seen(), (Seen{now, now, now})) << std::hex << other;
    }
}

TEST_F(Invalidation, InveptOfAllContextsForgetsWhatEptMaps) {
    put_host(entry_of(0x800000), (ram + 0xa00000).value() | kLeaf | x86::ept::LARGE);
    ASSERT_TRUE(hw->invept(InveptType::ALL_CONTEXT, {0}).ok()) << "the EPTP is not looked at";
    EXPECT_EQ(seen(), (Seen{2, 2, 2}));
}

TEST_F(Invalidation, InveptNeedsATypeAndAnEptp) {
    for (const uint64_t type : {0u, 3u, 0xffffffffu})
        EXPECT_EQ(hw->invept(static_cast<InveptType>(type), {eptp}), kInvalidOperand) << type;
    for (const uint64_t bad :
         {uint64_t{0}, (eptp & ~uint64_t{7}) | 2, eptp | 1u << 7, eptp | 1u << 11,
          eptp | uint64_t{1} << capability::kPhysicalBits, (eptp & ~uint64_t{0x38}) | 2u << 3})
        EXPECT_EQ(hw->invept(InveptType::SINGLE_CONTEXT, {bad}), kInvalidOperand) << std::hex << bad;
    EXPECT_TRUE(hw->invept(InveptType::SINGLE_CONTEXT, {eptp | x86::Eptp::kAccessedDirty}).ok());
}

TEST_F(Invalidation, AVmEntryWithoutVpidForgetsAll) {
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          values.secondary & ~x86::SecondaryControls::ENABLE_VPID);
    remap_all();
    EXPECT_EQ(seen(), (Seen{2, 2, 2}));
}

}  // namespace
}  // namespace vtless::sim
