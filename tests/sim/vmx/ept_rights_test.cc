// SPDX-License-Identifier: MIT
// What EPT permits and reports: execute-only pages, mode-based execute control, five levels, and what is said
// of the linear address. SDM Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3), table 28-7.
#include <gtest/gtest.h>

#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SecondaryControls;
namespace ept = x86::ept;

class EptRights : public EptFixture {
  protected:
    EptRights() {
        split(kData);
        code({0xff, 0xe3});         // jmp rbx
        code({0x0f, 0xa2}, kData);  // cpuid
        gprs.set(Gpr::RBX, kData);
    }
    void set_rights(uint64_t rights) { set_entry(kData, ept::RWX | ept::USER_EXECUTE, rights); }
    void read_it() { code({0x8b, 0x03, 0xf4}); }   // mov eax, [rbx]; hlt
    void write_it() { code({0x89, 0x03, 0xf4}); }  // mov [rbx], eax; hlt
    void supervisor_page() { put<uint64_t>(0x12000 + (kData >> 21) * 8, kData | 0x83); }
    void at_cpl3() {
        write(F::GUEST_CS_SELECTOR, 0x1b);
        write(F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
        write(F::GUEST_SS_SELECTOR, 0x23);
        write(F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    }
    // Enters, and expects a violation of kData with these bits, of those that say what was tried and
    // permitted.
    void expect_violation(uint64_t expected) {
        constexpr uint64_t kRights = bit_range(8, 0);
        ASSERT_EQ(run(), Reason::EPT_VIOLATION);
        EXPECT_EQ(qualification().raw & kRights,
                  expected | Qualification::LINEAR_ADDRESS_VALID | Qualification::FINAL_TRANSLATION);
        EXPECT_EQ(read(F::GUEST_PHYSICAL_ADDRESS), kData);
        EXPECT_EQ(read(F::GUEST_LINEAR_ADDRESS), kData);
    }
};

TEST_F(EptRights, ExecuteOnlyPagesRunAndCannotBeRead) {
    set_rights(ept::EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kData);
    write(F::GUEST_RIP, kCode);
    read_it();
    expect_violation(Qualification::READ | Qualification::EXECUTABLE);
    write_it();
    expect_violation(Qualification::WRITE | Qualification::EXECUTABLE);
}

constexpr VmxCapabilities without_execute_only() {
    VmxCapabilities can = kEngineCapabilities;
    can.ept_vpid.raw &= ~x86::EptVpidCapability::kExecuteOnly;
    return can;
}
class NoExecuteOnly : public EptFixture {
  protected:
    NoExecuteOnly() : EptFixture(without_execute_only()) {}
};

TEST_F(NoExecuteOnly, IsAMisconfiguration) {
    split(kData);
    set_entry(kData, ept::RWX, ept::EXECUTE);
    code({0xff, 0xe3});
    gprs.set(Gpr::RBX, kData);
    ASSERT_EQ(run(), Reason::EPT_MISCONFIGURATION);
    EXPECT_EQ(read(F::GUEST_PHYSICAL_ADDRESS), kData);
}

class ModeBasedExecute : public EptRights {
  protected:
    ModeBasedExecute() {
        set_secondary(SecondaryControls::MODE_BASED_EXECUTE_CONTROL_FOR_EPT);
        // All of the guest is there for both modes, at first.
        for (uint64_t at = 0; at < kGuestBytes; at += 2u << 20) {
            if (at != (kData & ~uint64_t{0x1fffff})) set_entry(at, 0, ept::USER_EXECUTE);
        }
        open_tables(kData);
        set_rights(ept::RWX | ept::USER_EXECUTE);
    }
    // Rights are those of all levels.
    void open_tables(uint64_t gpa) {
        Hpa at(x86::Eptp{eptp}.root());
        for (unsigned level = 4; level > 1; --level) {
            const Hpa entry = at + ept::table_index(level, gpa) * uint64_t{8};
            put_host(entry, host(entry) | ept::USER_EXECUTE);
            at = Hpa(ept::table_address(host(entry)));
        }
    }
};

TEST_F(ModeBasedExecute, PagesOfUserModeRunByBit10) {
    set_rights(ept::READ | ept::USER_EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID) << "supervisor code on a user-mode address";
    write(F::GUEST_RIP, kCode);
    at_cpl3();
    EXPECT_EQ(run(), Reason::CPUID);
    write(F::GUEST_RIP, kCode);
    set_rights(ept::READ | ept::EXECUTE);
    expect_violation(Qualification::FETCH | Qualification::READABLE | Qualification::EXECUTABLE);
}

TEST_F(ModeBasedExecute, PagesOfSupervisorModeRunByBit2) {
    supervisor_page();
    set_rights(ept::READ | ept::EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID);
    write(F::GUEST_RIP, kCode);
    set_rights(ept::READ | ept::USER_EXECUTE);
    expect_violation(Qualification::FETCH | Qualification::READABLE | Qualification::USER_EXECUTABLE);
}

// Table 28-7, bit 9: without paging every linear address is a user-mode one.
TEST_F(ModeBasedExecute, WithoutPagingAddressesAreOfUserMode) {
    write(F::VM_ENTRY_CONTROLS, capability::kEntry.adjust({{x86::EntryControls::LOAD_IA32_EFER}}).raw);
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CR0, x86::cr0::NE | x86::cr0::ET | x86::cr0::PE);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xc09b);
    set_rights(ept::READ | ept::EXECUTE);
    expect_violation(Qualification::FETCH | Qualification::READABLE | Qualification::EXECUTABLE);
    set_rights(ept::READ | ept::USER_EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(ModeBasedExecute, APageWithBit10OnlyIsPresent) {
    set_rights(ept::USER_EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID);
    write(F::GUEST_RIP, kCode);
    read_it();
    expect_violation(Qualification::READ | Qualification::USER_EXECUTABLE);
}

TEST_F(ModeBasedExecute, WithoutTheControlBit10IsIgnored) {
    set_secondary(0);
    set_rights(ept::USER_EXECUTE);
    expect_violation(Qualification::FETCH);
    set_rights(ept::READ | ept::EXECUTE);
    EXPECT_EQ(run(), Reason::CPUID);
    write(F::GUEST_RIP, kCode);
    set_rights(ept::READ | ept::USER_EXECUTE);
    expect_violation(Qualification::FETCH | Qualification::READABLE);
}

TEST_F(EptRights, FiveLevelsTranslateAsFour) {
    const Hpa top = frame();
    put_host(top, (eptp & ept::kAddress) | ept::RWX);
    write(F::EPT_POINTER, x86::Eptp::make(top.value(), 5).raw);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kData);
    put_host(top, (eptp & ept::kAddress) | ept::READ | ept::WRITE);
    EXPECT_TRUE(hw->invept(x86::InveptType::ALL_CONTEXT, {}).ok());
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_TRUE(qualification().fetch());
    EXPECT_FALSE(qualification().executable()) << "the rights are those of all five levels";
}

class LinearAddressInformation : public EptRights {
  protected:
    static constexpr uint64_t kUser = Qualification::USER_LINEAR_ADDRESS;
    static constexpr uint64_t kWritable = Qualification::LINEAR_ADDRESS_WRITABLE;
    static constexpr uint64_t kNoExecute = Qualification::LINEAR_ADDRESS_EXECUTE_DISABLED;
    uint64_t of_page(uint64_t guest_entry) {
        put<uint64_t>(0x12000 + (kData >> 21) * 8, kData | guest_entry);
        EXPECT_EQ(run(), Reason::EPT_VIOLATION);
        return qualification().raw & bit_range(11, 9);
    }
};

TEST_F(LinearAddressInformation, IsWhatGuestPagingSays) {
    set_rights(0);
    read_it();
    EXPECT_EQ(of_page(0xe7), kUser | kWritable);
    EXPECT_EQ(of_page(0xe3), kWritable);
    EXPECT_EQ(of_page(0xe5), kUser);
    EXPECT_EQ(of_page(0xe1 | uint64_t{1} << 63), kNoExecute);
}

constexpr VmxCapabilities without_information() {
    VmxCapabilities can = kEngineCapabilities;
    can.ept_vpid.raw &= ~x86::EptVpidCapability::kAdvancedExitInformation;
    return can;
}
class NoLinearAddressInformation : public EptFixture {
  protected:
    NoLinearAddressInformation() : EptFixture(without_information()) {}
};

TEST_F(NoLinearAddressInformation, IsZero) {
    split(kData);
    set_entry(kData, ept::RWX);
    gprs.set(Gpr::RBX, kData);
    code({0x8b, 0x03});
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(qualification().raw & bit_range(11, 9), 0u);
}

}  // namespace
}  // namespace vtless::sim
