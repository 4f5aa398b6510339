// SPDX-License-Identifier: MIT
// Instructions that Unicorn emptied or left unchecked, each with the way it is seen in spite of that.
#include <gtest/gtest.h>

#include <set>

#include "tests/engine/support/bare_machine.h"
#include "tests/engine/support/image_layout.h"

// Unicorn leaks the hook that it refuses to add.
extern "C" const char* __lsan_default_suppressions() { return "leak:libunicorn"; }

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kKernel = 0x110000;
constexpr uint32_t kUser = 3;

const ImageLayout& layout() { return ImageLayout::get(); }

TEST(GuttedInsns, OutAtCpl3WithIoplZeroSucceedsUnchecked) {
    for (int opcode : {0xe6, 0xe4, 0xee, 0xec}) {
        BareMachine m;
        m.code(kCode, {static_cast<uint8_t>(opcode), 0x90, 0x90, 0x0f, 0x0b});  // in/out imm8 or dx; nop; ud2
        m.enter(GuestState::long_mode_user(kCode));
        EXPECT_TRUE(m.stopped_at_exception(6)) << "no #GP, no exit at " << opcode;
        EXPECT_EQ(m.rip(), kCode + 3);
    }
}

TEST(GuttedInsns, OutIsCaughtByACodeHookBoundedToItsAddress) {
    BareMachine m;
    m.code(kCode,
           {0x48, 0xff, 0xc3, 0xee, 0x48, 0xff, 0xc3, 0xeb, 0xf7});  // inc rbx; out dx, al; inc rbx; jmp
    bool stop_at_new = true;
    size_t stops = 0;
    m.on_new_block([&](uc_tb block) {
        if (stop_at_new && block.pc == kCode) m.stop();
    });
    m.enter(GuestState::long_mode(kCode));
    EXPECT_EQ(m.rip(), kCode) << "stopped before a new block, to look at it";
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 0u);

    stop_at_new = false;
    m.on_code(kCode + 3, [&] { ++stops, m.stop(); });
    m.drop_blocks(kCode, kCode + 9);
    m.resume();
    EXPECT_EQ(m.rip(), kCode + 3);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 1u);
    for (int i = 1; i <= 10; ++i) m.resume(kCode + 4);
    EXPECT_EQ(stops, 11u);
    EXPECT_EQ(m.reg(UC_X86_REG_RBX), 21u);
}

// The hook's address is linear, also where RIP is an offset in a segment.
TEST(GuttedInsns, BoundedHookWorksInRealMode) {
    BareMachine m;
    m.code(0x10010, {0x90, 0x90, 0xe6, 0x80, 0xf4});
    bool stopped = false;
    m.on_code(0x10012, [&] { stopped = true, m.stop(); });
    m.enter(GuestState::real_mode(0x1000, 0x10));
    EXPECT_TRUE(stopped);
    EXPECT_EQ(m.rip(), 0x12u);
}

TEST(GuttedInsns, JumpToATssSwitchesWithoutExit) {
    constexpr uint64_t kNewTss = 0x44000, kTask = 0x120000;
    BareMachine m;
    m.code(kCode, {0xea, 0, 0, 0, 0, 0x28, 0});  // jmp 28:0
    m.put<uint8_t>(kTask, 0xf4);
    m.put<uint64_t>(kGuestGdt + 0x08, 0x00cf9b000000ffff);
    m.put<uint64_t>(kGuestGdt + 0x10, 0x00cf93000000ffff);
    m.put<uint64_t>(kGuestGdt + 0x20, 0x00008b0430000067);
    m.put<uint64_t>(kGuestGdt + 0x28, 0x0000890440000067);
    m.put<uint32_t>(kNewTss + 0x20, kTask);
    m.put<uint32_t>(kNewTss + 0x24, 2);
    m.put<uint32_t>(kNewTss + 0x28, 0xabcd);
    for (uint64_t i = 0; i < 6; ++i) m.put<uint32_t>(kNewTss + 0x48 + 4 * i, i == 1 ? 8 : 0x10);
    GuestState s = GuestState::protected_mode(kCode);
    s.tr = {0x20, 0x8b, 0x67, 0x43000};
    m.enter(s, Intercepts::usual().with(SvmExit::TASK_SWITCH));
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.rip(), kTask);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0xabcdu);
    EXPECT_EQ(Image(m).get<uint32_t>(layout().tr), 0x28u);
}

TEST(GuttedInsns, SyscallDoesNothing) {
    BareMachine m;
    m.code(kCode, {0x0f, 0x05, 0x0f, 0x0b});  // syscall; ud2
    GuestState s = GuestState::long_mode_user(kCode);
    s.lstar = kKernel;
    m.enter(s);
    EXPECT_TRUE(m.stopped_at_exception(6));
    EXPECT_EQ(m.rip(), kCode + 2);
    EXPECT_EQ(m.reg(UC_X86_REG_RCX), 0u);
}

// What SYSCALL does to the image, from inside its own hook: no stop. The engine adds the length to RIP after.
void emulate_syscall(BareMachine& m, Image& image, uint64_t target) {
    constexpr uint64_t kLength = 2;
    const uint64_t flags = m.reg(UC_X86_REG_RFLAGS);
    image.save();
    const uint64_t rip = image.get<uint64_t>(layout().rip);
    image.set<uint64_t>(layout().rax + 8, rip + kLength);  // RCX
    image.set<uint64_t>(layout().rax + 8 * 11, flags);     // R11
    image.set<uint64_t>(layout().rip, target - kLength);
    image.set<uint32_t>(layout().cs + ImageLayout::kFlags, 0xa09b00);
    image.set<uint32_t>(layout().ss + ImageLayout::kFlags, 0xc09300);
    image.set<uint32_t>(layout().hflags, image.get<uint32_t>(layout().hflags) & ~kUser);
    image.load();
}

TEST(GuttedInsns, SyscallIsDoneInsideItsHookByPatchingTheImage) {
    BareMachine m;
    m.code(kCode, {0x48, 0xff, 0xc3, 0x31, 0xc0, 0x0f, 0x05, 0x48, 0x83, 0xfb, 0x05, 0x75, 0xf3, 0x0f, 0x0b});
    // inc rbx; xor eax, eax; syscall; cmp rbx, 5; jne kCode; ud2
    m.code(kKernel, {0x0f, 0x20, 0xc0, 0x49, 0xff, 0xc0, 0x48, 0x0f, 0x07});  // mov rax, cr0; inc r8; sysretq
    GuestState s = GuestState::long_mode_user(kCode);
    s.star = 0x0023'0008'0000'0000;
    Intercepts no_cr = Intercepts::usual();
    no_cr.cr_read = 0;
    m.load(s, no_cr);
    Image image(m);
    std::set<uint64_t> flags;
    m.on_instruction(UC_X86_INS_SYSCALL, [&] {
        emulate_syscall(m, image, kKernel);
        flags.insert(image.get<uint64_t>(layout().rax + 8 * 11));
        return false;
    });
    m.resume();
    EXPECT_TRUE(m.stopped_at_exception(6));
    EXPECT_EQ(m.rip(), kCode + 13);
    EXPECT_EQ(m.reg(UC_X86_REG_R8), 5u) << "MOV from CR0 ran five times, so at CPL 0";
    EXPECT_EQ(Image(m).get<uint32_t>(layout().hflags) & 3, kUser) << "SYSRET is native";
    EXPECT_EQ(flags, (std::set<uint64_t>{0x46}))
        << "the flags of XOR, computed lazily, are right in the hook";
}

TEST(GuttedInsns, SysenterIsInvalidIn64BitCodeAndDoesNothingIn32BitCode) {
    BareMachine m;
    m.code(kCode, {0x0f, 0x34, 0x0f, 0x0b});
    GuestState s = GuestState::long_mode_user(kCode);
    s.sysenter_cs = 8;
    s.sysenter_eip = kKernel;
    m.enter(s);
    EXPECT_TRUE(m.stopped_at_exception(6));
    EXPECT_EQ(m.rip(), kCode) << "an AMD model has none: the #UD is where the engine emulates it";

    GuestState compatibility = s, legacy = GuestState::protected_mode_user(kCode);
    compatibility.cs.attributes = 0xcfb;
    legacy.sysenter_cs = 8;
    legacy.sysenter_eip = kKernel;
    for (const GuestState& in_32_bit : {compatibility, legacy}) {
        m.enter(in_32_bit);
        EXPECT_TRUE(m.stopped_at_exception(6));
        EXPECT_EQ(m.rip(), kCode + 2) << "silently skipped";
    }
}

TEST(GuttedInsns, SysenterIn32BitCodeIsSeenByItsHook) {
    BareMachine m;
    m.code(kCode, {0x40, 0x0f, 0x34, 0x0f, 0x0b});  // inc eax; sysenter; ud2
    m.code(kKernel, {0x90, 0xf4});
    m.load(GuestState::protected_mode_user(kCode));
    Image image(m);
    uint64_t seen = 0;
    m.on_instruction(UC_X86_INS_SYSENTER, [&] {
        seen = m.rip();
        emulate_syscall(m, image, kKernel);
        image.set<uint32_t>(layout().cs + ImageLayout::kFlags, 0xc09b00);
        image.load();
        return false;
    });
    m.resume();
    EXPECT_EQ(seen, kCode + 1);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT)) << "HLT exits at CPL 0 only";
    EXPECT_EQ(m.rip(), kKernel + 1);
}

// Host randomness: no seed of the engine's decides it, so 16 draws of 64 bits never agree between two runs.
std::vector<uint64_t> draw(uint8_t modrm) {
    BareMachine m;
    m.code(kCode, {0x48, 0x0f, 0xc7, modrm, 0xf4});  // rdrand rax / rdseed rax; hlt
    m.load(GuestState::long_mode(kCode));
    std::vector<uint64_t> values;
    for (int i = 0; i < 16; ++i) {
        m.resume(kCode);
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
        values.push_back(m.reg(UC_X86_REG_RAX));
    }
    return values;
}

TEST(GuttedInsns, RdrandReachesHostRandomness) { EXPECT_NE(draw(0xf0), draw(0xf0)); }
TEST(GuttedInsns, RdseedReachesHostRandomness) { EXPECT_NE(draw(0xf8), draw(0xf8)); }

TEST(GuttedInsns, RdrandIsStoppedBeforeItRunsByABoundedHook) {
    BareMachine m;
    m.code(kCode, {0x90, 0x48, 0x0f, 0xc7, 0xf0, 0xf4});
    m.on_code(kCode + 1, [&] { m.stop(); });
    m.enter(GuestState::long_mode(kCode));
    EXPECT_EQ(m.rip(), kCode + 1);
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0u);
    m.set_reg(UC_X86_REG_RAX, 42);
    m.resume(kCode + 5);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 42u);
}

TEST(GuttedInsns, XsetbvXgetbvAndVzeroupperRunUnseen) {
    BareMachine m;
    m.code(kCode, {0x31, 0xc9, 0x31, 0xd2, 0xb8, 7, 0, 0, 0, 0x0f, 0x01, 0xd1, 0x0f, 0x01, 0xd0, 0xc5, 0xf8,
                   0x77, 0xf4});
    GuestState s = GuestState::long_mode(kCode);
    s.cr4 |= 1u << 18;
    m.enter(s);
    EXPECT_TRUE(m.stopped_at(SvmExit::HLT));
    EXPECT_EQ(m.reg(UC_X86_REG_RAX), 7u);
}

TEST(GuttedInsns, OnlySomeInstructionsHaveAHookOfTheirOwn) {
    BareMachine m;
    for (int instruction : {UC_X86_INS_IN, UC_X86_INS_OUT, UC_X86_INS_SYSCALL, UC_X86_INS_SYSENTER,
                            UC_X86_INS_CPUID, UC_X86_INS_RDTSC, UC_X86_INS_RDTSCP})
        EXPECT_TRUE(m.accepts_instruction_hook(instruction)) << instruction;
    for (int instruction :
         {UC_X86_INS_RDRAND, UC_X86_INS_RDSEED, UC_X86_INS_XSETBV, UC_X86_INS_SYSRET, UC_X86_INS_HLT})
        EXPECT_FALSE(m.accepts_instruction_hook(instruction)) << instruction;
}

// What need not exit is answered in the hook, without a stop; an intercept comes first.
TEST(AnsweredInHook, RdtscRdtscpAndCpuid) {
    const struct {
        int instruction;
        SvmExit exit;
        std::vector<uint8_t> code;
    } cases[] = {{UC_X86_INS_RDTSC, SvmExit::RDTSC, {0x0f, 0x31}},
                 {UC_X86_INS_RDTSCP, SvmExit::RDTSC, {0x0f, 0x01, 0xf9}},
                 {UC_X86_INS_CPUID, SvmExit::CPUID, {0x0f, 0xa2}}};
    for (const auto& c : cases) {
        BareMachine m;
        m.code(kCode, std::span<const uint8_t>(c.code));
        m.put<uint8_t>(kCode + c.code.size(), 0xf4);
        uint64_t rip = 0;
        size_t calls = 0;
        m.on_instruction(c.instruction, [&] {
            ++calls, rip = m.rip();
            m.set_reg(UC_X86_REG_RAX, 0x1111);
            m.set_reg(UC_X86_REG_RDX, 0x22);
            return true;
        });
        m.enter(GuestState::long_mode(kCode), Intercepts::usual().without(c.exit));
        EXPECT_TRUE(m.stopped_at(SvmExit::HLT)) << c.instruction;
        EXPECT_EQ(m.reg(UC_X86_REG_RAX), 0x1111u) << c.instruction;
        EXPECT_EQ(m.reg(UC_X86_REG_RDX), 0x22u) << c.instruction;
        EXPECT_EQ(rip, kCode);
        m.enter(GuestState::long_mode(kCode));
        EXPECT_TRUE(m.stopped_at(c.exit)) << c.instruction;
        EXPECT_EQ(calls, 1u) << c.instruction;
    }
}

}  // namespace
}  // namespace vtless::engine_test
