// SPDX-License-Identifier: MIT
#include "vcpu/vmx/events.h"

#include <gtest/gtest.h>

namespace vtless::vmx {
namespace {

using x86::EventInfo;
using x86::Vector;
namespace blocking = x86::interruptibility;

constexpr Readiness kReady{true, true};
constexpr Readiness kBlocked{false, false};
const Event kGp = Event::exception(Vector::GP, 5);

EventInfo take(EventQueue& queue, Readiness ready = kReady) {
    const auto event = queue.take(ready);
    return event ? event->info : EventInfo{};
}

TEST(Readiness, FollowsFlagAndBlocking) {
    struct {
        bool flag;
        uint32_t state;
        bool interrupts, nmis;
    } const rows[] = {
        {true, 0, true, true},
        {false, 0, false, true},
        {true, blocking::BLOCKING_BY_STI, false, false},
        {true, blocking::BLOCKING_BY_MOV_SS, false, false},
        {true, blocking::BLOCKING_BY_NMI, true, false},
    };
    for (const auto& row : rows) {
        const auto ready = Readiness::of(row.flag ? x86::rflags::IF : 0, row.state);
        EXPECT_EQ(ready.interrupts, row.interrupts) << row.state;
        EXPECT_EQ(ready.nmis, row.nmis) << row.state;
    }
}

TEST(EventQueue, GivesInterruptedThenExceptionsThenNmiThenInterrupts) {
    EventQueue queue;
    queue.push_interrupt(0x30);
    queue.push_nmi();
    EXPECT_TRUE(queue.push_exception(kGp));
    EXPECT_TRUE(queue.push_exception(Event::exception(Vector::UD)));
    queue.push_interrupted({EventInfo::external_interrupt(0x44), 0, 0, std::nullopt});
    EXPECT_EQ(take(queue), EventInfo::external_interrupt(0x44));
    EXPECT_EQ(take(queue), EventInfo::exception(Vector::GP));
    EXPECT_EQ(take(queue), EventInfo::exception(Vector::UD));
    EXPECT_EQ(take(queue), EventInfo::nmi());
    EXPECT_EQ(take(queue), EventInfo::external_interrupt(0x30));
    EXPECT_TRUE(queue.empty());
}

TEST(EventQueue, ExceptionDoesNotWaitBehindABlockedInterrupt) {
    EventQueue queue;
    queue.push_interrupt(0x30);
    EXPECT_TRUE(queue.push_exception(kGp));
    EXPECT_EQ(take(queue, kBlocked), EventInfo::exception(Vector::GP));
    EXPECT_FALSE(take(queue, kBlocked).valid());
    EXPECT_TRUE(queue.has_interrupts());
}

TEST(EventQueue, BlockedNmiLetsInterruptsPass) {
    EventQueue queue;
    queue.push_nmi();
    queue.push_interrupt(0x30);
    EXPECT_EQ(take(queue, {true, false}), EventInfo::external_interrupt(0x30));
    EXPECT_TRUE(queue.has_nmi());
}

TEST(EventQueue, HighestVectorFirstAndEachOnce) {
    EventQueue queue;
    for (int vector : {0x40, 0xff, 0, 0x3f, 0x80, 0x40}) queue.push_interrupt(static_cast<uint8_t>(vector));
    for (int vector : {0xff, 0x80, 0x40, 0x3f, 0})
        EXPECT_EQ(take(queue), EventInfo::external_interrupt(static_cast<uint8_t>(vector)));
    EXPECT_TRUE(queue.empty());
}

TEST(EventQueue, RefusesMoreExceptionsThanItHolds) {
    EventQueue queue;
    for (size_t i = 0; i < EventQueue::kExceptions; ++i) EXPECT_TRUE(queue.push_exception(kGp));
    EXPECT_FALSE(queue.push_exception(kGp));
}

}  // namespace
}  // namespace vtless::vmx
