// SPDX-License-Identifier: MIT
// Translation is ours alone: what a refused page, a sentinel page and a missing permission do.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"
#include "tests/engine/support/invalid_address.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kTarget = 0x300000, kNext = kTarget + kPage;
constexpr uint64_t kStackPage = kGuestStack - kPage;
using Bytes = std::vector<uint8_t>;

// An instruction with RDI (and RSI) as its pointer, and where it must be seen to fault.
struct MemoryCase {
    const char* name;
    Bytes code;
    uint64_t rdi;
    uint64_t page;   // refused, or answered by the sentinel
    uint64_t fault;  // linear address expected
    uc_mem_type type;
    int size;
    bool legacy = false;  // 32-bit protected mode
};

void PrintTo(const MemoryCase& a, std::ostream* out) { *out << a.name; }

void prepare(BareMachine& m, const MemoryCase& a) {
    m.code(kCode, std::span<const uint8_t>(a.code));
    m.put<uint8_t>(kCode + a.code.size(), 0xf4);
    m.put<uint64_t>(kGuestGdt + 8, 0x00cf9b000000ffff);
    m.put<uint64_t>(kGuestGdt + 16, 0x00cf93000000ffff);
    m.put<uint32_t>(0x310000, 0x120000);  // a far pointer 08:120000
    m.put<uint16_t>(0x310004, 8);
    m.put<uint8_t>(0x120000, 0xf4);
    GuestState s = a.legacy ? GuestState::protected_mode(kCode) : GuestState::long_mode(kCode);
    s.cr4 |= 1u << 18;  // OSXSAVE
    m.load(s);
    m.set_reg(UC_X86_REG_RDI, a.rdi);
    m.set_reg(UC_X86_REG_RSI, a.rdi);
    m.set_reg(UC_X86_REG_RAX, 0x1122334455667703);
    m.set_reg(UC_X86_REG_RBX, 0x99aabbccddeeff00);
    m.set_reg(UC_X86_REG_RCX, 4);
}

const MemoryCase kAccesses[] = {
    {"MovStore", {0x48, 0x89, 0x07}, 0x300123, kTarget, 0x300123, UC_MEM_WRITE_UNMAPPED, 8},
    {"MovStoreByte", {0x88, 0x07}, 0x300123, kTarget, 0x300123, UC_MEM_WRITE_UNMAPPED, 1},
    {"MovStoreWord", {0x66, 0x89, 0x07}, 0x300123, kTarget, 0x300123, UC_MEM_WRITE_UNMAPPED, 2},
    {"MovStoreDword", {0x89, 0x07}, 0x300123, kTarget, 0x300123, UC_MEM_WRITE_UNMAPPED, 4},
    {"MovLoad", {0x48, 0x8b, 0x1f}, 0x300123, kTarget, 0x300123, UC_MEM_READ_UNMAPPED, 8},
    {"MovLoadByte", {0x8a, 0x1f}, 0x300123, kTarget, 0x300123, UC_MEM_READ_UNMAPPED, 1},
    {"AddToMemory", {0x01, 0x07}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 4},
    {"Xchg", {0x87, 0x07}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 4},
    {"LockCmpxchg", {0xf0, 0x0f, 0xb1, 0x1f}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 4},
    {"Push", {0x50}, 0, kStackPage, kGuestStack - 8, UC_MEM_WRITE_UNMAPPED, 8},
    {"Pop", {0x58}, 0, kGuestStack, kGuestStack, UC_MEM_READ_UNMAPPED, 8},
    {"Pusha", {0x60}, 0, kStackPage, kGuestStack - 32, UC_MEM_WRITE_UNMAPPED, 4, true},
    {"Enter", {0xc8, 0x10, 0, 0}, 0, kStackPage, kGuestStack - 8, UC_MEM_WRITE_UNMAPPED, 8},
    {"FarCallPointer", {0xff, 0x1f}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 4, true},
    {"LoadCrossingIn", {0x48, 0x8b, 0x1f}, 0x300ffc, kNext, kNext, UC_MEM_READ_UNMAPPED, 8},
    {"LoadCrossingOut", {0x48, 0x8b, 0x1f}, 0x300ffc, kTarget, 0x300ffc, UC_MEM_READ_UNMAPPED, 8},
    {"StoreCrossingOut", {0x48, 0x89, 0x07}, 0x300ffc, kTarget, 0x300ffc, UC_MEM_WRITE_UNMAPPED, 8},
};

const MemoryCase kWide[] = {
    {"FarCallPush", {0xff, 0x1f}, 0x310000, kStackPage, kGuestStack - 4, UC_MEM_WRITE_UNMAPPED, 4, true},
    {"StoreCrossingIn", {0x48, 0x89, 0x07}, 0x300ffc, kNext, kNext, UC_MEM_WRITE_UNMAPPED, 1},
    {"Fxsave", {0x0f, 0xae, 0x07}, 0x300120, kTarget, 0x300120, UC_MEM_WRITE_UNMAPPED, 2},
    {"FxsaveCrossing", {0x0f, 0xae, 0x07}, 0x300f80, kNext, kNext, UC_MEM_WRITE_UNMAPPED, 8},
    {"Xsave", {0x0f, 0xae, 0x27}, 0x300140, kTarget, 0x300140, UC_MEM_WRITE_UNMAPPED, 2},
    {"MovupsLoad", {0x0f, 0x10, 0x07}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 8},
    {"MovupsStore", {0x0f, 0x11, 0x07}, 0x300120, kTarget, 0x300120, UC_MEM_WRITE_UNMAPPED, 8},
    {"Fxrstor", {0x0f, 0xae, 0x0f}, 0x300120, kTarget, 0x300120, UC_MEM_READ_UNMAPPED, 2},
};

std::vector<std::pair<int, uint64_t>> registers(const BareMachine& m) {
    std::vector<std::pair<int, uint64_t>> all;
    for (int id : {UC_X86_REG_RAX, UC_X86_REG_RBX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RSP,
                   UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_RIP, UC_X86_REG_RFLAGS})
        all.emplace_back(id, m.reg(id));
    return all;
}

std::string access_name(const testing::TestParamInfo<MemoryCase>& info) { return info.param.name; }

// A refused fill is the precise way: it unwinds to the instruction, with nothing changed, and the engine's
// invalid_addr holds the first refused byte. UC_HOOK_TLB_FILL itself is given the page only.
class Refused : public testing::TestWithParam<MemoryCase> {};

TEST_P(Refused, UnwindsToTheInstructionAndTellsTheLinearAddress) {
    BareMachine m;
    prepare(m, GetParam());
    m.refuse(GetParam().page);
    const auto before = registers(m);
    EXPECT_EQ(m.resume(), UC_ERR_EXCEPTION);
    EXPECT_EQ(registers(m), before);
    EXPECT_EQ(m.refused_page(), GetParam().page);
    EXPECT_EQ(invalid_address(m), GetParam().fault);
    EXPECT_TRUE(m.accesses().empty());
    EXPECT_EQ(m.get<uint32_t>(0x300ffc), 0u) << "the first page of a crossing store is untouched";
}

TEST_P(Refused, GoesOnWhenThePageIsThere) {
    BareMachine m;
    prepare(m, GetParam());
    m.refuse(GetParam().page);
    m.resume();
    m.set_translation([](uint64_t page, uc_mem_type) { return BareMachine::identity(page); });
    EXPECT_EQ(m.resume(), UC_ERR_OK);
    EXPECT_TRUE(m.interrupt().has_value());
}

INSTANTIATE_TEST_SUITE_P(Simple, Refused, testing::ValuesIn(kAccesses), access_name);
INSTANTIATE_TEST_SUITE_P(Wide, Refused, testing::ValuesIn(kWide), access_name);

class Sentinel : public testing::TestWithParam<MemoryCase> {};

// The address reported is the host-physical one, so the sentinel page may itself say which page was meant.
TEST_P(Sentinel, TellsAddressSizeAndStopsPrecisely) {
    const MemoryCase& a = GetParam();
    BareMachine m;
    prepare(m, a);
    m.make_sentinel(a.page);
    const auto before = registers(m);
    EXPECT_EQ(m.resume(), a.type == UC_MEM_READ_UNMAPPED ? UC_ERR_READ_UNMAPPED : UC_ERR_WRITE_UNMAPPED);
    EXPECT_EQ(registers(m), before);
    ASSERT_EQ(m.accesses().size(), 1u);
    EXPECT_EQ(m.accesses()[0].type, a.type);
    EXPECT_EQ(m.accesses()[0].address, kSentinel + a.fault % kPage);
    EXPECT_EQ(m.accesses()[0].size, a.size);
    EXPECT_EQ(m.accesses()[0].rip, kCode);
}

INSTANTIATE_TEST_SUITE_P(Simple, Sentinel, testing::ValuesIn(kAccesses), access_name);

class WideSentinel : public testing::TestWithParam<MemoryCase> {};

TEST_P(WideSentinel, TellsTheFirstByteWithRipExactInTheHook) {
    const MemoryCase& a = GetParam();
    BareMachine m;
    prepare(m, a);
    m.make_sentinel(a.page);
    m.resume();
    ASSERT_FALSE(m.accesses().empty());
    EXPECT_EQ(m.accesses()[0].type, a.type);
    EXPECT_EQ(m.accesses()[0].address, kSentinel + a.fault % kPage);
    EXPECT_EQ(m.accesses()[0].size, a.size);
    for (const Access& access : m.accesses()) EXPECT_EQ(access.rip, kCode);
}

INSTANTIATE_TEST_SUITE_P(Wide, WideSentinel, testing::ValuesIn(kWide), access_name);

TEST(SentinelPage, GivesTheStoreData) {
    for (int size : {1, 2, 4, 8}) {
        BareMachine m;
        prepare(m, kAccesses[size == 8 ? 0 : size == 1 ? 1 : size == 2 ? 2 : 3]);
        m.make_sentinel(kTarget);
        m.resume();
        const uint64_t mask = size == 8 ? ~0ull : (1ull << 8 * size) - 1;
        EXPECT_EQ(m.accesses().at(0).value, 0x1122334455667703 & mask);
    }
}

// So a page that a handler maps later needs no flush, and each device access costs a walk.
TEST(SentinelPage, IsNeverCached) {
    BareMachine m;
    prepare(m, kAccesses[0]);
    m.make_sentinel(kTarget);
    for (size_t n = 1; n <= 5; ++n) {
        m.resume();
        EXPECT_EQ(m.fills_of(kTarget), n);
    }
}

// Why FXSAVE must not meet a sentinel: the processor runs on, up to and including the next store.
TEST(SentinelPage, FxsaveIsNotStoppedByIt) {
    BareMachine m;
    m.code(kCode,
           {0x0f, 0xae, 0x07, 0x48, 0xff, 0xc3, 0x48, 0x89, 0x1e, 0xf4});  // fxsave; inc rbx; mov [rsi], rbx
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kTarget);
    m.set_reg(UC_X86_REG_RSI, 0x310000);
    m.make_sentinel(kTarget);
    m.resume();
    EXPECT_GT(m.accesses().size(), 40u);
    EXPECT_GT(m.rip(), kCode);
    EXPECT_EQ(m.get<uint64_t>(0x310000), 1u);
}

TEST(SentinelPage, FarCallIsNotStoppedByItsStack) {
    BareMachine m;
    prepare(m, kWide[0]);
    m.make_sentinel(kStackPage);
    m.resume();
    EXPECT_EQ(m.accesses().size(), 2u);
    EXPECT_EQ(m.rip(), 0x120000u) << "the call was made, its return address lost";
}

// A store that crosses into a sentinel page arrives a byte at a time, after its first page was written.
TEST(SentinelPage, CrossingStoreIsTornUnlikeARefusedOne) {
    BareMachine m;
    prepare(m, kWide[1]);
    m.make_sentinel(kNext);
    m.resume();
    ASSERT_EQ(m.accesses().size(), 4u);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(m.accesses()[i].address, kSentinel + i);
    EXPECT_EQ(m.get<uint32_t>(0x300ffc), 0x55667703u);
}

TEST(SentinelPage, FetchFromItStopsAtTheTarget) {
    BareMachine m;
    m.code(kCode, {0xff, 0xe7});  // jmp rdi
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kTarget + 0x120);
    m.make_sentinel(kTarget);
    EXPECT_EQ(m.resume(), UC_ERR_FETCH_UNMAPPED);
    EXPECT_EQ(m.rip(), kTarget + 0x120);
    EXPECT_EQ(m.accesses().at(0).type, UC_MEM_FETCH_UNMAPPED);
}

TEST(RepString, LeavesCountersExactAtARefusedPage) {
    BareMachine m;
    m.code(kCode, {0xf3, 0xaa, 0xf4});  // rep stosb
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kNext - 2);
    m.set_reg(UC_X86_REG_RCX, 5);
    m.refuse(kNext);
    EXPECT_EQ(m.resume(), UC_ERR_EXCEPTION);
    EXPECT_EQ(m.rip(), kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RCX), 3u);
    EXPECT_EQ(m.reg(UC_X86_REG_RDI), kNext);
    EXPECT_EQ(invalid_address(m), kNext);
}

TEST(Refusal, FetchTellsTheTarget) {
    BareMachine m;
    m.code(kCode, {0xff, 0xe7});
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kTarget + 0x123);
    m.refuse(kTarget);
    EXPECT_EQ(m.resume(), UC_ERR_EXCEPTION);
    EXPECT_EQ(m.rip(), kTarget + 0x123);
    EXPECT_EQ(invalid_address(m), kTarget + 0x123);
    EXPECT_EQ(m.fills().back(), (Fill{kTarget, UC_MEM_FETCH}));
}

TEST(Refusal, NonCanonicalAddressesReachTheHook) {
    BareMachine m;
    prepare(m, {"load", {0x48, 0x8b, 0x1f}, 0x8000'0000'0000'0010, 0, 0, UC_MEM_READ_UNMAPPED, 8});
    EXPECT_EQ(m.resume(), UC_ERR_EXCEPTION);
    EXPECT_EQ(m.refused_page(), 0x8000'0000'0000'0000u);
    EXPECT_EQ(invalid_address(m), 0x8000'0000'0000'0010u);
}

TEST(Refusal, AMillionOfThemNeitherLeaksNorOverflows) {
    BareMachine m;
    prepare(m, kAccesses[0]);
    m.refuse(kTarget);
    for (int i = 0; i < 1'000'000; ++i) {
        m.fills().clear();
        ASSERT_EQ(m.resume(), UC_ERR_EXCEPTION);
    }
    EXPECT_EQ(m.rip(), kCode);
}

// A block may span two pages; it is translated whole before it runs. So a block that runs into a refused page
// faults at its own first instruction, even if no instruction straddles. Stepping by TF makes RIP exact.
class IntoRefusedPage : public testing::Test {
  protected:
    IntoRefusedPage() {
        std::memset(m.ram(kNext - 16), 0x90, 16);
        m.code(kNext - 16, {0x48, 0xff, 0xc3});  // inc rbx
        m.refuse(kNext);
    }
    BareMachine m;
};

TEST_F(IntoRefusedPage, BlockFaultsAtItsFirstInstruction) {
    EXPECT_EQ(m.enter(GuestState::long_mode(kNext - 16)), UC_ERR_EXCEPTION);
    EXPECT_EQ(m.rip(), kNext - 16);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0u);
    EXPECT_EQ(m.refused_page(), kNext);
}

TEST_F(IntoRefusedPage, SteppingReachesTheStraddlingInstruction) {
    m.code(kNext - 3, {0x48, 0xb8, 1});  // mov rax, imm64
    GuestState s = GuestState::long_mode(kNext - 16);
    s.rflags |= 0x100;
    m.load(s);
    uc_err error = m.resume();
    while (m.stopped_at_exception(1)) error = m.resume();
    EXPECT_EQ(error, UC_ERR_EXCEPTION);
    EXPECT_EQ(m.rip(), kNext - 3);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1u);
    EXPECT_EQ(invalid_address(m), kNext);
}

TEST_F(IntoRefusedPage, SteppingReachesThePageWhenNothingStraddles) {
    GuestState s = GuestState::long_mode(kNext - 16);
    s.rflags |= 0x100;
    m.load(s);
    uc_err error = m.resume();
    while (m.stopped_at_exception(1)) error = m.resume();
    EXPECT_EQ(error, UC_ERR_EXCEPTION);
    EXPECT_EQ(m.rip(), kNext);
}

// A missing permission acts as a refusal, and is asked for again at each access.
TEST(FillPermissions, MissingOneIsARefusal) {
    const struct {
        int permissions;
        Bytes code;
        bool allowed;
    } cases[] = {{UC_PROT_READ, {0x48, 0x8b, 0x1f}, true},
                 {UC_PROT_READ, {0x48, 0x89, 0x07}, false},
                 {UC_PROT_WRITE, {0x48, 0x89, 0x07}, true},
                 {UC_PROT_WRITE, {0x48, 0x8b, 0x1f}, false},
                 {UC_PROT_EXEC, {0xff, 0xe7}, true},
                 {UC_PROT_EXEC, {0x48, 0x8b, 0x1f}, false},
                 {UC_PROT_READ | UC_PROT_WRITE, {0xff, 0xe7}, false},
                 {UC_PROT_NONE, {0x48, 0x8b, 0x1f}, false}};
    for (const auto& c : cases) {
        BareMachine m;
        prepare(m, {"", c.code, kTarget, 0, 0, UC_MEM_READ_UNMAPPED, 8});
        m.put<uint8_t>(kTarget, 0xf4);
        m.set_translation([&](uint64_t page, uc_mem_type) {
            return page == kTarget ? std::optional(Translation{page, c.permissions})
                                   : BareMachine::identity(page);
        });
        for (size_t n = 1; n <= 3; ++n) {
            EXPECT_EQ(m.resume(kCode), c.allowed ? UC_ERR_OK : UC_ERR_EXCEPTION) << c.permissions;
            EXPECT_EQ(m.fills_of(kTarget), c.allowed ? 1 : n) << c.permissions;
        }
    }
}

// What a first store (dirty bit) is seen by: W withheld until it comes. A read-modify-write asks to read
// first.
TEST(FillPermissions, WithheldWriteIsAskedForByTheFirstStore) {
    BareMachine m;
    prepare(m, kAccesses[6]);  // add [rdi], eax
    m.set_translation([&](uint64_t page, uc_mem_type type) {
        return Translation{page, UC_PROT_READ | UC_PROT_EXEC | (type == UC_MEM_WRITE ? UC_PROT_WRITE : 0)};
    });
    m.fills().clear();
    m.resume(kCode);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    const std::vector<Fill> expected = {
        {kCode, UC_MEM_FETCH}, {kTarget, UC_MEM_READ}, {kTarget, UC_MEM_WRITE}};
    EXPECT_EQ(m.fills(), expected);
    m.resume(kCode);
    EXPECT_EQ(m.fills(), expected);
}

// INVLPG drops 4 KiB, however large the guest's page: intercept it and flush the siblings.
TEST(FillGranularity, InvlpgDropsOnePage) {
    BareMachine m;
    m.code(kCode, {0x8a, 0x1f, 0x8a, 0x9f, 0x00, 0x10, 0,    0, 0x0f, 0x01,
                   0x3f, 0x8a, 0x1f, 0x8a, 0x9f, 0x00, 0x10, 0, 0,    0xf4});
    m.load(GuestState::long_mode(kCode), Intercepts::usual().without(SvmExit::INVLPG));
    m.set_reg(UC_X86_REG_RDI, kTarget);
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.fills_of(kTarget), 2u);
    EXPECT_EQ(m.fills_of(kNext), 1u);
}

// The hook is not told the privilege: a descriptor-table access at CPL 3 looks like the user's own load.
TEST(FillPrivilege, DescriptorTableIsFilledLikeAUserLoad) {
    BareMachine m;
    m.code(kCode, {0x8e, 0xd8});  // mov ds, eax
    m.put<uint64_t>(kGuestGdt + 0x28, 0x00cff3000000ffff);
    m.load(GuestState::long_mode_user(kCode));
    m.set_reg(UC_X86_REG_RAX, 0x2b);
    m.put<uint8_t>(kCode + 2, 0x90);
    m.refuse(kGuestGdt);
    EXPECT_EQ(m.resume(), UC_ERR_EXCEPTION);
    EXPECT_EQ(m.fills().back(), (Fill{kGuestGdt, UC_MEM_READ}));
    EXPECT_EQ(m.rip(), kCode);
    EXPECT_EQ(invalid_address(m), kGuestGdt + 0x28);
}

TEST(InvalidAddress, IsFoundAtOnePlaceInTheEngine) { EXPECT_EQ(invalid_address_candidates().size(), 1u); }

}  // namespace
}  // namespace vtless::engine_test
