// SPDX-License-Identifier: MIT
// Every tick of the clock in one phase, one exit and, if the guest ran, one instruction.
#include "sim/profile/cycle_profile.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "isa/x86/event_info.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using Phase = CyclePhase;

constexpr TransitionCosts kCosts;
constexpr uint64_t ticks_of(uint64_t cycles) { return cycles * kTicksPerCycle; }

struct HasProfile {
    VmxProcessorConfig config() {
        VmxProcessorConfig config;
        config.engine.profile = &profile;
        return config;
    }
    CycleProfile profile;
};

class CycleProfiles : HasProfile, public GuestFixture {
  protected:
    CycleProfiles() : GuestFixture(config()) {}

    // By linear address, in ticks.
    std::map<uint64_t, uint64_t> instructions() {
        std::map<uint64_t, uint64_t> by_address;
        for (const InstructionTime& time : profile.instructions()) {
            EXPECT_EQ(time.place.space, kPml4);
            by_address[time.place.linear] = time.ticks;
        }
        return by_address;
    }
    const ExitTimes& exits(Reason reason) { return profile.exits(static_cast<unsigned>(reason)); }
    PhaseTimes ticks() {
        hw->settle_profile();
        return profile.ticks();
    }
    void TearDown() override {
        EXPECT_EQ(ticks().total(), hw->engine().moment().ticks);
        uint64_t sum = 0;
        for (const InstructionTime& time : profile.instructions()) sum += time.ticks;
        EXPECT_EQ(sum, ticks()[Phase::Guest]);
        EXPECT_EQ(ticks()[Phase::Walk], ticks_of(hw->mmu().counters().references * kCosts.walk_reference));
    }

    using HasProfile::profile;
};

TEST_F(CycleProfiles, PhasesAreOfTheExitThatTheyLeadToOrFollow) {
    code({0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x30, 0x00,  // mov rax, [0x300000]
          0x0f, 0xa2,                                      // cpuid
          0xcd, 0x40});                                    // int 0x40
    ASSERT_EQ(run(), Reason::CPUID);
    ASSERT_EQ(skip(), Reason::HLT);

    const PhaseTimes all = ticks();
    EXPECT_EQ(all[Phase::Exit], 2 * ticks_of(kCosts.vm_exit));
    EXPECT_EQ(all[Phase::Entry], 2 * ticks_of(kCosts.vm_entry));
    EXPECT_EQ(all[Phase::Injection], 0u);
    EXPECT_EQ(all[Phase::Idle], 0u);
    EXPECT_EQ(profile.start().ticks[Phase::Entry], ticks_of(kCosts.vm_entry));
    EXPECT_GT(profile.start().ticks[Phase::Handler], 3 * ticks_of(kCosts.vmcs_switch));
    EXPECT_EQ(profile.start().ticks[Phase::Guest], 0u);
    const ExitTimes& cpuid = exits(Reason::CPUID);
    EXPECT_EQ(cpuid.count, 1u);
    EXPECT_EQ(cpuid.ticks[Phase::Handler], 3 * ticks_of(kCosts.vmread) + ticks_of(kCosts.vmwrite));
    EXPECT_EQ(cpuid.ticks[Phase::Entry], ticks_of(kCosts.vm_entry));
    EXPECT_EQ(cpuid.ticks[Phase::Exit], ticks_of(kCosts.vm_exit));
    EXPECT_EQ(cpuid.ticks[Phase::Delivery], 0u);
    EXPECT_GT(cpuid.ticks[Phase::Walk], 0u);
    const ExitTimes& halt = exits(Reason::HLT);
    EXPECT_EQ(halt.count, 1u);
    EXPECT_EQ(halt.ticks[Phase::Delivery], ticks_of(kCosts.event_delivery));
    EXPECT_EQ(halt.ticks[Phase::Handler], ticks_of(kCosts.vmread));
    EXPECT_EQ(halt.ticks[Phase::Entry], 0u);
}

TEST_F(CycleProfiles, AnInstructionHasWhatItTookWithoutWhatDidNotRun) {
    // Twice inc rax; cpuid; twice inc rax; hlt
    code({0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0x0f, 0xa2, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4});
    ASSERT_EQ(run(), Reason::CPUID);
    const std::map<uint64_t, uint64_t> first = {{kCode, ticks_of(1)}, {kCode + 3, ticks_of(1)}};
    EXPECT_EQ(instructions(), first);
    ASSERT_EQ(skip(), Reason::HLT);
    const std::map<uint64_t, uint64_t> all = {
        {kCode, ticks_of(1)}, {kCode + 3, ticks_of(1)}, {kCode + 8, ticks_of(1)}, {kCode + 11, ticks_of(1)}};
    EXPECT_EQ(instructions(), all);
}

TEST_F(CycleProfiles, AnInstructionThatFaultsHasTakenNoTime) {
    code({0x48, 0xff, 0xc0,                                // inc rax
          0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x00, 0x04,  // mov rax, [kUnbacked]
          0x48, 0xff, 0xc0, 0xf4});
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    const std::map<uint64_t, uint64_t> before = {{kCode, ticks_of(1)}};
    EXPECT_EQ(instructions(), before);
}

TEST_F(CycleProfiles, WhatTheProcessorCarriesOutIsTheInstructions) {
    code({0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0, 0xf4});  // mov rax, cr4; mov cr4, rax; hlt
    ASSERT_EQ(run(), Reason::HLT);
    const uint64_t each = ticks_of(InstructionCosts().carried_out);
    const std::map<uint64_t, uint64_t> both = {{kCode, each}, {kCode + 3, each}};
    EXPECT_EQ(instructions(), both);
    EXPECT_EQ(ticks()[Phase::Delivery], 0u);
}

TEST_F(CycleProfiles, AnAddressSpaceIsWhatCr3Says) {
    constexpr uint64_t kOther = 0x20000;
    put<uint64_t>(kOther, 0x11007);
    code({0xb8, 0x00, 0x00, 0x02, 0x00,  // mov eax, kOther
          0x0f, 0x22, 0xd8,              // mov cr3, rax
          0x48, 0xff, 0xc0, 0xf4});      // inc rax; hlt
    ASSERT_EQ(run(), Reason::HLT);
    const auto times = profile.instructions();
    ASSERT_EQ(times.size(), 3u);
    EXPECT_EQ(times[1].place, (CodePlace{kPml4, kCode + 5})) << "it was fetched by the old one";
    EXPECT_EQ(times[2].place, (CodePlace{kOther, kCode + 8}));
}

TEST_F(CycleProfiles, WhatVmEntryInjectsIsNoDeliveryOfTheGuests) {
    write(F::GUEST_RFLAGS, x86::rflags::kFixed1 | x86::rflags::IF);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::external_interrupt(0x50).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(profile.start().ticks[Phase::Injection], ticks_of(kCosts.event_delivery));
    EXPECT_EQ(ticks()[Phase::Delivery], 0u);
}

// #NP while an interrupt is injected: what the handler of that is entered for is the injection.
TEST_F(CycleProfiles, AnInjectionThatFaultsIsPaidOnce) {
    put<uint64_t>(kIdt + uint64_t{0x50} * 16,
                  get<uint64_t>(kIdt + uint64_t{0x50} * 16) & ~(uint64_t{1} << 47));
    write(F::GUEST_RFLAGS, x86::rflags::kFixed1 | x86::rflags::IF);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::external_interrupt(0x50).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{11} * 16);
    EXPECT_EQ(ticks()[Phase::Injection], ticks_of(kCosts.event_delivery));
    EXPECT_EQ(ticks()[Phase::Delivery], 0u);
}

TEST_F(CycleProfiles, AHaltedGuestIsIdle) {
    constexpr uint64_t kHalted = 1;
    write(F::GUEST_ACTIVITY_STATE, kHalted);
    hw->set_host_timer(hw->rdtsc() + 100000, 0x41);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(exits(Reason::EXTERNAL_INTERRUPT).ticks[Phase::Idle], ticks_of(100000 - kCosts.vm_entry));
    EXPECT_EQ(ticks()[Phase::Guest], 0u);
}

TEST_F(CycleProfiles, SoIsAHaltedHypervisor) {
    code({0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    hw->set_host_timer(hw->rdtsc() + 5000, 0x41);
    ASSERT_TRUE(hw->idle_until_interrupt());
    EXPECT_EQ(ticks()[Phase::Idle], ticks_of(5000));
    EXPECT_EQ(exits(Reason::CPUID).ticks[Phase::Idle], ticks_of(5000));
    EXPECT_EQ(exits(Reason::CPUID).ticks[Phase::Handler], ticks_of(kCosts.vmread));
}

TEST_F(CycleProfiles, AnEntryThatFailsIsAnExitWithoutTime) {
    write(F::GUEST_RFLAGS, 0);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_EQ(exits(Reason::ENTRY_FAILURE_GUEST_STATE).count, 1u);
    EXPECT_EQ(ticks()[Phase::Exit], 0u);
    write(F::VMCS_LINK_POINTER, 1);
    write(F::GUEST_RFLAGS, 2);
    write(F::HOST_CR4, 0);
    EXPECT_FALSE(hw->vmlaunch(gprs).ok());
    EXPECT_EQ(ticks()[Phase::Entry], 0u);
}

// A deadline in the middle of a block is reached by stepping, and what comes behind it is priced again.
TEST_F(CycleProfiles, ADeadlineMovesNoTime) {
    // mov ecx, 400; eight times imul rax, rax; loop; hlt
    code({0xb9, 0x90, 0x01, 0x00, 0x00, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf, 0xc0, 0x48,
          0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf,
          0xc0, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf, 0xc0, 0xe2, 0xde, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    const auto calm = instructions();
    ASSERT_GE(calm.size(), 8u);
    write(F::GUEST_RIP, kCode);
    unsigned stops = 0;
    for (;;) {
        hw->set_host_timer(hw->rdtsc() + 400 + uint64_t{7} * stops, 0x41);
        if (run() == Reason::HLT) break;
        (void)hw->take_interrupt();
        ++stops;
    }
    EXPECT_GT(stops, 5u);
    auto twice = calm;
    for (auto& [address, ticks] : twice) ticks *= 2;
    EXPECT_EQ(instructions(), twice);
}

}  // namespace
}  // namespace vtless::sim
