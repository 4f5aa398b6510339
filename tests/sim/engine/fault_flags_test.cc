// SPDX-License-Identifier: MIT
// An instruction that faults has not changed the flags, whatever the translator did first.
#include <gtest/gtest.h>

#include <vector>

#include "isa/x86/rflags.h"
#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using Code = std::vector<uint8_t>;

constexpr uint64_t kCode = GuestMachine::kCode;
constexpr uint64_t kMissing = 0x600800;   // in a page that is not present
constexpr uint64_t kReadOnly = 0x800800;  // in one that may be read

void put_code(GuestMachine& m, const Code& code) {
    for (size_t i = 0; i < code.size(); ++i) m.put<uint8_t>(kCode + i, code[i]);
}

// Leaves the flags of ADD, SUB, ... for the translator to evaluate later.
const Code kBefore[] = {
    {0x90},                          // nop: they are as at the start
    {0x01, 0xd8},                    // add eax, ebx
    {0x39, 0xd8},                    // cmp eax, ebx
    {0x21, 0xd8},                    // and eax, ebx
    {0xff, 0xc0},                    // inc eax
    {0x11, 0xd8},                    // adc eax, ebx
    {0xd3, 0xe0},                    // shl eax, cl
    {0xd3, 0xc0},                    // rol eax, cl
    {0xc1, 0xf8, 0x03},              // sar eax, 3
    {0x01, 0xd8, 0x74, 0x00},        // add eax, ebx; je behind it: another block
    {0x39, 0xd8, 0xeb, 0x00},        // cmp eax, ebx; jmp behind it
    {0xf7, 0xe3},                    // mul ebx
    {0xf3, 0x0f, 0xb8, 0xc3},        // popcnt eax, ebx
    {0x39, 0xd8, 0x0f, 0x9a, 0xc2},  // cmp eax, ebx; setp dl
};

// Each with [r15].
std::vector<Code> accesses() {
    std::vector<Code> all;
    for (const unsigned reg : {2u, 3u}) {  // RCL, RCR
        const auto modrm = static_cast<uint8_t>(0x07 | reg << 3);
        all.insert(all.end(), {{0x41, 0xd0, modrm},
                               {0x41, 0xd1, modrm},
                               {0x49, 0xd3, modrm},
                               {0x41, 0xc0, modrm, 0x03},
                               {0x66, 0x41, 0xc1, modrm, 0x03}});
    }
    for (unsigned condition = 0; condition < 16; ++condition)  // SETcc
        all.push_back({0x41, 0x0f, static_cast<uint8_t>(0x90 + condition), 0x07});
    all.insert(all.end(), {{0x41, 0x01, 0x07},          // add [r15], eax
                           {0x41, 0x11, 0x07},          // adc
                           {0x41, 0xd3, 0x27},          // shl [r15], cl
                           {0x41, 0xff, 0x07},          // inc
                           {0x41, 0x0f, 0x42, 0x07},    // cmovb eax, [r15]
                           {0x41, 0x0f, 0xb1, 0x1f},    // cmpxchg [r15], ebx
                           {0x41, 0x0f, 0xc1, 0x07}});  // xadd
    return all;
}

struct Values {
    uint64_t rax, rbx, rflags;
};
constexpr Values kValues[] = {{0x80000001, 0x80000001, 2}, {5, 7, 0x8d7}, {7, 7, 3}, {0xffffffff, 1, 0x83}};

void start(GuestMachine& m, const Values& values, uint64_t address) {
    m.long_mode();
    Engine& engine = m.engine();
    engine.set_gpr(Gpr::RAX, values.rax);
    engine.set_gpr(Gpr::RBX, values.rbx);
    engine.set_gpr(Gpr::RCX, 3);
    engine.set_gpr(Gpr::R15, address);
    engine.edit_state().set_rflags(values.rflags);
    m.run();
}

void make_pages(GuestMachine& m) {
    m.put<uint64_t>(0x12000 + 8 * 3, 0);
    m.put<uint64_t>(0x12000 + 8 * 4, uint64_t{4} << 21 | 0x85);
}

Code joined(Code first, const Code& second) {
    first.insert(first.end(), second.begin(), second.end());
    first.push_back(0xf4);
    return first;
}

// Flags at the fault are those that HLT finds in the faulting instruction's place.
void check_all(GuestMachine& m) {
    for (const Code& before : kBefore) {
        for (const Values& values : kValues) {
            put_code(m, joined(before, {}));
            start(m, values, 0);
            ASSERT_TRUE(m.stopped_before(Instruction::HLT));
            const uint64_t expected = m.engine().rflags();
            for (const Code& access : accesses()) {
                for (const uint64_t address : {kMissing, kReadOnly}) {
                    put_code(m, joined(before, access));
                    start(m, values, address);
                    if (m.stopped_before(Instruction::HLT)) continue;  // a load that may be
                    EXPECT_EQ(m.engine().stop().kind, Stop::Kind::PageFault);
                    EXPECT_EQ(m.engine().rip(), kCode + before.size());
                    EXPECT_EQ(m.engine().rflags(), expected)
                        << testing::PrintToString(before) << " then " << testing::PrintToString(access)
                        << " of " << values.rax << " " << values.rbx << " at " << address;
                }
            }
        }
    }
}

TEST(FaultFlags, AreThoseBeforeTheInstruction) {
    GuestMachine m;
    make_pages(m);
    check_all(m);
}

TEST(FaultFlags, AlsoWhereOtherCodeHadAHook) {
    GuestMachine m;
    make_pages(m);
    for (uint64_t at = 1; at < 6; ++at) {
        m.long_mode(kCode + at);
        m.code(kCode + at, {0xec});  // in al, dx
        m.run();
        ASSERT_TRUE(m.stopped_before(Instruction::IN));
    }
    check_all(m);
}

// Found by tests/differential: Unicorn's took the others from flags that were not evaluated yet.
TEST(ComparisonFlags, OfCmpxchg8bAnd16bAreAllButZeroThoseBefore) {
    constexpr uint64_t kData = 0x20000;
    const Code kExchanges[] = {{0x41, 0x0f, 0xc7, 0x0f}, {0x49, 0x0f, 0xc7, 0x0f}};  // with [r15]
    GuestMachine m;
    for (const Code& before : kBefore) {
        for (const Values& values : kValues) {
            put_code(m, joined(before, {}));
            start(m, values, kData);
            ASSERT_TRUE(m.stopped_before(Instruction::HLT));
            const uint64_t expected = m.engine().rflags() & ~x86::rflags::ZF;
            for (const Code& exchange : kExchanges) {
                put_code(m, joined(before, exchange));
                start(m, values, kData);
                ASSERT_TRUE(m.stopped_before(Instruction::HLT));
                EXPECT_EQ(m.engine().rflags() & ~x86::rflags::ZF, expected)
                    << testing::PrintToString(before) << " then " << testing::PrintToString(exchange);
            }
        }
    }
}

// RCL of a byte of its own block: the store drops the block, and the instruction starts again.
TEST(FaultFlags, AnInstructionThatStartsAgainFindsItsFlags) {
    for (const Code& access :
         {Code{0xc0, 0x15, 0x01, 0, 0, 0, 0x03}, Code{0x0f, 0x92, 0x05, 0x01, 0, 0, 0}}) {
        for (const unsigned quantum : {0u, 1u}) {
            GuestMachine m;
            m.long_mode();
            // add eax, ebx (carries); access; hlt; a byte
            put_code(m, joined({0x01, 0xd8}, access));
            m.put<uint8_t>(kCode + 2 + access.size() + 1, 0x41);
            m.engine().set_gpr(Gpr::RAX, 0xffffffff);
            m.engine().set_gpr(Gpr::RBX, 3);
            do {
                m.engine().set_deadline(quantum == 0 ? Engine::kNever : m.engine().cycles() + quantum);
                m.run();
            } while (m.engine().stop().kind == Stop::Kind::Deadline);
            EXPECT_TRUE(m.stopped_before(Instruction::HLT));
            const unsigned result = m.get<uint8_t>(kCode + 2 + access.size() + 1);
            EXPECT_EQ(result, access.size() == 7 && access[0] == 0xc0 ? 0x0du : 0x01u) << quantum;
        }
    }
}

// The guest single-steps itself over POPF while the engine steps too.
TEST(FaultFlags, PopfUnderTheGuestsTfTraps) {
    for (const unsigned quantum : {0u, 1u, 2u}) {
        GuestMachine m;
        m.long_mode(kCode, 0, 0x102);
        m.code(kCode, {0x9d, 0x90, 0xf4});  // popf; nop; hlt
        m.put<uint64_t>(GuestMachine::kStack, 0x102);
        do {
            m.engine().set_deadline(quantum == 0 ? Engine::kNever : m.engine().cycles() + quantum);
            m.run();
        } while (m.engine().stop().kind == Stop::Kind::Deadline);
        EXPECT_TRUE(m.stopped_at_exception(x86::Vector::DB));
        EXPECT_EQ(m.engine().rip(), kCode + 1) << quantum;
    }
}

}  // namespace
}  // namespace vtless::sim
