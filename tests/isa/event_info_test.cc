// SPDX-License-Identifier: MIT
#include "isa/x86/event_info.h"

#include <gtest/gtest.h>

namespace vtless::x86 {
namespace {

static_assert(EventInfo::external_interrupt(0x20).raw == 0x80000020);
static_assert(EventInfo::nmi().raw == 0x80000202);
static_assert(EventInfo::exception(Vector::UD).raw == 0x80000306);
static_assert(EventInfo::exception(Vector::PF).raw == 0x80000b0e);
static_assert(EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80).raw == 0x80000480);
static_assert(interruptibility::kReserved == ~uint32_t{0x1f});
static_assert(pending_debug::kReserved == 0xfffffffffffea7f0);

TEST(EventInfo, SplitsIntoItsParts) {
    const EventInfo info{0x80001b0e};
    EXPECT_TRUE(info.valid());
    EXPECT_EQ(info.vector(), 14);
    EXPECT_EQ(info.type(), EventType::HARDWARE_EXCEPTION);
    EXPECT_TRUE(info.has_error_code());
    EXPECT_TRUE(info.nmi_unblocking());
    EXPECT_TRUE(info.is_exception(Vector::PF));
    EXPECT_FALSE(info.is_exception(Vector::GP));
    EXPECT_FALSE(EventInfo{0x30e}.is_exception(Vector::PF));
}

TEST(EventInfo, KnowsWhichEventsComeFromInstructions) {
    EXPECT_TRUE(EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3).is_software());
    EXPECT_TRUE(EventInfo::make(EventType::PRIVILEGED_SOFTWARE_EXCEPTION, 1).is_software());
    EXPECT_TRUE(EventInfo::make(EventType::SOFTWARE_INTERRUPT, 3).is_software());
    EXPECT_FALSE(EventInfo::exception(Vector::BP).is_software());
    EXPECT_FALSE(EventInfo::external_interrupt(3).is_software());
}

}  // namespace
}  // namespace vtless::x86
