// SPDX-License-Identifier: MIT
// CR3 targets, and CR0 and CR4 in each combination of mask, shadow and value. SDM Vol. 3C "Instructions That
// Cause VM Exits Conditionally" (26.1.3), "Changes to Instruction Behavior in VMX Non-Root Operation" (26.3).
#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::CrAccessQualification;
using x86::CrAccessType;
using x86::Gpr;
using x86::PrimaryControls;

class CrAccess : public GuestFixture {
  protected:
    CrAccessQualification access() { return CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)); }
};

// The four values name the same table: they differ in the bits for the memory type.
TEST_F(CrAccess, Cr3LoadsExitUnlessOneOfTheFirstTargetsIsLoaded) {
    constexpr F kTargets[] = {F::CR3_TARGET_VALUE_0, F::CR3_TARGET_VALUE_1, F::CR3_TARGET_VALUE_2,
                              F::CR3_TARGET_VALUE_3};
    set_primary(PrimaryControls::CR3_LOAD_EXITING);
    for (uint64_t i = 0; i < 4; ++i) write(kTargets[i], kPml4 | i << 3);
    code({0x0f, 0x22, 0xda, 0xf4});  // mov cr3, rdx; hlt
    for (uint64_t count = 0; count <= 4; ++count) {
        write(F::CR3_TARGET_COUNT, count);
        for (uint64_t i = 0; i < 4; ++i) {
            gprs.set(Gpr::RDX, kPml4 | i << 3);
            write(F::GUEST_RIP, kCode);
            write(F::GUEST_CR3, kPml4);
            ASSERT_EQ(run(), i < count ? Reason::HLT : Reason::CONTROL_REGISTER_ACCESS) << count << " " << i;
            EXPECT_EQ(read(F::GUEST_CR3), i < count ? kPml4 | i << 3 : kPml4);
            if (i >= count) {
                EXPECT_EQ(access(), (CrAccessQualification{3, CrAccessType::MOV_TO, false, Gpr::RDX, 0}));
            }
        }
    }
}

TEST_F(CrAccess, WithoutCr3LoadExitingNoTargetIsNeeded) {
    code({0x0f, 0x22, 0xda, 0xf4});
    gprs.set(Gpr::RDX, kPml4 | 0x18);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_CR3), kPml4 | 0x18);
}

// One bit of a register: whether the hypervisor owns it, what the shadow says, what it is.
struct Bit {
    bool owned, shadow, real;
};
constexpr Bit kBits[] = {{false, false, false}, {false, false, true}, {false, true, false},
                         {false, true, true},   {true, false, false}, {true, false, true},
                         {true, true, false},   {true, true, true}};

class MaskAndShadow : public CrAccess, public ::testing::WithParamInterface<Bit> {
  protected:
    static constexpr uint64_t kTs = x86::cr0::TS;
    static constexpr uint64_t kDe = x86::cr4::DE;
    const Bit bit = GetParam();
    uint64_t if_set(bool set, uint64_t mask) { return set ? mask : 0; }
    uint64_t with(uint64_t value, uint64_t mask, bool set) { return (value & ~mask) | (set ? mask : 0); }

    void prepare(F reg, F mask_field, F shadow_field, uint64_t mask) {
        write(mask_field, if_set(bit.owned, mask));
        write(shadow_field, if_set(bit.shadow, mask));
        write(reg, with(read(reg), mask, bit.real));
        write(F::GUEST_RIP, kCode);
    }
    void prepare_cr0() { prepare(F::GUEST_CR0, F::CR0_GUEST_HOST_MASK, F::CR0_READ_SHADOW, kTs); }
    void prepare_cr4() { prepare(F::GUEST_CR4, F::CR4_GUEST_HOST_MASK, F::CR4_READ_SHADOW, kDe); }
    bool seen() const { return bit.owned ? bit.shadow : bit.real; }
    // After the instruction at kCode, which tried to give the bit this value.
    void expect(Reason reason, F reg, uint64_t mask, bool value) {
        const bool exits = bit.owned && value != bit.shadow;
        ASSERT_EQ(reason, exits ? Reason::CONTROL_REGISTER_ACCESS : Reason::HLT) << value;
        EXPECT_EQ((read(reg) & mask) != 0, bit.owned ? bit.real : value) << value;
    }
};

TEST_P(MaskAndShadow, OfCr0) {
    for (const bool value : {false, true}) {
        prepare_cr0();
        code({0x0f, 0x22, 0xc0, 0xf4});  // mov cr0, rax; hlt
        gprs.set(Gpr::RAX, with(read(F::GUEST_CR0), kTs, value));
        expect(run(), F::GUEST_CR0, kTs, value);
        if (bit.owned && value != bit.shadow) {
            EXPECT_EQ(access(), (CrAccessQualification{0, CrAccessType::MOV_TO, false, Gpr::RAX, 0}));
        }
    }
    prepare_cr0();
    code({0x0f, 0x20, 0xc0, 0xf4});  // mov rax, cr0
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ((gprs.get(Gpr::RAX) & kTs) != 0, seen());
}

TEST_P(MaskAndShadow, OfCr4) {
    for (const bool value : {false, true}) {
        prepare_cr4();
        code({0x0f, 0x22, 0xe0, 0xf4});  // mov cr4, rax; hlt
        gprs.set(Gpr::RAX, with(read(F::GUEST_CR4), kDe, value));
        expect(run(), F::GUEST_CR4, kDe, value);
    }
    prepare_cr4();
    code({0x0f, 0x20, 0xe0, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ((gprs.get(Gpr::RAX) & kDe) != 0, seen());
}

// CLTS: with an owned TS it exits if the shadow is 1, and does nothing if it is 0.
TEST_P(MaskAndShadow, OfClts) {
    prepare_cr0();
    code({0x0f, 0x06, 0xf4});
    expect(run(), F::GUEST_CR0, kTs, false);
    if (bit.owned && bit.shadow) {
        EXPECT_EQ(access(), (CrAccessQualification{0, CrAccessType::CLTS, false, Gpr::RAX, 0}));
    }
}

TEST_P(MaskAndShadow, OfLmsw) {
    for (const bool value : {false, true}) {
        prepare_cr0();
        const auto source = static_cast<uint16_t>(x86::cr0::PE | if_set(value, kTs));
        gprs.set(Gpr::RCX, source);
        code({0x0f, 0x01, 0xf1, 0xf4});  // lmsw cx
        expect(run(), F::GUEST_CR0, kTs, value);
        if (bit.owned && value != bit.shadow) {
            EXPECT_EQ(access(), (CrAccessQualification{0, CrAccessType::LMSW, false, Gpr::RAX, source}));
        }
    }
}

// LMSW can set PE and not clear it: an owned PE exits only if it is set and the shadow is clear.
TEST_P(MaskAndShadow, OfPeInLmsw) {
    if (!bit.real) return;  // this guest is in protected mode
    for (const bool value : {false, true}) {
        prepare(F::GUEST_CR0, F::CR0_GUEST_HOST_MASK, F::CR0_READ_SHADOW, x86::cr0::PE);
        gprs.set(Gpr::RCX, if_set(value, x86::cr0::PE));
        code({0x0f, 0x01, 0xf1, 0xf4});
        EXPECT_EQ(run(), bit.owned && value && !bit.shadow ? Reason::CONTROL_REGISTER_ACCESS : Reason::HLT);
        EXPECT_NE(read(F::GUEST_CR0) & x86::cr0::PE, 0u);
    }
}

TEST_P(MaskAndShadow, OfSmsw) {
    prepare_cr0();
    code({0x0f, 0x01, 0xe0, 0xf4});  // smsw eax
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ((gprs.get(Gpr::RAX) & kTs) != 0, seen());
}

INSTANTIATE_TEST_SUITE_P(All, MaskAndShadow, ::testing::ValuesIn(kBits));

}  // namespace
}  // namespace vtless::sim
