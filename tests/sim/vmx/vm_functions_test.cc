// SPDX-License-Identifier: MIT
// SDM Vol. 3C "VM Functions" (26.5.6).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SecondaryControls;

class VmFunctions : public EptFixture {
  protected:
    static constexpr uint64_t kOther = 5;  // index of the EPTP below which kData is another page

    VmFunctions() {
        list = frame();
        other = copy_of_ept();
        other_ram = ram + (32u << 20);
        put_host(entry_of(kData, other), other_ram.value() | x86::ept::RWX | x86::ept::LARGE | 6u << 3);
        put_host(list, eptp);
        put_host(list + kOther * 8, other);
        put_host(list + uint64_t{511} * 8, other);
        set_secondary(SecondaryControls::ENABLE_VM_FUNCTIONS);
        write(F::VM_FUNCTION_CONTROLS, 1);
        write(F::EPTP_LIST_ADDRESS, list.value());
        put<uint64_t>(kData, 0x1111);
        put_host<uint64_t>(other_ram, 0x2222);
        // mov rbx, [kData]; vmfunc; mov rdx, [kData]; hlt
        code({0x48, 0x8b, 0x1c, 0x25, 0,    0, 0x40, 0,    0x0f, 0x01,
              0xd4, 0x48, 0x8b, 0x14, 0x25, 0, 0,    0x40, 0,    0xf4});
        gprs.set(Gpr::RAX, 0xdeadbeef00000000);
        gprs.set(Gpr::RCX, 0xdeadbeef00000000 | kOther);
    }
    void expect_exit() {
        EXPECT_EQ(read(F::GUEST_RIP), kCode + 8);
        EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 3u);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
        EXPECT_EQ(read(F::EPT_POINTER), eptp);
    }

    Hpa list, other_ram;
    uint64_t other = 0;
};

TEST_F(VmFunctions, EptpSwitchingChangesWhatIsMapped) {
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 0x1111u);
    EXPECT_EQ(gprs.get(Gpr::RDX), 0x2222u);
    EXPECT_EQ(read(F::EPT_POINTER), other);
    EXPECT_EQ(read(F::EPTP_INDEX), 0u) << "only with EPT-violation #VE";
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 0x2222u) << "the EPTP of the VMCS is the new one";
}

TEST_F(VmFunctions, EptpSwitchingSavesTheIndexWithEptViolationVe) {
    set_secondary(SecondaryControls::ENABLE_VM_FUNCTIONS | SecondaryControls::EPT_VIOLATION_VE);
    write(F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, frame().value());
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::EPTP_INDEX), kOther);
}

TEST_F(VmFunctions, TheLastIndexIs511) {
    gprs.set(Gpr::RCX, 511);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RDX), 0x2222u);
}

TEST_F(VmFunctions, AnIndexOf512Exits) {
    gprs.set(Gpr::RCX, 512);
    ASSERT_EQ(run(), Reason::VMFUNC);
    expect_exit();
}

TEST_F(VmFunctions, AnEptpThatVmEntryWouldRefuseExits) {
    for (const uint64_t bad : {uint64_t{0}, other | 1u << 7, (other & ~uint64_t{7}) | 1,
                               other | uint64_t{1} << capability::kPhysicalBits}) {
        put_host(list + kOther * 8, bad);
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::VMFUNC) << std::hex << bad;
        expect_exit();
    }
}

TEST_F(VmFunctions, OthersExit) {
    for (const uint64_t function : {1u, 63u, 64u, 0x80000000u}) {
        gprs.set(Gpr::RAX, function);
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::VMFUNC) << function;
        expect_exit();
    }
}

TEST_F(VmFunctions, AFunctionThatIsNotEnabledExits) {
    write(F::VM_FUNCTION_CONTROLS, 0);
    ASSERT_EQ(run(), Reason::VMFUNC);
    expect_exit();
}

TEST_F(VmFunctions, WithoutTheControlVmfuncIsUndefined) {
    set_secondary(0);
    write(F::EXCEPTION_BITMAP, 1u << 6);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 8);
}

TEST_F(VmFunctions, APrefixMakesItUndefined) {
    write(F::EXCEPTION_BITMAP, 1u << 6);
    for (const uint8_t prefix : std::initializer_list<uint8_t>{0x66, 0xf2, 0xf3, 0xf0}) {
        code({prefix, 0x0f, 0x01, 0xd4});
        EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI) << unsigned{prefix};
    }
}

// 26.5.6.2: at any CPL.
TEST_F(VmFunctions, WorkAtCpl3) {
    write(F::GUEST_CS_SELECTOR, 0x1b);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    write(F::GUEST_SS_SELECTOR, 0x23);
    write(F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    write(F::EXCEPTION_BITMAP, 1u << 13);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);  // HLT
    EXPECT_EQ(gprs.get(Gpr::RDX), 0x2222u);
}

TEST_F(VmFunctions, WorkInRealMode) {
    write(F::VM_ENTRY_CONTROLS, capability::kEntry.adjust({{x86::EntryControls::LOAD_IA32_EFER}}).raw);
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CR0, x86::cr0::NE | x86::cr0::ET);
    write(F::GUEST_CR4, x86::cr4::VMXE);
    write(F::GUEST_CS_SELECTOR, 0);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0x93);
    write(F::GUEST_CS_LIMIT, 0xffff);
    write(F::GUEST_RIP, 0x8000);
    code({0x0f, 0x01, 0xd4, 0xf4}, 0x8000);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::EPT_POINTER), other);
}

}  // namespace
}  // namespace vtless::sim
