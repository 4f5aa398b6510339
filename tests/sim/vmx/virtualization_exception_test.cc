// SPDX-License-Identifier: MIT
// EPT violations that become #VE. SDM Vol. 3C "Virtualization Exceptions" (26.5.7).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::SecondaryControls;
namespace ept = x86::ept;

class VirtualizationException : public EptFixture {
  protected:
    static constexpr uint64_t kHandler = kHandlers + uint64_t{20} * 16;

    VirtualizationException() {
        split(kData);
        area = frame();
        set_secondary(SecondaryControls::EPT_VIOLATION_VE);
        write(F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, area.value());
        write(F::EPTP_INDEX, 0x1234);
        gprs.set(Gpr::RBX, kData + 0x18);
        code({0x90, 0x89, 0x03, 0xf4});  // nop; mov [rbx], eax; hlt
    }
    template <class T>
    T saved(uint64_t offset) {
        T value;
        std::memcpy(&value, memory.map(area) + offset, sizeof value);
        return value;
    }
    void expect_violation() {
        ASSERT_EQ(run(), Reason::EPT_VIOLATION);
        EXPECT_EQ(read(F::GUEST_RIP), kCode + 1);
    }

    Hpa area;
};

TEST_F(VirtualizationException, IsDeliveredWithItsInformation) {
    set_entry(kData, ept::WRITE);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandler);
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode + 1) << "a fault without an error code";
    EXPECT_NE(get<uint64_t>(kStack - 24) & x86::rflags::RF, 0u);
    EXPECT_EQ(saved<uint32_t>(0), 48u);
    EXPECT_EQ(saved<uint32_t>(4), 0xffffffffu);
    EXPECT_EQ(saved<uint64_t>(8), Qualification::WRITE | Qualification::READABLE | Qualification::EXECUTABLE |
                                      Qualification::LINEAR_ADDRESS_VALID | Qualification::FINAL_TRANSLATION |
                                      Qualification::USER_LINEAR_ADDRESS |
                                      Qualification::LINEAR_ADDRESS_WRITABLE);
    EXPECT_EQ(saved<uint64_t>(16), kData + 0x18);
    EXPECT_EQ(saved<uint64_t>(24), kData + 0x18);
    EXPECT_EQ(saved<uint16_t>(32), 0x1234u);
}

TEST_F(VirtualizationException, IsAboutPagesThatAreNotPresentToo) {
    set_entry(kData, ~uint64_t{0});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandler);
}

// 26.5.7.1: bit 63 of the entry that is not present, or of the leaf.
TEST_F(VirtualizationException, TheSuppressBitMakesAnExit) {
    set_entry(kData, ept::WRITE, ept::SUPPRESS_VE);
    expect_violation();
    set_entry(kData, ~uint64_t{0}, ept::SUPPRESS_VE);
    expect_violation();
    EXPECT_EQ(saved<uint32_t>(4), 0u) << "nothing is saved";
    set_entry(kData, ~uint64_t{0});
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(VirtualizationException, TheSuppressBitOfEntriesAboveIsIgnored) {
    const Hpa pml4(x86::Eptp{eptp}.root());
    put_host(pml4, host(pml4) | ept::SUPPRESS_VE);
    set_entry(kData, ept::WRITE);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandler);
}

TEST_F(VirtualizationException, ABusyAreaMakesAnExit) {
    set_entry(kData, ept::WRITE);
    put_host<uint32_t>(area + 4, 1);
    expect_violation();
    put_host<uint32_t>(area + 4, 0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandler);
}

TEST_F(VirtualizationException, WithoutTheControlThereIsNone) {
    set_secondary(0);
    set_entry(kData, ept::WRITE);
    expect_violation();
}

TEST_F(VirtualizationException, ObeysTheExceptionBitmapAfterItIsSaved) {
    write(F::EXCEPTION_BITMAP, 1u << 20);
    set_entry(kData, ept::WRITE);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    const EventInfo info{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))};
    EXPECT_EQ(info.vector(), 20);
    EXPECT_EQ(info.type(), EventType::HARDWARE_EXCEPTION);
    EXPECT_FALSE(info.has_error_code());
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 1);
    EXPECT_EQ(saved<uint32_t>(4), 0xffffffffu);
}

TEST_F(VirtualizationException, IsNotRaisedWhileAnEventIsDelivered) {
    set_entry(kData, ept::WRITE);
    write(F::GUEST_RSP, kData + 0x800);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::HARDWARE_EXCEPTION, 6, false).raw);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.vector(), 6);
    EXPECT_EQ(saved<uint32_t>(4), 0u);
}

// Its own delivery faults: the exit is one during the delivery of vector 20, and the area is busy.
TEST_F(VirtualizationException, AViolationDuringItsDeliveryExits) {
    set_entry(kData, ept::WRITE);
    write(F::GUEST_RSP, kData + 0x800);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.vector(), 20);
    EXPECT_EQ(saved<uint64_t>(16), kData + 0x18);
    EXPECT_EQ(read(F::GUEST_LINEAR_ADDRESS), kData + 0x7f8);
}

// 26.5.7.3: for double faults it is as a page fault.
TEST_F(VirtualizationException, AContributoryFaultDuringItsDeliveryIsADoubleFault) {
    set_entry(kData, ept::WRITE);
    put<uint64_t>(kIdt + uint64_t{20} * 16, 0);
    write(F::EXCEPTION_BITMAP, 1u << 8);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))}.vector(), 8);
}

TEST_F(VirtualizationException, NeedsProtectedMode) {
    write(F::VM_ENTRY_CONTROLS, capability::kEntry.adjust({{x86::EntryControls::LOAD_IA32_EFER}}).raw);
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CR0, x86::cr0::NE | x86::cr0::ET);
    write(F::GUEST_CR4, x86::cr4::VMXE);
    write(F::GUEST_CS_SELECTOR, 0);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0x93);
    write(F::GUEST_CS_LIMIT, 0xffff);
    write(F::GUEST_RIP, 0x8000);
    split(0);
    set_entry(0x9000, ept::WRITE);
    code({0xa3, 0x00, 0x90}, 0x8000);  // mov [0x9000], ax
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_RIP), 0x8000u);
}

TEST_F(VirtualizationException, MisconfigurationsExit) {
    set_entry(kData, ept::RWX, ept::WRITE);
    EXPECT_EQ(run(), Reason::EPT_MISCONFIGURATION);
}

// The guest's own handler repairs: clears the busy word, and goes around the instruction.
TEST_F(VirtualizationException, TheGuestCanHandleItAndGoOn) {
    set_entry(kData, ept::WRITE);
    const Hpa page = ram + 0x600000;
    write(F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, page.value());
    // mov dword [0x600004], 0; add qword [rsp], 2; iretq
    code({0xc7, 0x04, 0x25, 0x04, 0, 0x60, 0, 0, 0, 0, 0, 0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xcf},
         0x190000);
    put<uint64_t>(kIdt + uint64_t{20} * 16, 0x8e00'0008'0000ull | uint64_t{0x19} << 48);
    code({0x89, 0x03, 0x89, 0x03, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 4);
    EXPECT_EQ(get<uint32_t>(0x600000), 48u);
    EXPECT_EQ(get<uint32_t>(0x600004), 0u);
}

}  // namespace
}  // namespace vtless::sim
