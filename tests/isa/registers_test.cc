// SPDX-License-Identifier: MIT
#include "isa/x86/registers.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "isa/x86/control_regs.h"
#include "isa/x86/exception.h"
#include "isa/x86/rflags.h"

namespace vtless::x86 {
namespace {

static_assert(static_cast<int>(Gpr::RSP) == 4 && static_cast<int>(Gpr::RDI) == 7 &&
              static_cast<int>(Gpr::R15) == 15);
static_assert(static_cast<int>(SegmentRegister::GS) == 5 && static_cast<int>(SegmentRegister::TR) == 7);

static_assert(cr0::PE == 1 && cr0::NE == 0x20 && cr0::WP == 0x10000 && cr0::PG == 0x80000000);
static_assert(cr0::kDefined == 0xe005003f);
static_assert(cr4::PAE == 0x20 && cr4::VMXE == 0x2000 && cr4::PCIDE == 0x20000 && cr4::OSXSAVE == 0x40000);
static_assert(efer::kDefined == 0xd01);

// Flags, bit 1 and the reserved bits are all of RFLAGS, and no bit is two of them.
static_assert((rflags::kArithmetic | rflags::TF | rflags::IF | rflags::DF | rflags::IOPL | rflags::NT |
               rflags::RF | rflags::VM | rflags::AC | rflags::VIF | rflags::VIP | rflags::ID |
               rflags::kFixed1) == ~rflags::kReserved);
static_assert(rflags::kArithmetic == 0x8d5);
static_assert(rflags::iopl(0x3000) == 3 && rflags::iopl(0x4fff) == 0);

TEST(Gpr, HasTheManualsName) {
    EXPECT_STREQ(name(Gpr::RSP), "RSP");
    EXPECT_STREQ(name(Gpr::R8), "R8");
    EXPECT_STREQ(name(SegmentRegister::LDTR), "LDTR");
}

TEST(Dr7, DescribesEachBreakpoint) {
    // Breakpoint 1: local, write, 2 bytes. Breakpoint 3: global, execution. Breakpoint 2: disabled, 8 bytes.
    const uint64_t raw = dr7::kReset | 1u << 2 | 1u << 7 | 1u << 20 | 1u << 22 | 2u << 26;
    EXPECT_FALSE(dr7::enabled(raw, 0));
    EXPECT_TRUE(dr7::local_enabled(raw, 1));
    EXPECT_FALSE(dr7::global_enabled(raw, 1));
    EXPECT_EQ(dr7::condition(raw, 1), dr7::Condition::DATA_WRITE);
    EXPECT_EQ(dr7::length_bytes(raw, 1), 2u);
    EXPECT_EQ(dr7::length_bytes(raw, 2), 8u);
    EXPECT_TRUE(dr7::global_enabled(raw, 3));
    EXPECT_EQ(dr7::condition(raw, 3), dr7::Condition::EXECUTION);
    EXPECT_EQ(dr7::length_bytes(raw, 3), 1u);
}

TEST(Vector, KnowsWhichExceptionsPushAnErrorCode) {
    // SDM Vol. 3A table 6-1.
    const std::initializer_list<Vector> with = {Vector::DF, Vector::TS, Vector::NP, Vector::SS,
                                                Vector::GP, Vector::PF, Vector::AC, Vector::CP};
    unsigned count = 0;
    for (unsigned number = 0; number < 256; ++number)
        count += has_error_code(static_cast<Vector>(number)) ? 1u : 0u;
    EXPECT_EQ(count, with.size());
    for (const Vector vector : with) EXPECT_TRUE(has_error_code(vector)) << name(vector);
}

TEST(Vector, MakesADoubleFaultAsTheTableSays) {
    // SDM Vol. 3A table 6-5: rows benign, contributory, page fault.
    EXPECT_FALSE(makes_double_fault(Vector::UD, Vector::GP));
    EXPECT_FALSE(makes_double_fault(Vector::DB, Vector::PF));
    EXPECT_FALSE(makes_double_fault(Vector::GP, Vector::DB));
    EXPECT_TRUE(makes_double_fault(Vector::GP, Vector::NP));
    EXPECT_FALSE(makes_double_fault(Vector::DE, Vector::PF));
    EXPECT_FALSE(makes_double_fault(Vector::PF, Vector::UD));
    EXPECT_TRUE(makes_double_fault(Vector::PF, Vector::GP));
    EXPECT_TRUE(makes_double_fault(Vector::PF, Vector::PF));
    EXPECT_TRUE(makes_double_fault(Vector::VE, Vector::SS));
}

}  // namespace
}  // namespace vtless::x86
