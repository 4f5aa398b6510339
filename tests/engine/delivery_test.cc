// SPDX-License-Identifier: MIT
// An event is delivered by us: host writes to the stack, then the image. No VMRUN, no flush.
#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kHandler = 0x110000;

const ImageLayout& layout() { return ImageLayout::get(); }

void make_kernel_code_and_data(Image& i) {
    i.set<uint32_t>(layout().cs + ImageLayout::kSelector, 0x08);
    i.set<uint32_t>(layout().cs + ImageLayout::kFlags, 0xa09b00);
    i.set<uint32_t>(layout().ss + ImageLayout::kSelector, 0);
    i.set<uint32_t>(layout().ss + ImageLayout::kFlags, 0xc09300);
}

// The 64-bit frame, lowest address first: error code, RIP, CS, RFLAGS, RSP, SS.
std::vector<uint64_t> frame_of(const Image& i) {
    return {i.get<uint32_t>(layout().error_code),
            i.get<uint64_t>(layout().rip),
            i.get<uint32_t>(layout().cs + ImageLayout::kSelector),
            i.get<uint64_t>(layout().rflags),
            i.get<uint64_t>(layout().rax + 32),
            i.get<uint32_t>(layout().ss + ImageLayout::kSelector)};
}

// #GP from CPL 3 onto an inner stack whose frame lies across two pages, these not adjacent in physical
// memory.
class Delivery : public testing::Test {
  protected:
    static constexpr uint64_t kInnerStack = 0x501010, kLow = 0x600000, kHigh = 0x700000;

    Delivery() {
        m.set_translation([](uint64_t page, uc_mem_type) { return Translation{physical(page)}; });
        m.code(kCode, {0x8e, 0xd8});  // mov ds, eax
        m.put<uint64_t>(kGuestGdt + 0x28, 0x00cff3000000ffff);
        m.put<uint64_t>(kGuestGdt + 0x30, 0x00affb000000ffff);
        m.code(kHandler, {0x5b, 0x5a, 0x52, 0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xcf});
        // pop rbx (error code); pop rdx (RIP); push rdx; add qword [rsp], 2; iretq
        m.code(kCode + 2, {0xff, 0xc6, 0x0f, 0x0b});  // inc esi; ud2
        m.load(GuestState::long_mode_user(kCode));
        m.set_reg(UC_X86_REG_RAX, 0x1234);
    }
    static uint64_t physical(uint64_t page) {
        return page == 0x500000 ? kLow : page == 0x501000 ? kHigh : page;
    }
    void deliver() {
        Image i(m);
        const auto frame = frame_of(i);
        const uint64_t rsp = (kInnerStack & ~15ull) - 8 * frame.size();
        for (size_t n = 0; n < frame.size(); ++n) {
            const uint64_t at = rsp + 8 * n;
            m.put(physical(at & ~(kPage - 1)) + at % kPage, frame[n]);
        }
        make_kernel_code_and_data(i);
        i.set<uint64_t>(layout().rax + 32, rsp);
        i.set<uint64_t>(layout().rflags, i.get<uint64_t>(layout().rflags) & ~0x300ull);
        i.set<uint64_t>(layout().rip, kHandler);
        i.set<uint32_t>(layout().hflags, layout().hflags_for(i));
        i.load();
    }
    BareMachine m;
};

TEST_F(Delivery, ErrorCodeOntoAStackThatCrossesAPage) {
    m.resume();
    ASSERT_TRUE(m.stopped_at_exception(13));
    deliver();
    EXPECT_EQ(m.get<uint64_t>(kLow + kPage - 32), 0x1234u);
    EXPECT_EQ(m.get<uint64_t>(kLow + kPage - 24), kCode);
    EXPECT_EQ(m.get<uint64_t>(kHigh), kGuestStack);
    EXPECT_EQ(m.get<uint64_t>(kHigh + 8), 0x2bu);
    m.resume();
    EXPECT_TRUE(m.stopped_at_exception(6));
    EXPECT_EQ(m.rip(), kCode + 4) << "IRETQ is native and went back past the faulting instruction";
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0x1234u);
    EXPECT_EQ(m.reg(UC_X86_REG_RDX), kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RSI), 1u);
    EXPECT_EQ(m.reg(UC_X86_REG_RSP), kGuestStack);
    EXPECT_EQ(Image(m).get<uint32_t>(layout().hflags) & 3, 3u);
}

TEST_F(Delivery, FlushesNothing) {
    m.resume();
    deliver();
    m.resume();
    m.fills().clear();
    size_t blocks = 0;
    m.on_new_block([&](uc_tb) { ++blocks; });
    for (int n = 0; n < 100; ++n) {
        m.resume(kCode);
        ASSERT_TRUE(m.stopped_at_exception(13));
        deliver();
        m.resume();
        ASSERT_TRUE(m.stopped_at_exception(6));
    }
    EXPECT_EQ(m.reg(UC_X86_REG_RSI), 101u);
    EXPECT_EQ(blocks, 0u);
    EXPECT_TRUE(m.fills().empty());
}

// In real mode: IP, CS, FLAGS of 16 bits, through the vector table.
TEST(RealModeDelivery, InterruptByImage) {
    BareMachine m;
    m.code(0x10000, {0xfb, 0x90, 0x90, 0xf4});  // sti; nop; nop; hlt
    m.code(0x20010, {0x43, 0xcf});              // inc bx; iret
    m.load(GuestState::real_mode(0x1000, 0));
    bool armed = true;
    m.on_block([&](Block b) {
        if (armed && b.address == 0x10002) armed = false, m.stop();
    });
    m.resume();
    ASSERT_EQ(m.rip(), 2u);
    Image i(m);
    const uint64_t rsp = i.get<uint64_t>(layout().rax + 32) - 6;
    m.put<uint16_t>(rsp, 2);
    m.put<uint16_t>(rsp + 2, 0x1000);
    m.put(rsp + 4, static_cast<uint16_t>(i.get<uint64_t>(layout().rflags)));
    i.set<uint64_t>(layout().rax + 32, rsp);
    i.set<uint32_t>(layout().cs + ImageLayout::kSelector, 0x2000);
    i.set<uint64_t>(layout().cs + ImageLayout::kBase, 0x20000);
    i.set<uint64_t>(layout().rip, 0x10);
    i.set<uint64_t>(layout().rflags, i.get<uint64_t>(layout().rflags) & ~0x300ull);
    i.load();
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.rip(), 3u);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1u);
    EXPECT_EQ(m.reg(UC_X86_REG_RFLAGS) & 0x200, 0x200u);
}

}  // namespace
}  // namespace vtless::engine_test
