// SPDX-License-Identifier: MIT
// Which exceptions exit. SDM Vol. 3C "Exception Bitmap" (25.6.3), "Other Causes of VM Exits" (26.2).
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "isa/x86/event_info.h"
#include "isa/x86/exception.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::Vector;

class ExceptionBitmap : public GuestFixture {
  protected:
    EventInfo interruption() {
        return EventInfo{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))};
    }
    void restart(uint32_t bitmap) {
        write(F::EXCEPTION_BITMAP, bitmap);
        write(F::GUEST_RIP, kCode);
        write(F::GUEST_RSP, kStack);
        write(F::GUEST_INTERRUPTIBILITY_STATE, 0);
        write(F::GUEST_ACTIVITY_STATE, 0);
    }
};

struct Raised {
    const char* what;
    std::vector<uint8_t> bytes;  // the last instruction raises it
    Vector vector;
    EventType type = EventType::HARDWARE_EXCEPTION;
    bool has_error_code = false;
    uint32_t error_code = 0;
    uint8_t fault_at = 0;  // offset of that instruction
    bool task_switched = false;
};

constexpr auto kSoftware = EventType::SOFTWARE_EXCEPTION;
constexpr auto kPrivileged = EventType::PRIVILEGED_SOFTWARE_EXCEPTION;
constexpr auto kHardware = EventType::HARDWARE_EXCEPTION;

const std::vector<Raised>& raised() {
    static const std::vector<Raised> all = {
        {"div", {0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1}, Vector::DE, kHardware, false, 0, 4},
        {"int1", {0xf1}, Vector::DB, kPrivileged},
        {"int3", {0xcc}, Vector::BP, kSoftware},
        {"ud2", {0x0f, 0x0b}, Vector::UD},
        {"fld with CR0.TS", {0xd9, 0xc0}, Vector::NM, kHardware, false, 0, 0, true},
        {"mov ds, 0x18", {0xb8, 0x18, 0, 0, 0, 0x8e, 0xd8}, Vector::NP, kHardware, true, 0x18, 5},
        {"mov rax, [rbp]", {0x48, 0x8b, 0x45, 0x00}, Vector::SS, kHardware, true, 0},
        {"mov ds, 0x1000", {0xb8, 0, 0x10, 0, 0, 0x8e, 0xd8}, Vector::GP, kHardware, true, 0x1000, 5},
        {"mov [0x3f000000], eax", {0x89, 0x04, 0x25, 0, 0, 0, 0x3f}, Vector::PF, kHardware, true, 2},
        {"fwait after a division by zero",
         {0xdb, 0xe3, 0xd9, 0x2c, 0x25, 0, 0, 0x30, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b},
         Vector::MF,
         kHardware,
         false,
         0,
         15},
    };
    return all;
}

class EachException : public ExceptionBitmap, public ::testing::WithParamInterface<size_t> {
  protected:
    EachException() : one(raised()[GetParam()]) {
        put<uint64_t>(values.gdt + 0x18, 0x00cf13000000ffff);  // not present
        put<uint64_t>(0x12000 + 8 * (0x3f000000u >> 21), 0);   // not present
        put<uint16_t>(0x300000, 0x0300);                       // no x87 exception masked
        gprs.set(Gpr::RBP, 0x8000000000000000);
        std::copy(one.bytes.begin(), one.bytes.end(), memory.map(ram + kCode));
        memory.note_write(ram + kCode, one.bytes.size());
        if (one.task_switched) write(F::GUEST_CR0, read(F::GUEST_CR0) | x86::cr0::TS);
        if (one.vector == Vector::PF) {
            write(F::PAGE_FAULT_ERROR_CODE_MASK, 0);
            write(F::PAGE_FAULT_ERROR_CODE_MATCH, 0);
        }
    }
    const Raised& one;
};

TEST_P(EachException, ExitsByItsOwnBit) {
    restart(1u << static_cast<unsigned>(one.vector));
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI) << one.what;
    EXPECT_EQ(interruption().vector(), static_cast<uint8_t>(one.vector));
    EXPECT_EQ(interruption().type(), one.type);
    EXPECT_EQ(interruption().has_error_code(), one.has_error_code);
    if (one.has_error_code) {
        EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_ERROR_CODE), one.error_code);
    }
    EXPECT_EQ(read(F::GUEST_RIP), kCode + one.fault_at) << "a fault, or as one for software exceptions";
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.valid(), false);
    const bool software = one.type != kHardware;
    if (software) {
        EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 1u);
    }
}

TEST_P(EachException, ReachesTheGuestWhenOnlyTheOtherBitsAreSet) {
    restart(~(1u << static_cast<unsigned>(one.vector)));
    ASSERT_EQ(run(), Reason::HLT) << one.what;
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + static_cast<uint64_t>(one.vector) * 16);
}

INSTANTIATE_TEST_SUITE_P(All, EachException, ::testing::Range<size_t>(0, raised().size()));

// INT n is none of them.
TEST_F(ExceptionBitmap, SoftwareInterruptsNeverExit) {
    code({0xcd, 13});
    restart(~uint32_t{0});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{13} * 16);
}

// Nor is an NMI, vector 2.
TEST_F(ExceptionBitmap, NmisAreNotExceptions) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::EXTERNAL_INTERRUPT_EXITING}}).raw);
    code({0x90});
    restart(~uint32_t{0});
    hw->raise_nmi();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{2} * 16);
}

// 28.2.4: the double fault exits by its bit, as an exit that is not one during delivery.
TEST_F(ExceptionBitmap, ADoubleFaultExitsByItsOwnBit) {
    code({0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1});
    put<uint64_t>(kIdt, 0);  // no gate for #DE: #GP
    restart(1u << 8);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(interruption().vector(), 8);
    EXPECT_TRUE(interruption().has_error_code());
    EXPECT_FALSE(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.valid());
    restart(1u << 13);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI) << "the fault of the delivery exits before they combine";
    EXPECT_EQ(interruption().vector(), 13);
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.vector(), 0);
    restart(0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{8} * 16);
}

// Bit 14 says what happens when PFEC & mask equals match; otherwise the opposite happens. The fault is a
// supervisor's write to a page that is not there: error code 2.
TEST_F(ExceptionBitmap, PageFaultsExitByBitMaskAndMatch) {
    struct Case {
        bool bit;
        uint32_t mask, match;
        bool exits;
    };
    const Case cases[] = {
        {true, 0, 0, true},    {false, 0, 0, false},    // every page fault matches
        {true, 0, 1, false},   {false, 0, 1, true},     // none does
        {true, ~0u, 2, true},  {false, ~0u, 2, false},  // this one does
        {true, ~0u, 3, false}, {false, ~0u, 3, true},   // those of present pages
        {true, 1, 0, true},    {false, 1, 0, false},    // those of absent pages
        {true, 4, 4, false},   {false, 4, 4, true},     // those of user mode
        {true, 2, 2, true},    {false, 2, 2, false},    // writes
        {true, 2, 3, false},   {false, 2, 3, true},     // a match outside the mask: none
    };
    code({0x89, 0x04, 0x25, 0, 0, 0, 0x3f});
    put<uint64_t>(0x12000 + 8 * (0x3f000000u >> 21), 0);
    for (const Case& one : cases) {
        write(F::PAGE_FAULT_ERROR_CODE_MASK, one.mask);
        write(F::PAGE_FAULT_ERROR_CODE_MATCH, one.match);
        restart(one.bit ? 1u << 14 : ~(1u << 14));
        const Reason reason = run();
        EXPECT_EQ(reason, one.exits ? Reason::EXCEPTION_OR_NMI : Reason::HLT)
            << one.bit << " " << one.mask << " " << one.match;
        if (one.exits) {
            EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0x3f000000u);
        }
        if (!one.exits) {
            EXPECT_EQ(hw->read_cr2(), 0x3f000000u);
        }
        EXPECT_TRUE(hw->write_cr2(0).ok());
    }
}

}  // namespace
}  // namespace vtless::sim
