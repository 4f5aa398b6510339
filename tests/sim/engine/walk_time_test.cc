// SPDX-License-Identifier: MIT
// The time that page walks take.
#include <algorithm>
#include <vector>

#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;

constexpr uint64_t kCode = GuestMachine::kCode;
constexpr uint64_t kReference = 10;
constexpr uint64_t kWalk = 3 * kReference;  // PML4E, PDPTE, PDE of a 2-MByte page

EngineConfig with_walks(uint64_t flush_seed = 0) {
    EngineConfig config = GuestMachine::counting(flush_seed);
    config.transitions.walk_reference = kReference;
    return config;
}

// Loads and stores on pages of their own, the last one on a page that was touched before.
void load_touching_code(GuestMachine& m) {
    m.long_mode();
    m.code(kCode, {
                      0x48, 0x8b, 0x03,        // mov rax, [rbx]
                      0x90,                    // nop
                      0x48, 0x89, 0x06,        // mov [rsi], rax
                      0x48, 0x8b, 0x07,        // mov rax, [rdi]
                      0x90,                    // nop
                      0x48, 0x8b, 0x43, 0x08,  // mov rax, [rbx + 8]
                      0x90,                    // nop
                      0xa4,                    // movsb
                      0xf4,                    // hlt
                  });
    m.engine().set_gpr(Gpr::RBX, 0x400000);
    m.engine().set_gpr(Gpr::RSI, 0x600fff);
    m.engine().set_gpr(Gpr::RDI, 0x800ff8);
}

TEST(WalkTime, TheFirstTouchOfAPagePaysItsWalk) {
    GuestMachine m(with_walks());
    load_touching_code(m);
    m.run();
    ASSERT_TRUE(m.stopped_before(Instruction::HLT));
    EXPECT_EQ(m.engine().instructions(), 8u);
    // Of code, RBX, RSI and the page behind, RDI.
    EXPECT_EQ(m.mmu().counters().walks, 5u + 1u);  // the store that sets the dirty bit walks again
    EXPECT_EQ(m.engine().cycles(), 8 + 6 * kWalk);
}

TEST(WalkTime, WhereInstructionsAreCountedItTakesNone) {
    GuestMachine m;
    load_touching_code(m);
    m.run();
    EXPECT_EQ(m.engine().cycles(), m.engine().instructions());
}

// What cycles() is at each instruction boundary, and when the first instruction can begin.
std::vector<uint64_t> boundaries() {
    GuestMachine m(with_walks());
    load_touching_code(m);
    std::vector<uint64_t> times = {kWalk};
    for (int i = 0; i < 8; ++i) {
        m.engine().run(Engine::Extent::OneInstruction);
        times.push_back(m.engine().cycles());
    }
    return times;
}

// Also where it is the walk that passes the deadline.
TEST(WalkTime, DeadlinesStopAtTheFirstBoundaryBehindThem) {
    const std::vector<uint64_t> times = boundaries();
    for (uint64_t deadline = 1; deadline <= times.back(); ++deadline) {
        for (const uint64_t seed : {0u, 1u, 2u}) {
            GuestMachine m(with_walks(seed));
            load_touching_code(m);
            m.engine().set_deadline(deadline);
            m.run();
            ASSERT_EQ(m.engine().stop().kind, Stop::Kind::Deadline) << deadline;
            EXPECT_EQ(m.engine().cycles(), *std::ranges::lower_bound(times, deadline)) << deadline;
            m.engine().set_deadline(Engine::kNever);
            m.run();
            EXPECT_EQ(m.engine().cycles(), times.back()) << deadline;
        }
    }
}

// A fault ends the use of what the TLB held of the page. SDM Vol. 3A "Operations that Invalidate TLBs and
// Paging-Structure Caches" (4.10.4.1).
TEST(WalkTime, AFaultOnACachedPageMakesTheNextAccessWalk) {
    for (const uint64_t seed : {0u, 1u, 2u, 3u, 4u, 5u, 100u}) {
        GuestMachine m(with_walks(seed % 100));
        if (seed == 100) m.mmu().make_strict([](void*, const StaleUse&) {}, nullptr);
        m.long_mode();
        m.put<uint64_t>(0x12000 + 8 * 2, 0x400085);  // 400000H: read-only
        m.code(kCode, {
                          0x48, 0x8b, 0x03,  // mov rax, [rbx]
                          0x48, 0x89, 0x03,  // mov [rbx], rax
                          0x48, 0x8b, 0x03,  // mov rax, [rbx]
                          0xf4,              // hlt
                      });
        m.engine().set_gpr(Gpr::RBX, 0x400000);
        m.run();
        ASSERT_EQ(m.engine().stop().kind, Stop::Kind::PageFault);
        m.engine().set_rip(kCode + 6);
        m.run();
        ASSERT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_EQ(m.mmu().counters().walks, 4u) << seed;  // code, load, store, load
        EXPECT_EQ(m.engine().cycles(), 2 + 4 * kWalk) << seed;
    }
}

}  // namespace
}  // namespace vtless::sim
