// SPDX-License-Identifier: MIT
// PAUSE-loop exiting, MONITOR and MWAIT. SDM Vol. 3C "Instructions That Cause VM Exits Conditionally"
// (26.1.3), "Changes to Instruction Behavior in VMX Non-Root Operation" (26.3).
#include <gtest/gtest.h>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::PinControls;
using x86::PrimaryControls;
using x86::SecondaryControls;

class PauseLoop : public GuestFixture {
  protected:
    static constexpr uint32_t kGap = 1000;
    static constexpr uint32_t kWindow = 20000;

    PauseLoop() {
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              values.secondary | SecondaryControls::PAUSE_LOOP_EXITING);
        write(F::PLE_GAP, kGap);
        write(F::PLE_WINDOW, kWindow);
    }

    // mov ecx, `turns`; until 0: pause, and `filler` NOPs; hlt
    void loop(uint32_t turns, unsigned filler = 0) {
        std::vector<uint8_t> bytes = {0xb9, 0, 0, 0, 0, 0xf3, 0x90};
        std::memcpy(bytes.data() + 1, &turns, sizeof turns);
        bytes.insert(bytes.end(), filler, 0x90);
        const auto back = static_cast<int32_t>(5 - (bytes.size() + 8));
        bytes.insert(bytes.end(), {0xff, 0xc9, 0x0f, 0x85});  // dec ecx; jnz
        for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(back >> 8 * i));
        bytes.push_back(0xf4);
        std::copy(bytes.begin(), bytes.end(), memory.map(ram + kCode));
        memory.note_write(ram + kCode, bytes.size());
    }
    void at_cpl3() {
        write(F::GUEST_CS_SELECTOR, 0x1b);
        write(F::GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
        write(F::GUEST_SS_SELECTOR, 0x23);
        write(F::GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    }
    uint64_t cycles_until_exit(Reason reason) {
        const uint64_t before = hw->engine().cycles();
        EXPECT_EQ(run(), reason);
        return hw->engine().cycles() - before;
    }
};

TEST_F(PauseLoop, ExitsAfterTheWindow) {
    loop(100000);
    const uint64_t cycles = cycles_until_exit(Reason::PAUSE);
    EXPECT_GT(cycles, kWindow);
    EXPECT_LT(cycles, kWindow + 10000u);  // what entry and exit cost is in it
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 5);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 2u);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
}

TEST_F(PauseLoop, ShorterThanTheWindowDoesNotExit) {
    loop(100000);
    write(F::PLE_WINDOW, ~uint32_t{0});
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(PauseLoop, ExecutionsFurtherApartThanTheGapAreNoLoop) {
    loop(200, 6000);
    EXPECT_GT(cycles_until_exit(Reason::HLT), 10 * kWindow);
}

TEST_F(PauseLoop, ExecutionsWithinTheGapAreOne) {
    loop(200, 500);
    EXPECT_EQ(run(), Reason::PAUSE);
}

TEST_F(PauseLoop, BeginsAnewWithEachVmEntry) {
    loop(100000);
    ASSERT_EQ(run(), Reason::PAUSE);
    EXPECT_GT(cycles_until_exit(Reason::PAUSE), kWindow);
}

TEST_F(PauseLoop, IsNotLookedAtAboveCpl0) {
    loop(100000);
    at_cpl3();
    write(F::EXCEPTION_BITMAP, 1u << 13);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI) << "HLT at CPL 3 is #GP";
    EXPECT_EQ(gprs.get(Gpr::RCX), 0u);
}

TEST_F(PauseLoop, PauseExitingExitsAtOnceAtAnyCpl) {
    loop(10);
    set_primary(PrimaryControls::PAUSE_EXITING);
    ASSERT_EQ(run(), Reason::PAUSE);
    EXPECT_EQ(gprs.get(Gpr::RCX), 10u);
    at_cpl3();
    ASSERT_EQ(skip(), Reason::PAUSE);
    EXPECT_EQ(gprs.get(Gpr::RCX), 9u);
}

class Monitor : public GuestFixture {
  protected:
    static constexpr uint64_t kLine = 0x300000;
    // xor ecx, ecx; monitor; mwait; inc ebx; hlt
    void monitor_and_wait() {
        gprs.set(Gpr::RAX, kLine);
        code({0x31, 0xc9, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9, 0xff, 0xc3, 0xf4});
    }
    static constexpr uint64_t kMwait = kCode + 5;
    static constexpr uint64_t kAfter = kCode + 8;
};

TEST_F(Monitor, ExitsByItsControl) {
    monitor_and_wait();
    set_primary(PrimaryControls::MONITOR_EXITING);
    ASSERT_EQ(run(), Reason::MONITOR);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 3u);
}

// SDM Vol. 3C "Exit Qualification" (28.2.1): for MWAIT, whether the monitor is armed.
TEST_F(Monitor, MwaitExitsSayWhetherItIsArmed) {
    monitor_and_wait();
    set_primary(PrimaryControls::MWAIT_EXITING);
    ASSERT_EQ(run(), Reason::MWAIT);
    EXPECT_EQ(read(F::GUEST_RIP), kMwait);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 1u);
    ASSERT_EQ(run(), Reason::MWAIT) << "the same instruction, and VM exit and entry have disarmed it";
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
}

// 26.1.1: of what the operands say, nothing comes before the exit.
TEST_F(Monitor, ExitsComeBeforeTheCheckOfEcx) {
    gprs.set(Gpr::RCX, 5);
    code({0x0f, 0x01, 0xc8});
    set_primary(PrimaryControls::MONITOR_EXITING | PrimaryControls::MWAIT_EXITING);
    EXPECT_EQ(run(), Reason::MONITOR);
    code({0x0f, 0x01, 0xc9});
    EXPECT_EQ(run(), Reason::MWAIT);
}

TEST_F(Monitor, ExtensionsAreGeneralProtection) {
    write(F::EXCEPTION_BITMAP, 1u << 13);
    gprs.set(Gpr::RCX, 1);
    for (const uint8_t last : {uint8_t{0xc8}, uint8_t{0xc9}}) {
        code({0x0f, 0x01, last});
        ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
        EXPECT_EQ(x86::EventInfo{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))}.vector(),
                  13);
        EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_ERROR_CODE), 0u);
    }
}

TEST_F(Monitor, IsALoadForPaging) {
    write(F::EXCEPTION_BITMAP, 1u << 14);
    monitor_and_wait();
    put<uint64_t>(0x12000 + 8 * 8, 0);  // linear 0x1000000
    gprs.set(Gpr::RAX, 0x1000008);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0x1000008u);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    put<uint64_t>(0x12000 + 8 * 8, kUnbacked | 0x87);
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_PHYSICAL_ADDRESS), kUnbacked + 8);
}

TEST_F(Monitor, MwaitWaitsForATimer) {
    monitor_and_wait();
    const uint64_t then = hw->rdtsc() + 1000000;
    hw->set_host_timer(then, 0x41);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_GE(hw->rdtsc(), then);
    EXPECT_LT(hw->rdtsc(), then + 10000);
    EXPECT_EQ(read(F::GUEST_RIP), kAfter);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 0u) << "the field never says that MWAIT waits (25.4.2)";
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(Monitor, MwaitWithoutAMonitorDoesNotWait) {
    code({0x31, 0xc9, 0x0f, 0x01, 0xc9, 0xf4});
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(Monitor, AWaitThatNothingCanEndIsAnInitSignal) {
    monitor_and_wait();
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
}

TEST_F(Monitor, ThePreemptionTimerEndsTheWait) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{values.pin | PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 5000);
    monitor_and_wait();
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_EQ(read(F::GUEST_RIP), kAfter);
}

}  // namespace
}  // namespace vtless::sim
