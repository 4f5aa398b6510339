// SPDX-License-Identifier: MIT
// State moves through uc_context images.
#include <gtest/gtest.h>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kData = 0x300000;

const ImageLayout& layout() { return ImageLayout::get(); }

// 1 for the mode's arithmetic: what each state's hflags should be comes from its own fields.
GuestState vm86() {
    GuestState s = GuestState::real_mode(0x1000, 0);
    s.cr0 = 0x11;
    s.rflags = 0x23002;
    for (Segment* segment : {&s.es, &s.cs, &s.ss, &s.ds, &s.fs, &s.gs}) segment->attributes = 0xf3;
    return s;
}

TEST(Image, EveryFieldIsFoundExactlyOnceBySentinels) { EXPECT_EQ(layout().problem, ""); }

TEST(Image, FieldsLieWhereTheEngineWasWrittenFor) {
    EXPECT_EQ(Image(BareMachine()).size(), 5608u);
    EXPECT_EQ(layout().rax, 40u);
    EXPECT_EQ(layout().rip, 168u);
    EXPECT_EQ(layout().es, 224u);
    EXPECT_EQ(layout().cr0, 464u);
    EXPECT_EQ(layout().efer, 632u);
    EXPECT_EQ(layout().lstar, 4880u);
    EXPECT_EQ(layout().error_code, 5424u);
    EXPECT_EQ(layout().intercept, 5560u);
}

TEST(Image, SegmentsAreSelectorBaseLimitFlagsInOrder) {
    BareMachine m;
    GuestState s = GuestState::long_mode(kCode);
    s.fs = {0x5c02, 0xc93, 0x5c000001, 0x5b00000000000005};
    m.load(s);
    const Image i(m);
    EXPECT_EQ(i.get<uint32_t>(layout().fs + ImageLayout::kSelector), 0x5c02u);
    EXPECT_EQ(i.get<uint64_t>(layout().fs + ImageLayout::kBase), 0x5b00000000000005u);
    EXPECT_EQ(i.get<uint32_t>(layout().fs + ImageLayout::kLimit), 0x5c000001u);
    EXPECT_EQ(i.get<uint32_t>(layout().fs + ImageLayout::kFlags), 0xc09300u);
    size_t previous = layout().es - ImageLayout::kSegmentSize;
    for (size_t at : {layout().es, layout().cs, layout().ss, layout().ds, layout().fs, layout().gs,
                      layout().ldtr, layout().tr, layout().gdtr, layout().idtr}) {
        EXPECT_EQ(at, previous + ImageLayout::kSegmentSize);
        previous = at;
    }
}

TEST(Image, HflagsAreAFunctionOfSegmentsAndControlRegisters) {
    GuestState based = GuestState::protected_mode(kCode), code16 = GuestState::protected_mode(kCode);
    based.ds.base = 0x1000;
    code16.cs.attributes = 0x9b;
    GuestState smap = GuestState::long_mode(kCode), no_sse = GuestState::long_mode(kCode);
    smap.cr4 |= 1u << 21;
    no_sse.cr4 &= ~0x200ull;
    no_sse.cr0 |= 0x8;
    GuestState compatibility = GuestState::long_mode_user(kCode);
    compatibility.cs.attributes = 0xcfb;
    for (const GuestState& s : {GuestState::real_mode(0x1000, 0), GuestState::protected_mode(kCode), based,
                                code16, GuestState::protected_mode_user(kCode), GuestState::long_mode(kCode),
                                smap, no_sse, GuestState::long_mode_user(kCode), compatibility, vm86()}) {
        BareMachine m;
        m.load(s);
        const Image i(m);
        EXPECT_EQ(i.get<uint32_t>(layout().hflags), layout().hflags_for(i)) << std::hex << "cr0 " << s.cr0;
    }
}

// Between runs the image holds all of RFLAGS, and it alone counts at the next run.
TEST(Image, RflagsAreWholeBetweenRuns) {
    BareMachine m;
    m.code(kCode, {0x9c, 0x58, 0xf4});  // pushfq; pop rax; hlt
    GuestState s = GuestState::long_mode(kCode);
    s.rflags = 0xed7;  // OF DF IF SF ZF AF PF CF
    m.load(s);
    Image i(m);
    EXPECT_EQ(i.get<uint64_t>(layout().rflags), 0xed7u);
    i.set<uint64_t>(layout().rflags, 0x243);
    i.load();
    m.resume();
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x243u);
}

// While code runs, arithmetic flags and DF live elsewhere, and cc_op says how to compute them.
TEST(Image, RflagsLackArithmeticAndDirectionFlagsInsideHooks) {
    BareMachine m;
    m.code(kCode, {0xfd, 0x31, 0xc0, 0xeb, 0x00, 0xf4});  // std; xor eax, eax; jmp; hlt
    m.load(GuestState::long_mode(kCode));
    Image i(m);
    uint64_t by_register = 0;
    m.on_block([&](Block b) {
        if (b.address != kCode + 5) return;
        i.save();
        by_register = m.reg(UC_X86_REG_RFLAGS);
    });
    m.resume();
    EXPECT_EQ(i.get<uint64_t>(layout().rflags), 2u);
    EXPECT_EQ(i.get<int32_t>(layout().df), -1);
    EXPECT_NE(i.get<uint32_t>(layout().cc_op), 1u);
    EXPECT_EQ(by_register & ~0x10u, 0x446u);
}

TEST(Image, RestoringFlushesNeitherTlbNorBlocks) {
    BareMachine m;
    m.code(kCode, {0x48, 0x8b, 0x1f, 0xf4});  // mov rbx, [rdi]; hlt
    size_t blocks = 0;
    m.on_new_block([&](uc_tb) { ++blocks; });
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kData);
    m.resume();
    const size_t blocks_before = blocks, fills_before = m.fills().size();
    Image(m).load();
    m.resume(kCode);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(blocks, blocks_before);
    EXPECT_EQ(m.fills().size(), fills_before);
}

TEST(Image, ModeSwitchesByImageAlone) {
    BareMachine m;
    m.load(GuestState::long_mode(kCode));
    const Image long_mode(m);
    m.load(GuestState::real_mode(0x1000, 0));
    Image image(m);
    m.code(0x10000, {0xb8, 0x34, 0x12, 0xf4});                  // mov ax, 0x1234; hlt
    m.code(kCode, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xf4});  // mov rax, imm64; hlt
    long_mode.load();
    m.resume(kCode);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x0807060504030201u);
    image.load();
    m.resume(0);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX) & 0xffff, 0x1234u);
    EXPECT_EQ(m.rip(), 3u);
}

// Field by field, from real mode to 64-bit mode, with hflags computed: no image of the target mode exists.
TEST(Image, RealModeBecomesLongModeFieldByField) {
    BareMachine m;
    m.load(GuestState::real_mode(0x1000, 0));
    Image i(m);
    i.set<uint64_t>(layout().cr0, 0x80050033);
    i.set<uint64_t>(layout().cr4, 0x6a0);
    i.set<uint64_t>(layout().efer, 0x1d01);
    i.set<uint64_t>(layout().cs + ImageLayout::kBase, 0);
    i.set<uint32_t>(layout().cs + ImageLayout::kFlags, 0xa09b00);
    for (size_t segment : {layout().ss, layout().ds, layout().es})
        i.set<uint32_t>(segment + ImageLayout::kFlags, 0xc09300);
    i.set<uint32_t>(layout().hflags, layout().hflags_for(i));
    i.set<uint64_t>(layout().rip, kCode);
    i.load();
    m.code(kCode, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x41, 0xff, 0xc0, 0xf4});  // ...; inc r8d; hlt
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x0807060504030201u);
    EXPECT_EQ(m.reg(UC_X86_REG_R8), 1u);
}

TEST(Image, MsrsAreReachedThroughTheImage) {
    BareMachine m;
    m.code(kCode, {0xb9, 0x82, 0, 0, 0xc0, 0x0f, 0x32, 0xf4});  // mov ecx, LSTAR; rdmsr; hlt
    m.load(GuestState::long_mode(kCode), Intercepts::usual().without(SvmExit::MSR));
    Image i(m);
    i.set<uint64_t>(layout().lstar, 0x1234'56789abc);
    i.load();
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x56789abcu);
    EXPECT_EQ(m.reg(UC_X86_REG_RDX), 0x1234u);
    m.code(kCode + 0x100, {0x0f, 0x30, 0xf4});  // wrmsr; hlt
    m.set_reg(UC_X86_REG_RDX, 0x7777);
    m.resume(kCode + 0x100);
    i.save();
    EXPECT_EQ(i.get<uint64_t>(layout().lstar), 0x7777'56789abcu);
}

TEST(Image, ErrorCodeOfAnInterceptedFaultIsInTheImage) {
    BareMachine m;
    m.code(kCode, {0x66, 0xb8, 0x34, 0x12, 0x8e, 0xd8});  // mov ax, 0x1234; mov ds, ax
    m.enter(GuestState::long_mode(kCode));
    EXPECT_TRUE(m.stopped_at_exception(13));
    EXPECT_EQ(m.rip(), kCode + 4);
    EXPECT_EQ(Image(m).get<uint32_t>(layout().error_code), 0x1234u);
}

TEST(Image, HiddenCodeBaseNeedNotFollowTheSelector) {
    BareMachine m;
    GuestState s = GuestState::real_mode(0xf000, 0xfff0);
    s.cs.base = 0x3f0000;
    m.code(0x3ffff0, {0xb8, 0x34, 0x12, 0xf4});
    m.enter(s);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x1234u);
}

TEST(Image, Dr7LoadedByVmrunArmsNothing) {
    BareMachine m;
    m.code(kCode, {0x90, 0x90, 0xf4});
    GuestState s = GuestState::long_mode(kCode);
    s.dr7 = 0x403;
    m.load(s);
    m.set_reg(UC_X86_REG_DR0, kCode + 1);
    m.resume();
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(Image(m).get<uint64_t>(layout().dr7), 0x403u);
}

// Two vCPUs of one VM: an image each, translated code shared, the TLB (it has no tags) flushed between.
TEST(Image, TwoVcpusShareTranslatedCodeNotTheTlb) {
    BareMachine m;
    m.code(kCode, {0x48, 0x8b, 0x1f, 0xf4});  // mov rbx, [rdi]; hlt
    m.put<uint64_t>(kData, 0xaaaa);
    m.put<uint64_t>(kData + kPage, 0xbbbb);
    uint64_t data = kData;
    m.set_translation(
        [&](uint64_t page, uc_mem_type) { return BareMachine::identity(page == kData ? data : page); });
    size_t blocks = 0;
    m.on_new_block([&](uc_tb) { ++blocks; });
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RDI, kData);
    Image first(m), second(m);
    const size_t r12 = layout().rax + 12 * sizeof(uint64_t);
    second.set<uint64_t>(r12, 0x1212);

    m.resume(kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0xaaaau);
    first.save();
    const size_t translated = blocks;

    data = kData + kPage;  // the second vCPU maps another page there
    second.load();
    m.resume(kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0xaaaau) << "without a flush the first one's entry is still there";
    m.flush_tlb();
    m.resume(kCode);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0xbbbbu);
    EXPECT_EQ(m.reg(UC_X86_REG_R12), 0x1212u);
    EXPECT_EQ(blocks, translated) << "no block was translated again";

    first.load();
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0xaaaau);
    EXPECT_EQ(m.reg(UC_X86_REG_R12), 0u);
}

}  // namespace
}  // namespace vtless::engine_test
