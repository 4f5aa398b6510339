// SPDX-License-Identifier: MIT
// Where code and the accessed bits of page tables meet: pages that code is translated ahead into, and page
// tables that are run.
#include <gtest/gtest.h>

#include <vector>

#include "tests/sim/engine/guest_machine.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using Code = std::vector<uint8_t>;

constexpr uint64_t kTable = 0x20000;  // of 4 KiB pages: 6 to 8 MiB
constexpr uint64_t kWindow = 0x600000;
constexpr uint64_t kPage = 0x700000;
constexpr uint64_t kNext = kPage + 0x1000;

uint64_t entry_of(uint64_t va) { return kTable + 8 * ((va - kWindow) >> 12); }

class SmallPages : public GuestMachine {
  public:
    SmallPages() {
        for (uint64_t i = 0; i < 512; ++i) put<uint64_t>(kTable + 8 * i, (kWindow + i * 0x1000) | 7);
        put<uint64_t>(0x12000 + 8 * 3, kTable | 7);
        long_mode();
        engine().set_gpr(Gpr::RBX, uint64_t{1} << 44);  // an address that is not mapped
    }
    bool accessed(uint64_t va) const { return (get<uint64_t>(entry_of(va)) & 0x20) != 0; }
    // NOPs from `first` on, then the code, which ends at `end`; behind it NOPs and HLT.
    void fill(uint64_t first, const Code& code, uint64_t end) {
        for (uint64_t at = first; at < end + 64; ++at) put<uint8_t>(at, 0x90);
        for (size_t i = 0; i < code.size(); ++i) put<uint8_t>(end - code.size() + i, code[i]);
        put<uint8_t>(end + 64, 0xf4);
        engine().set_rip(first);
    }
    void run_stopping_every(uint64_t quantum) {
        do {
            engine().set_deadline(quantum == 0 ? Engine::kNever : engine().cycles() + quantum);
            run();
        } while (engine().stop().kind == Stop::Kind::Deadline);
    }
};

// The page behind is not even translated: it is not that whole lines are fetched.
TEST(TranslatedAhead, NotBehindWhatEndsABlockAtThePagesEnd) {
    for (const Code& code : {Code{0xf4}, Code{0x0f, 0x0b}, Code{0xeb, 0xee}}) {
        for (const uint64_t quantum : {0, 1}) {
            SmallPages m;
            m.fill(kNext - 16, code, kNext);
            m.engine().set_deadline(m.engine().cycles() + 200);  // the jump is a loop
            if (quantum != 0) m.engine().set_deadline(m.engine().cycles() + quantum);
            m.run();
            while (m.engine().stop().kind == Stop::Kind::Deadline && m.engine().cycles() < 200) {
                m.engine().set_deadline(m.engine().cycles() + quantum);
                m.run();
            }
            EXPECT_FALSE(m.accessed(kNext)) << +code[0] << " " << quantum;
        }
    }
}

// What faults or exits before the page's end does not end a block of the translator's, but code does not get to
// the page behind.
TEST(TranslatedAhead, BehindWhatFaultsOrExitsBeforeThePagesEnd) {
    for (const Code& code : {Code{0x31, 0xc9, 0xf7, 0xf1, 0x90, 0x90},  // xor ecx, ecx; div ecx
                             Code{0x8b, 0x03, 0x90, 0x90},              // mov eax, [rbx]
                             Code{0x0f, 0x01, 0x03, 0x90, 0x90}}) {     // sgdt [rbx]
        for (const uint64_t quantum : {0, 1, 2, 5}) {
            SmallPages m;
            m.fill(kNext - 32, code, kNext);
            m.run_stopping_every(quantum);
            EXPECT_LT(m.engine().rip(), kNext);
            EXPECT_FALSE(m.accessed(kNext)) << +code[0] << " " << quantum;
        }
    }
}

// Blocks are of bounded length, so where one begins decides how far ahead it is translated.
TEST(TranslatedAhead, WhereverStraightCodeThatIsLongerThanABlockIsStopped) {
    for (const uint64_t quantum : {0, 400}) {
        SmallPages m;
        m.fill(kPage + 0xd80, {0x8b, 0x03}, kPage + 0xd80 + 452);
        for (uint64_t at = kPage + 0xd80 + 452; at < kNext + 64; ++at) m.put<uint8_t>(at, 0x90);
        m.run_stopping_every(quantum);
        EXPECT_EQ(m.engine().rip(), kPage + 0xd80 + 450);
        EXPECT_FALSE(m.accessed(kNext)) << quantum;
    }
}

// A page table whose entry is run. It maps 0xc3c000, and its bytes are ADD EAX, EAX; RET. The access to that
// page makes them AND EAX, EAX; RET.
TEST(PageTablesThatAreRun, AreTranslatedAgainWhenAnAccessedBitIsSet) {
    for (const uint64_t quantum : {0, 1, 3}) {
        SmallPages m;
        m.put<uint64_t>(entry_of(kWindow), 0xc3c003);
        m.engine().set_gpr(Gpr::RAX, 1);
        m.engine().set_gpr(Gpr::RSI, kWindow);
        m.engine().set_gpr(Gpr::RDI, entry_of(kWindow));
        // call rdi; call rdi; mov edx, [rsi]; call rdi; call rdi; hlt
        m.code(GuestMachine::kCode, {0xff, 0xd7, 0xff, 0xd7, 0x8b, 0x16, 0xff, 0xd7, 0xff, 0xd7, 0xf4});
        m.run_stopping_every(quantum);
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_EQ(m.get<uint64_t>(entry_of(kWindow)), 0xc3c023u);
        EXPECT_EQ(m.gpr(Gpr::RAX), 4u) << quantum;
    }
}

// The dirty bit: 0xc3c023 to 0xc3c063, AND EAX, EAX to MOVSXD EAX, EAX.
TEST(PageTablesThatAreRun, AreTranslatedAgainWhenADirtyBitIsSet) {
    for (const uint64_t quantum : {0, 1, 3}) {
        SmallPages m;
        m.put<uint64_t>(entry_of(kWindow), 0xc3c003);
        m.engine().set_gpr(Gpr::RAX, 1);
        m.engine().set_gpr(Gpr::RSI, kWindow);
        m.engine().set_gpr(Gpr::RDI, entry_of(kWindow));
        // call rdi; mov [rsi], edx; cmp eax, 3 (clears ZF); call rdi: neither adds nor sets flags; hlt
        m.code(GuestMachine::kCode, {0xff, 0xd7, 0x89, 0x16, 0x83, 0xf8, 0x02, 0xff, 0xd7, 0xf4});
        m.run_stopping_every(quantum);
        EXPECT_TRUE(m.stopped_before(Instruction::HLT));
        EXPECT_EQ(m.get<uint64_t>(entry_of(kWindow)), 0xc3c063u);
        EXPECT_EQ(m.gpr(Gpr::RAX), 2u) << quantum;
        EXPECT_EQ(m.engine().rflags(), 0x46u) << quantum;
    }
}

}  // namespace
}  // namespace vtless::sim
