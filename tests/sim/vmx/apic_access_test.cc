// SPDX-License-Identifier: MIT
// The APIC-access page. SDM Vol. 3C "Virtualizing Memory-Mapped APIC Accesses" (30.4).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "tests/sim/vmx/apic_fixture.h"

namespace vtless::sim {
namespace {

using x86::ApicAccessQualification;
using x86::ApicAccessType;
using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::PrimaryControls;
using x86::SecondaryControls;
namespace apic = x86::apic_register;

constexpr uint32_t kAccesses = SecondaryControls::VIRTUALIZE_APIC_ACCESSES;
constexpr uint32_t kRegisters = kAccesses | SecondaryControls::APIC_REGISTER_VIRTUALIZATION;

// The APIC-access page is kData, whose offset RSI holds, and which RAM of another content backs.
class ApicAccess : public ApicFixture {
  protected:
    ApicAccess() {
        split(kData);
        write(F::APIC_ACCESS_ADDRESS, (ram + kData).value());
        set_secondary(kRegisters);
        for (uint64_t at = 0; at < 4096; at += 4) put<uint32_t>(kData + at, 0xdddddddd);
    }
    // Runs these bytes, and HLT, with RSI at an offset in the page.
    Reason touch(std::initializer_list<uint8_t> bytes, uint64_t offset) {
        code(bytes);
        code({0xf4}, kCode + bytes.size());
        length = bytes.size();
        gprs.set(Gpr::RSI, kData + offset);
        write(F::GUEST_RIP, kCode);
        return run();
    }
    Reason load32(uint64_t offset) { return touch({0x8b, 0x06}, offset); }   // mov eax, [rsi]
    Reason store32(uint64_t offset) { return touch({0x89, 0x06}, offset); }  // mov [rsi], eax
    void expect_access(ApicAccessType type, unsigned offset) {
        EXPECT_EQ(read(F::EXIT_QUALIFICATION),
                  (ApicAccessQualification{static_cast<uint16_t>(offset), type, false}.encode()));
        EXPECT_EQ(read(F::GUEST_RIP), kCode) << "like a fault";
        EXPECT_EQ(read(F::GUEST_RFLAGS) & x86::rflags::RF, x86::rflags::RF);
    }
    void expect_untouched_ram() {
        for (uint64_t at = 0; at < 4096; at += 4) ASSERT_EQ(get<uint32_t>(kData + at), 0xddddddddu) << at;
    }

    uint64_t length = 0;
};

TEST_F(ApicAccess, WithoutATprShadowEachExits) {
    write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          capability::kPrimary.adjust({{values.primary}}).raw);
    set_secondary(kAccesses);
    ASSERT_EQ(load32(apic::TPR), Reason::APIC_ACCESS);
    expect_access(ApicAccessType::LINEAR_READ, apic::TPR);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 2u) << "undefined, but KVM goes by it";
    ASSERT_EQ(store32(apic::EOI), Reason::APIC_ACCESS);
    expect_access(ApicAccessType::LINEAR_WRITE, apic::EOI);
    expect_untouched_ram();
}

TEST_F(ApicAccess, WithATprShadowOnlyVtprIsRead) {
    set_secondary(kAccesses);
    set_reg(apic::TPR, 0x12345678);
    for (unsigned offset = 0; offset < 0x1000; offset += 0x10) {
        const Reason reason = load32(offset);
        if (offset == apic::TPR) {
            EXPECT_EQ(reason, Reason::HLT);
            EXPECT_EQ(gprs.get(Gpr::RAX), 0x12345678u);
        } else {
            EXPECT_EQ(reason, Reason::APIC_ACCESS) << std::hex << offset;
        }
    }
    ASSERT_EQ(touch({0x8a, 0x06}, apic::TPR), Reason::HLT);  // mov al, [rsi]
    EXPECT_EQ(gprs.get(Gpr::RAX) & 0xff, 0x78u);
    ASSERT_EQ(touch({0x8a, 0x06}, apic::TPR + 1), Reason::APIC_ACCESS) << "the page offset is not 080H";
    expect_access(ApicAccessType::LINEAR_READ, apic::TPR + 1);
}

// The lists of 30.4.2 and 30.4.3.1, register by register.
TEST_F(ApicAccess, RegisterVirtualizationHasItsListOfReads) {
    for (unsigned offset = 0; offset < 0x1000; offset += 0x10) {
        const bool listed = offset == 0x20 || offset == 0x30 || offset == 0x80 || offset == 0xb0 ||
                            offset == 0xd0 || offset == 0xe0 || offset == 0xf0 ||
                            (offset >= 0x100 && offset <= 0x280) || (offset >= 0x300 && offset <= 0x380) ||
                            offset == 0x3e0;
        set_reg(offset, 0xaa000000 | offset);
        const Reason reason = load32(offset);
        ASSERT_EQ(reason, listed ? Reason::HLT : Reason::APIC_ACCESS) << std::hex << offset;
        if (listed) {
            EXPECT_EQ(gprs.get(Gpr::RAX), 0xaa000000 | offset);
        } else {
            expect_access(ApicAccessType::LINEAR_READ, offset);
        }
    }
}

TEST_F(ApicAccess, RegisterVirtualizationHasItsListOfWrites) {
    for (unsigned offset = 0; offset < 0x1000; offset += 0x10) {
        const bool listed = offset == 0x20 || offset == 0x80 || offset == 0xb0 || offset == 0xd0 ||
                            offset == 0xe0 || offset == 0xf0 || offset == 0x280 ||
                            (offset >= 0x300 && offset <= 0x380) || offset == 0x3e0;
        gprs.set(Gpr::RAX, 0xbb000000 | offset);
        const Reason reason = store32(offset);
        if (!listed) {
            ASSERT_EQ(reason, Reason::APIC_ACCESS) << std::hex << offset;
            expect_access(ApicAccessType::LINEAR_WRITE, offset);
            EXPECT_EQ(reg(offset), 0u);
        } else if (offset == apic::TPR || offset == apic::ICR_HIGH) {
            ASSERT_EQ(reason, Reason::HLT) << std::hex << offset;
        } else {
            ASSERT_EQ(reason, Reason::APIC_WRITE) << std::hex << offset;
            EXPECT_EQ(read(F::EXIT_QUALIFICATION), offset);
            EXPECT_EQ(read(F::GUEST_RIP), kCode + length) << "like a trap";
            EXPECT_EQ(read(F::GUEST_RFLAGS) & x86::rflags::RF, 0u);
            EXPECT_EQ(reg(offset), 0xbb000000 | offset);
        }
    }
    expect_untouched_ram();
}

TEST_F(ApicAccess, AWriteOfVtprClearsTheRestAndLooksAtTheThreshold) {
    write(F::TPR_THRESHOLD, 4);
    set_reg(apic::TPR, 0xf0);
    gprs.set(Gpr::RAX, 0x12345647);
    ASSERT_EQ(store32(apic::TPR), Reason::HLT);
    EXPECT_EQ(reg(apic::TPR), 0x47u);
    gprs.set(Gpr::RAX, 0x3f);
    ASSERT_EQ(store32(apic::TPR), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(reg(apic::TPR), 0x3fu);
}

TEST_F(ApicAccess, AWriteOfVicrHighKeepsTheDestinationOnly) {
    gprs.set(Gpr::RAX, 0x87654321);
    ASSERT_EQ(store32(apic::ICR_HIGH), Reason::HLT);
    EXPECT_EQ(reg(apic::ICR_HIGH), 0x87000000u);
}

TEST_F(ApicAccess, OnlyTheLow4BytesOf16AreVirtualized) {
    EXPECT_EQ(touch({0x66, 0x8b, 0x06}, apic::SVR + 2), Reason::HLT);  // mov ax, [rsi]
    EXPECT_EQ(touch({0x66, 0x8b, 0x06}, apic::SVR + 3), Reason::APIC_ACCESS);
    EXPECT_EQ(load32(apic::SVR + 4), Reason::APIC_ACCESS);
    EXPECT_EQ(load32(apic::SVR + 1), Reason::APIC_ACCESS);
    EXPECT_EQ(touch({0x48, 0x8b, 0x06}, apic::SVR), Reason::APIC_ACCESS) << "64 bits";
    expect_access(ApicAccessType::LINEAR_READ, apic::SVR);
}

TEST_F(ApicAccess, AReadModifyWriteIsBoth) {
    set_reg(apic::SVR, 0x0f);
    ASSERT_EQ(touch({0x81, 0x0e, 0x00, 0x01, 0, 0}, apic::SVR), Reason::APIC_WRITE);  // or [rsi], 0x100
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), apic::SVR);
    EXPECT_EQ(reg(apic::SVR), 0x10fu);
    set_reg(apic::ISR, 0x5);
    ASSERT_EQ(touch({0x81, 0x0e, 0x00, 0x01, 0, 0}, apic::ISR), Reason::APIC_ACCESS);
    expect_access(ApicAccessType::LINEAR_WRITE, apic::ISR);
    EXPECT_EQ(reg(apic::ISR), 5u);
    ASSERT_EQ(touch({0xf7, 0x06, 0x01, 0, 0, 0}, apic::ISR), Reason::HLT);  // test dword [rsi], 1
}

TEST_F(ApicAccess, StringInstructionsAccessItOneByOne) {
    set_reg(apic::ISR, 0x11111111);
    gprs.set(Gpr::RDI, kStack - 0x1000);
    gprs.set(Gpr::RCX, 2);
    ASSERT_EQ(touch({0xf3, 0xa5}, apic::ISR), Reason::APIC_ACCESS);  // rep movsd
    EXPECT_EQ(get<uint32_t>(kStack - 0x1000), 0x11111111u);
    EXPECT_EQ(gprs.get(Gpr::RCX), 1u);
    expect_access(ApicAccessType::LINEAR_READ, apic::ISR + 4);
    gprs.set(Gpr::RDI, kData + apic::ESR);
    gprs.set(Gpr::RAX, 0x22);
    ASSERT_EQ(touch({0xab}, 0), Reason::APIC_WRITE);  // stosd
    EXPECT_EQ(reg(apic::ESR), 0x22u);
    EXPECT_EQ(gprs.get(Gpr::RDI), kData + apic::ESR + 4);
}

TEST_F(ApicAccess, WhatIsNotAnOrdinaryLoadOrStoreExits) {
    ASSERT_EQ(touch({0x0f, 0x10, 0x06}, apic::SVR), Reason::APIC_ACCESS);  // movups xmm0, [rsi]
    expect_access(ApicAccessType::LINEAR_READ, apic::SVR);
    ASSERT_EQ(touch({0x0f, 0x01, 0x16}, apic::SVR), Reason::APIC_ACCESS);  // lgdt [rsi]
    expect_access(ApicAccessType::LINEAR_READ, apic::SVR);
    ASSERT_EQ(touch({0x0f, 0x01, 0x06}, apic::SVR), Reason::APIC_ACCESS);  // sgdt [rsi]
    expect_access(ApicAccessType::LINEAR_WRITE, apic::SVR);
}

TEST_F(ApicAccess, AFetchExits) {
    ASSERT_EQ(touch({0xff, 0xe6}, apic::SVR), Reason::APIC_ACCESS);  // jmp rsi
    EXPECT_EQ(read(F::EXIT_QUALIFICATION),
              (ApicAccessQualification{apic::SVR, ApicAccessType::LINEAR_FETCH, false}.encode()));
    EXPECT_EQ(read(F::GUEST_RIP), kData + apic::SVR);
}

TEST_F(ApicAccess, AnEventWhoseFrameGoesThereExits) {
    write(F::GUEST_RSP, kData + 0x400);
    code({0xcd, 0x80});  // int 0x80
    ASSERT_EQ(run(), Reason::APIC_ACCESS);
    const auto how = ApicAccessQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_EQ(how.type, ApicAccessType::LINEAR_EVENT_DELIVERY);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION),
              EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80, false).raw);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 2u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

// 30.4.6.1: with EPT the guest's tables are read by guest-physical address.
TEST_F(ApicAccess, TablesOfTheGuestExit) {
    put<uint64_t>(0x11000 + 3 * 8, (kData + 0x800) | 7);  // of linear 0xc0000000
    gprs.set(Gpr::RBX, 0xc0000000);
    ASSERT_EQ(touch({0x8b, 0x03}, 0), Reason::APIC_ACCESS);  // mov eax, [rbx]
    EXPECT_EQ(ApicAccessQualification::decode(read(F::EXIT_QUALIFICATION)).type,
              ApicAccessType::PHYSICAL_FETCH_OR_EXECUTION);
    write(F::GUEST_IDTR_BASE, 0xc0000000);
    ASSERT_EQ(touch({0xcd, 0x80}, 0), Reason::APIC_ACCESS);
    EXPECT_EQ(ApicAccessQualification::decode(read(F::EXIT_QUALIFICATION)).type,
              ApicAccessType::PHYSICAL_EVENT_DELIVERY);
}

// 30.4.1: faults and EPT violations come before.
TEST_F(ApicAccess, PageFaultsAndEptViolationsComeFirst) {
    write(F::EXCEPTION_BITMAP, 1u << 14);
    set_entry(kData, x86::ept::WRITE);
    ASSERT_EQ(store32(apic::SVR), Reason::EPT_VIOLATION);
    ASSERT_EQ(load32(apic::SVR), Reason::HLT);
    put<uint64_t>(0x12000 + (kData >> 21) * 8, 0);
    EXPECT_TRUE(hw->invept(x86::InveptType::ALL_CONTEXT, {}).ok());
    ASSERT_EQ(load32(apic::SVR), Reason::EXCEPTION_OR_NMI);
}

TEST_F(ApicAccess, OtherLinearAddressesOfThePageCountToo) {
    put<uint64_t>(0x12000 + 20 * 8, (kData & ~0x1fffffull) | 0x87);  // linear 40 MiB
    set_reg(apic::SVR, 0x77);
    gprs.set(Gpr::RBX, (20ull << 21) + (kData & 0x1fffff) + apic::SVR);
    ASSERT_EQ(touch({0x8b, 0x03}, 0), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0x77u);
}

// Whether through one linear page or through two.
TEST_F(ApicAccess, OfAMoveWithinThePageOneOperandExits) {
    put<uint64_t>(0x12000 + 20 * 8, (kData & ~0x1fffffull) | 0x87);
    const uint64_t alias = (20ull << 21) + (kData & 0x1fffff);
    gprs.set(Gpr::RDI, kData + apic::ESR);
    EXPECT_EQ(touch({0xa5}, apic::SVR), Reason::APIC_ACCESS);
    gprs.set(Gpr::RDI, alias + apic::ESR);
    ASSERT_EQ(touch({0xa5}, apic::SVR), Reason::APIC_ACCESS);
    expect_access(ApicAccessType::LINEAR_WRITE, apic::ESR);
    EXPECT_EQ(gprs.get(Gpr::RDI), alias + apic::ESR) << "nothing has happened";
}

TEST_F(ApicAccess, WithoutTheControlThePageIsMemory) {
    ASSERT_EQ(load32(apic::SVR), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0u);
    set_secondary(0);
    ASSERT_EQ(load32(apic::SVR), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0xddddddddu);
    set_secondary(kRegisters);
    ASSERT_EQ(load32(apic::SVR), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0u) << "what the Mmu remembers of the page is gone";
}

TEST_F(ApicAccess, TheNextPageIsMemory) {
    ASSERT_EQ(load32(0x1000), Reason::HLT);
    ASSERT_EQ(store32(0x1000), Reason::HLT);
    EXPECT_EQ(load32(0xffe), Reason::APIC_ACCESS) << "across its end";
    EXPECT_EQ(load32(uint64_t(-2)), Reason::APIC_ACCESS) << "across its begin";
    expect_access(ApicAccessType::LINEAR_READ, 0);
}

TEST_F(ApicAccess, ASingleStepTrapsBehindAVirtualizedAccess) {
    write(F::EXCEPTION_BITMAP, 1u << 1);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    ASSERT_EQ(load32(apic::SVR), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    ASSERT_EQ(store32(apic::SVR), Reason::APIC_WRITE);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::BS);
}

TEST_F(ApicAccess, TheMonitorTrapFlagExitsBehindAVirtualizedAccess) {
    set_primary(PrimaryControls::USE_TPR_SHADOW | PrimaryControls::MONITOR_TRAP_FLAG);
    set_reg(apic::SVR, 5);
    ASSERT_EQ(load32(apic::SVR), Reason::MONITOR_TRAP_FLAG);
    EXPECT_EQ(gprs.get(Gpr::RAX), 5u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

TEST_F(ApicAccess, WithoutEptTheAddressIsThatOfPaging) {
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, kAccesses | SecondaryControls::ENABLE_VPID);
    write(F::APIC_ACCESS_ADDRESS, kData);
    for (const auto& [at, bytes] : {std::pair<uint64_t, uint64_t>{kPml4, 0x5000},
                                    {0x40000, 0x2000},
                                    {kIdt, 0x1000},
                                    {kCode, 0x1000},
                                    {kHandlers, 0x1000}})
        std::memcpy(memory.map(Hpa(at)), memory.map(ram + at), bytes);
    const uint8_t load[] = {0x8b, 0x04, 0x25, 0x80, 0, 0x40, 0, 0xf4};  // mov eax, [kData + 0x80]; hlt
    std::memcpy(memory.map(Hpa(kCode)), load, sizeof load);
    set_reg(apic::TPR, 0x42);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0x42u);
}

// ------------------------------------------------------------------- 27.7.7: the threshold at VM entry

class ThresholdAtEntry : public ApicAccess {
  protected:
    ThresholdAtEntry() {
        set_secondary(kAccesses);
        code({0xf4});
        set_reg(apic::TPR, 0x4f);
        write(F::TPR_THRESHOLD, 5);
    }
};

TEST_F(ThresholdAtEntry, AboveVtprExits) {
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    write(F::TPR_THRESHOLD, 4);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(ThresholdAtEntry, ComesAfterInjectionAndBeforeOtherEvents) {
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION,
          EventInfo::make(EventType::EXTERNAL_INTERRUPT, 0x40, false).raw);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    hw->raise_init();
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{0x40} * 16);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), 0u);
    write(F::TPR_THRESHOLD, 4);
    EXPECT_EQ(run(), Reason::INIT_SIGNAL);
}

TEST_F(ThresholdAtEntry, WakesFromHltButNotFromShutdown) {
    write(F::GUEST_ACTIVITY_STATE, 1);
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD);
    write(F::GUEST_ACTIVITY_STATE, 2);
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
    write(F::GUEST_ACTIVITY_STATE, 2);
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::EXTERNAL_INTERRUPT_EXITING}}).raw);
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::TPR_BELOW_THRESHOLD) << "after the NMI has ended the shutdown";
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{2} * 16);
}

}  // namespace
}  // namespace vtless::sim
