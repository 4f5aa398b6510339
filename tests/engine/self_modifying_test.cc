// SPDX-License-Identifier: MIT
// Unicorn has no physical dirty tracking: which stores to code are seen, and the protocol that sees them all.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/engine/support/bare_machine.h"

namespace vtless::engine_test {
namespace {

// The patcher on its own page stores through RDI and calls what RSI points to; the functions share a page.
// No two of these fall on one entry of the software TLB, or eviction would hide what is shown here.
constexpr uint64_t kPatcher = 0x100000, kFunctions = 0x201000, kSecond = kFunctions + 0x800;
constexpr uint64_t kAlias = 0x503000;                // another linear address of kFunctions
constexpr uint64_t kWindow = 0x4000'0000'0000'0000;  // non-canonical: linear = window + physical
constexpr uint64_t kStack = 0x606000;

uint64_t physical(uint64_t page) {
    if (page >= kWindow) return page - kWindow;
    return page == kAlias ? kFunctions : page;
}

class Patching : public testing::Test {
  protected:
    Patching() {
        for (uint64_t function : {kFunctions, kSecond})
            m.code(function, {0xb8, 1, 0, 0, 0, 0xc3});            // mov eax, 1; ret
        m.code(kPatcher, {0xff, 0xd6, 0xf4});                      // call rsi; hlt
        m.code(kPatcher + 0x100, {0x89, 0x0f, 0xff, 0xd6, 0xf4});  // mov [rdi], ecx; call rsi; hlt
        m.code(kPatcher + 0x200, {0x89, 0x0f, 0x89, 0x8f, 0x00, 0x08, 0, 0, 0xff, 0xd6, 0xf4});
        // mov [rdi], ecx; mov [rdi + 0x800], ecx; call rsi; hlt
    }

    void load() {
        GuestState s = GuestState::long_mode(kPatcher);
        s.rsp = kStack;
        m.load(s);
    }
    uint64_t call(uint64_t function) {
        m.set_reg(UC_X86_REG_RSI, function);
        m.resume(kPatcher);
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        return m.reg(UC_X86_REG_RAX);
    }
    // Stores `value` over the immediate of the function at `through`, then calls `function`.
    uint64_t patch_and_call(uint64_t through, uint32_t value, uint64_t function) {
        return run_patcher(kPatcher + 0x100, through, value, function);
    }
    // Stores over both functions with nothing translated in between, then calls `function`.
    uint64_t patch_both_and_call(uint64_t through, uint32_t value, uint64_t function) {
        return run_patcher(kPatcher + 0x200, through, value, function);
    }
    uint64_t run_patcher(uint64_t rip, uint64_t through, uint32_t value, uint64_t function) {
        m.set_reg(UC_X86_REG_RDI, through + 1);
        m.set_reg(UC_X86_REG_RCX, value);
        m.set_reg(UC_X86_REG_RSI, function);
        for (;;) {
            if (m.resume(rip) == UC_ERR_OK) break;
            if (!on_refused()) {
                ADD_FAILURE() << "refused";
                return 0;
            }
            rip = m.rip();
        }
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        return m.reg(UC_X86_REG_RAX);
    }
    virtual bool on_refused() { return false; }

    BareMachine m;
};

// An executable entry is never marked dirty: each store through it is checked. Right, and 28 ns a store.
TEST_F(Patching, ReadWriteExecuteSeesEveryStore) {
    m.set_translation([](uint64_t page, uc_mem_type) { return Translation{physical(page)}; });
    load();
    call(kFunctions), call(kSecond);
    EXPECT_EQ(patch_and_call(kFunctions, 2, kFunctions), 2u);
    EXPECT_EQ(patch_and_call(kSecond, 3, kSecond), 3u);
    EXPECT_EQ(patch_and_call(kFunctions, 4, kFunctions), 4u);
    EXPECT_EQ(patch_and_call(kAlias, 5, kFunctions), 5u);
    EXPECT_EQ(patch_and_call(kAlias + 0x800, 6, kSecond), 6u);
}

// The trap: with W and X apart the first store through a writable entry is seen, the next are not.
TEST_F(Patching, PlainWriteXorExecuteRunsStaleCode) {
    m.set_translation([](uint64_t page, uc_mem_type type) {
        return Translation{physical(page),
                           UC_PROT_READ | (type == UC_MEM_FETCH ? UC_PROT_EXEC : UC_PROT_WRITE)};
    });
    for (uint64_t through : {kFunctions, kAlias}) {
        for (uint64_t function : {kFunctions, kSecond}) m.put<uint32_t>(function + 1, 1);
        load();
        m.flush_blocks();
        call(kFunctions), call(kSecond);
        EXPECT_EQ(patch_both_and_call(through, 3, kFunctions), 3u);
        EXPECT_EQ(call(kSecond), 1u) << "stale, though memory says 3";
        EXPECT_EQ(m.get<uint32_t>(kSecond + 1), 3u);
    }
}

// Any UC_HOOK_MEM_* hook, whatever its kind, makes every store take the checked path: right, and some 20
// times slower. The engine installs none.
TEST_F(Patching, AMemoryHookPutsEveryStoreOnTheSlowPath) {
    m.set_translation([](uint64_t page, uc_mem_type type) {
        return Translation{physical(page),
                           UC_PROT_READ | (type == UC_MEM_FETCH ? UC_PROT_EXEC : UC_PROT_WRITE)};
    });
    m.watch_unmapped(UC_HOOK_MEM_FETCH_UNMAPPED);
    load();
    call(kFunctions), call(kSecond);
    EXPECT_EQ(patch_both_and_call(kFunctions, 3, kFunctions), 3u);
    EXPECT_EQ(call(kSecond), 3u);
}

// Two bits for each physical page, has code and has a writer. A page that gets its first block while it has
// writers: flush. A store to a page with code: RWX entry, or (every nth time) drop its blocks and give W.
class TrackedPatching : public Patching {
  protected:
    TrackedPatching() {
        m.set_translation([this](uint64_t page, uc_mem_type type) { return translate(page, type); });
        m.on_new_block([this](uc_tb block) {
            for (uint64_t page : {block.pc & ~(kPage - 1), (block.pc + block.size - 1) & ~(kPage - 1)})
                if (code.insert(physical(page)).second && writers.contains(physical(page))) flush();
        });
    }

    std::optional<Translation> translate(uint64_t page, uc_mem_type type) {
        const uint64_t frame = physical(page);
        if (page >= kWindow || type == UC_MEM_FETCH) return Translation{frame, UC_PROT_READ | UC_PROT_EXEC};
        if (type == UC_MEM_READ) return Translation{frame, UC_PROT_READ};
        if (!code.contains(frame)) {
            writers.insert(frame);
            return Translation{frame, UC_PROT_READ | UC_PROT_WRITE};
        }
        if (++stores[frame] % 4 == 0) {
            refused = frame;
            return std::nullopt;
        }
        return Translation{frame};
    }
    void flush() {
        m.flush_tlb();
        writers.clear();
        ++flushes;
    }
    bool on_refused() override {
        m.drop_blocks(kWindow + refused, kWindow + refused + kPage);
        code.erase(refused);
        ++drops;
        return true;
    }

    std::set<uint64_t> code, writers;
    std::map<uint64_t, int> stores;
    uint64_t refused = 0;
    int flushes = 0, drops = 0;
};

TEST_F(TrackedPatching, TwoFunctionsInOnePageAreNeverStale) {
    load();
    call(kFunctions), call(kSecond);
    for (uint32_t value = 2; value < 40; value += 2) {
        ASSERT_EQ(patch_and_call(kFunctions, value, kFunctions), value);
        ASSERT_EQ(patch_and_call(kSecond, value + 1, kSecond), value + 1);
        ASSERT_EQ(call(kFunctions), value);
        ASSERT_EQ(patch_both_and_call(kFunctions, value + 100, kFunctions), value + 100);
        ASSERT_EQ(call(kSecond), value + 100);
    }
}

TEST_F(TrackedPatching, NeitherAreTheyThroughAnAlias) {
    load();
    call(kFunctions), call(kSecond);
    for (uint32_t value = 2; value < 40; value += 2) {
        ASSERT_EQ(patch_and_call(kAlias, value, kFunctions), value);
        ASSERT_EQ(patch_and_call(kAlias + 0x800, value + 1, kSecond), value + 1);
        ASSERT_EQ(patch_and_call(kFunctions, value, kAlias), value);
        ASSERT_EQ(call(kAlias + 0x800), value + 1);
        ASSERT_EQ(patch_both_and_call(kAlias, value + 100, kFunctions), value + 100);
        ASSERT_EQ(call(kSecond), value + 100);
        m.flush_tlb();
    }
    EXPECT_GT(flushes, 0);
    EXPECT_GT(drops, 0);
}

TEST_F(TrackedPatching, CodeWrittenBeforeItsFirstBlockIsFlushedFor) {
    load();
    m.set_reg(UC_X86_REG_RSI, kSecond);
    EXPECT_EQ(patch_and_call(kAlias, 7, kFunctions), 7u);  // writable entry first, then the first block
    EXPECT_EQ(flushes, 1);
    EXPECT_EQ(patch_and_call(kAlias, 8, kFunctions), 8u);
}

// Random patches and calls through both addresses, with random flushes: never stale.
TEST_F(TrackedPatching, RandomPatchesAndCallsAreNeverStale) {
    load();
    std::mt19937 random(1);
    for (uint32_t n = 1; n <= 20'000; ++n) {
        const uint64_t offset = random() % 2 ? 0x800 : 0, through = random() % 2 ? kAlias : kFunctions;
        const uint64_t called = (random() % 2 ? kAlias : kFunctions) + offset;
        if (random() % 64 == 0) m.flush_tlb();
        if (random() % 2) {
            ASSERT_EQ(patch_and_call(through + offset, n, called), n) << n;
        } else {
            ASSERT_EQ(call(called), m.get<uint32_t>(kFunctions + offset + 1)) << n;
        }
    }
    EXPECT_GT(flushes, 0);
    EXPECT_GT(drops, 0);
}

// Blocks are dropped by linear address only: the window gives each physical page one.
class Dropping : public Patching {
  protected:
    Dropping() {
        m.set_translation([](uint64_t page, uc_mem_type) { return Translation{physical(page)}; });
        m.on_new_block([this](uc_tb) { ++blocks; });
        load();
    }
    void drop(uint64_t page) { m.drop_blocks(kWindow + page, kWindow + page + kPage); }
    size_t blocks = 0;
};

TEST_F(Dropping, WindowReachesBlocksOfEveryLinearAddress) {
    call(kFunctions), call(kAlias), call(kSecond);
    m.put<uint32_t>(kFunctions + 1, 9);  // the host writes behind the engine's back
    EXPECT_EQ(call(kFunctions), 1u);
    drop(kFunctions);
    EXPECT_EQ(call(kFunctions), 9u);
    EXPECT_EQ(call(kAlias), 9u);
}

TEST_F(Dropping, TakesOnlyThatPage) {
    call(kFunctions);
    const size_t before = blocks;
    drop(kFunctions);
    call(kFunctions);
    EXPECT_EQ(blocks, before + 1) << "the function only, not its caller";
}

TEST_F(Dropping, ReachesABlockThatBeganOnThePageBefore) {
    constexpr uint64_t kEdge = kFunctions + kPage;
    m.code(kEdge - 2, {0xb8, 1, 0, 0, 0, 0xc3});  // mov eax, 1 across the page; ret
    EXPECT_EQ(call(kEdge - 2), 1u);
    m.put<uint8_t>(kEdge - 1, 4);
    drop(kFunctions);
    EXPECT_EQ(call(kEdge - 2), 4u);
    m.put<uint8_t>(kEdge, 5);
    drop(kEdge);
    EXPECT_EQ(call(kEdge - 2), 0x504u);
}

TEST_F(Dropping, IsSafeInsideTheBlockHookEvenForTheRunningPage) {
    size_t entries = 0;
    m.on_block([&](Block b) {
        if (b.address == kFunctions) drop(entries++ % 2 ? kPatcher : kFunctions);
    });
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(call(kFunctions), 1u);
    EXPECT_EQ(entries, 2000u);
}

TEST_F(Dropping, IsSafeInsideTheFillHook) {
    size_t dropped = 0;
    m.set_translation([&](uint64_t page, uc_mem_type type) {
        if (type == UC_MEM_WRITE) drop(kPatcher), ++dropped;
        return Translation{physical(page)};
    });
    for (uint32_t i = 0; i < 200; ++i) {
        m.flush_tlb();
        ASSERT_EQ(patch_and_call(kFunctions, i, kFunctions), i);
    }
    EXPECT_GE(dropped, 200u);
}

}  // namespace
}  // namespace vtless::engine_test
