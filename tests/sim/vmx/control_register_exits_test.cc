// SPDX-License-Identifier: MIT
// CR0 and CR4 between guest and hypervisor. SDM Vol. 3C "Instructions That Cause VM Exits Conditionally"
// (26.1.3), "Changes to Instruction Behavior in VMX Non-Root Operation" (26.3).
#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::CrAccessQualification;
using x86::CrAccessType;
using x86::Gpr;
using x86::cr0::EM;
using x86::cr0::MP;
using x86::cr0::PE;
using x86::cr0::TS;

class ControlRegisterExits : public GuestFixture {
  protected:
    void own(uint64_t mask, uint64_t shadow) {
        write(F::CR0_GUEST_HOST_MASK, mask);
        write(F::CR0_READ_SHADOW, shadow);
    }
    void set_cr0_bits(uint64_t bits) { write(F::GUEST_CR0, read(F::GUEST_CR0) | bits); }
    uint64_t cr0_bits(uint64_t mask) { return read(F::GUEST_CR0) & mask; }
    // LMSW of this value exits, or the guest goes on to HLT.
    bool lmsw_exits(uint16_t source) {
        code({0x0f, 0x01, 0xf0, 0xf4});  // lmsw ax; hlt
        gprs.set(Gpr::RAX, source);
        write(F::GUEST_RIP, kCode);
        return run() == Reason::CONTROL_REGISTER_ACCESS;
    }
};

TEST_F(ControlRegisterExits, LmswOfMemoryReportsItsAddressAndData) {
    own(TS, 0);
    write(F::GUEST_GS_BASE, 0x300000);
    put<uint16_t>(0x300010, 0x800b);
    code({0x65, 0x0f, 0x01, 0x34, 0x25, 0x10, 0, 0, 0});  // lmsw gs:[0x10]
    ASSERT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);
    EXPECT_EQ(CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)),
              (CrAccessQualification{0, CrAccessType::LMSW, true, Gpr::RAX, 0x800b}));
    EXPECT_EQ(read(F::GUEST_LINEAR_ADDRESS), 0x300010);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 9);
}

TEST_F(ControlRegisterExits, LmswExitsForOwnedBitsThatDifferOnly) {
    own(TS | EM, TS);
    EXPECT_FALSE(lmsw_exits(TS | MP | PE));
    EXPECT_TRUE(lmsw_exits(MP | PE));
    EXPECT_TRUE(lmsw_exits(TS | EM | PE));
    // PE is never cleared: only setting it can exit.
    own(PE, 0);
    EXPECT_TRUE(lmsw_exits(PE));
    EXPECT_FALSE(lmsw_exits(0));
    own(PE, PE);
    EXPECT_FALSE(lmsw_exits(0));
}

TEST_F(ControlRegisterExits, LmswLeavesOwnedBitsAloneAndPeSet) {
    own(TS, TS);
    set_cr0_bits(EM);
    EXPECT_FALSE(lmsw_exits(TS | MP));
    EXPECT_EQ(cr0_bits(TS | MP | EM | PE), MP | PE);
}

TEST_F(ControlRegisterExits, CltsDoesNothingWhereTheShadowIsClear) {
    own(TS, 0);
    set_cr0_bits(TS);
    code({0x0f, 0x06, 0xf4});  // clts; hlt
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(cr0_bits(TS), TS);
    own(0, TS);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(cr0_bits(TS), 0u);
}

TEST_F(ControlRegisterExits, SmswMixesRegisterAndShadow) {
    own(TS | MP, TS);
    set_cr0_bits(MP | EM);
    code({0x66, 0x0f, 0x01, 0xe0, 0x0f, 0x01, 0x24, 0x25, 0, 0, 0x30, 0, 0xf4});  // smsw ax; smsw [0x300000]
    gprs.set(Gpr::RAX, ~uint64_t{0});
    put<uint32_t>(0x300000, 0x99999999);
    ASSERT_EQ(run(), Reason::HLT);
    const uint64_t low = (read(F::GUEST_CR0) & 0xffff & ~(TS | MP)) | TS;
    EXPECT_EQ(gprs.get(Gpr::RAX), 0xffffffffffff0000 | low);
    EXPECT_EQ(get<uint32_t>(0x300000), 0x99990000 | low);
}

TEST_F(ControlRegisterExits, AWriteThatAgreesWithTheShadowChangesTheGuestsBitsOnly) {
    own(TS | x86::cr0::NE, TS);
    code({0x0f, 0x20, 0xc0, 0x83, 0xc8, 0x02, 0x0f, 0x22, 0xc0,
          0xf4});  // mov rax, cr0; or eax, MP; mov cr0, rax
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(cr0_bits(TS | MP | x86::cr0::NE), MP | x86::cr0::NE);
    EXPECT_EQ(gprs.get(Gpr::RAX) & (TS | MP | x86::cr0::NE), TS | MP);
}

TEST_F(ControlRegisterExits, ValuesThatVmxDoesNotAllowAreGeneralProtection) {
    const auto faults = [&](std::initializer_list<uint8_t> bytes) {
        code(bytes);
        write(F::GUEST_RIP, kCode);
        return run() == Reason::HLT && read(F::GUEST_RIP) == kHandlers + 13 * 16;
    };
    EXPECT_TRUE(faults({0x0f, 0x20, 0xc0, 0x83, 0xe0, 0xdf, 0x0f, 0x22, 0xc0, 0xf4}));  // NE = 0
    EXPECT_TRUE(
        faults({0x0f, 0x20, 0xe0, 0x25, 0xff, 0xdf, 0xff, 0xff, 0x0f, 0x22, 0xe0, 0xf4}));  // VMXE = 0
    EXPECT_TRUE(faults({0x0f, 0x20, 0xe0, 0x0d, 0, 0, 0, 0x40, 0x0f, 0x22, 0xe0, 0xf4}));   // CR4 bit 30
    // The exit of an owned bit comes first.
    write(F::CR4_GUEST_HOST_MASK, uint64_t{1} << 30);
    write(F::GUEST_RIP, kCode);
    EXPECT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);
}

TEST_F(ControlRegisterExits, StoresOfCr3AndCr8NameTheRegister) {
    set_primary(x86::PrimaryControls::CR3_STORE_EXITING | x86::PrimaryControls::CR8_STORE_EXITING |
                x86::PrimaryControls::CR8_LOAD_EXITING);
    code({0x41, 0x0f, 0x20, 0xdb, 0x44, 0x0f, 0x20, 0xc1, 0x45, 0x0f, 0x22, 0xc7});
    ASSERT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);  // mov r11, cr3
    EXPECT_EQ(CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)),
              (CrAccessQualification{3, CrAccessType::MOV_FROM, false, Gpr::R11, 0}));
    ASSERT_EQ(skip(), Reason::CONTROL_REGISTER_ACCESS);  // mov rcx, cr8
    EXPECT_EQ(CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)),
              (CrAccessQualification{8, CrAccessType::MOV_FROM, false, Gpr::RCX, 0}));
    ASSERT_EQ(skip(), Reason::CONTROL_REGISTER_ACCESS);  // mov cr8, r15
    EXPECT_EQ(CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)),
              (CrAccessQualification{8, CrAccessType::MOV_TO, false, Gpr::R15, 0}));
}

}  // namespace
}  // namespace vtless::sim
