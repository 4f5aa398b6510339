// SPDX-License-Identifier: MIT
#include "isa/x86/exit_qualification.h"
#include "tests/vcpu/vmx/machine.h"

namespace vtless::test {
namespace {

constexpr uint64_t kDevice = 0xe0000000;  // guest-physical
constexpr uint64_t kWindow = 0x9000;      // guest-linear
constexpr uint64_t kCode = 0x4000;
constexpr uint64_t kFilled = 0x1122334455667788;

constexpr uint64_t kOperand =
    x86::EptViolationQualification::LINEAR_ADDRESS_VALID | x86::EptViolationQualification::FINAL_TRANSLATION;

// 64-bit mode, code at kCode, a device of two pages behind kWindow, memory at 5000 and a hole at 6000.
struct Mmio : testing::Test {
    static SetupConfig config() {
        SetupConfig config;
        config.mmio.push_back({Gpa(kDevice), 0x2000});
        return config;
    }
    Mmio() {
        machine.enter_long_mode();
        machine.map_guest(kCode, kCode);
        machine.map_guest(0x5000, 0x5000);
        machine.map_guest(kWindow, kDevice);
        machine.map_guest(kWindow + 0x1000, kDevice + 0x1000);
        machine.field(VmcsField::GUEST_RIP) = kCode;
    }
    // The instruction touches the device at this offset.
    VmExit touch(std::initializer_list<int> code, uint64_t offset = 0x10, uint64_t flags = kOperand) {
        machine.put(kCode, code);
        machine.hw.on_entry([=](FakeHw& hw) {
            hw.set_exit(48, flags | x86::EptViolationQualification::READ, 0);
            hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = kDevice + offset;
            hw.field(VmcsField::GUEST_LINEAR_ADDRESS) = kWindow + offset;
        });
        return machine.run();
    }
    VmExit touch_at_rdi(std::initializer_list<int> code) {
        machine.set_gpr(Gpr::RDI, kWindow + 0x10);
        return touch(code);
    }
    // A read-modify-write: the read, its completion, and the write that follows without an entry.
    VmExit modify(std::initializer_list<int> code, uint64_t value) {
        EXPECT_TRUE(touch_at_rdi(code).is<VmExit::MmioRead>());
        const size_t entries = machine.hw.entries.size();
        EXPECT_TRUE(machine.vcpu().complete_mmio_read(value));
        const VmExit exit = machine.run();
        EXPECT_EQ(machine.hw.entries.size(), entries);
        return exit;
    }
    Machine machine{config()};
};

VmExit write_of(AccessWidth width, uint64_t data, uint64_t offset = 0x10) {
    return VmExit::MmioWrite{Gpa(kDevice + offset), width, data};
}

TEST_F(Mmio, LoadNamesRegisterAndWidthsAndIsPastTheInstruction) {
    EXPECT_EQ(
        touch_at_rdi({0x8b, 0x1f}),  // mov ebx, [rdi]
        VmExit(VmExit::MmioRead{Gpa(kDevice + 0x10), AccessWidth::Dword, AccessWidth::Dword, false, 3}));
    EXPECT_EQ(machine.rip(), kCode + 2);
}

TEST_F(Mmio, LoadMergesAsTheInstructionDoes) {
    struct {
        std::initializer_list<int> code;
        uint64_t rbx;
    } const rows[] = {
        {{0x8a, 0x1f}, 0x11223344556677f1},              // mov bl, [rdi]
        {{0x8a, 0x3f}, 0x112233445566f188},              // mov bh, [rdi]
        {{0x66, 0x8b, 0x1f}, 0x112233445566f2f1},        // mov bx, [rdi]
        {{0x8b, 0x1f}, 0xf4f3f2f1},                      // mov ebx, [rdi]
        {{0x48, 0x8b, 0x1f}, 0xf8f7f6f5f4f3f2f1},        // mov rbx, [rdi]
        {{0x0f, 0xb6, 0x1f}, 0xf1},                      // movzx ebx, byte [rdi]
        {{0x48, 0x0f, 0xbe, 0x1f}, 0xfffffffffffffff1},  // movsx rbx, byte [rdi]
        {{0x0f, 0xbf, 0x1f}, 0xfffff2f1},                // movsx ebx, word [rdi]
        {{0x48, 0x63, 0x1f}, 0xfffffffff4f3f2f1},        // movsxd rbx, dword [rdi]
    };
    for (const auto& row : rows) {
        machine.field(VmcsField::GUEST_RIP) = kCode;
        machine.set_gpr(Gpr::RBX, kFilled);
        EXPECT_TRUE(touch_at_rdi(row.code).is<VmExit::MmioRead>());
        ASSERT_TRUE(machine.vcpu().complete_mmio_read(0xf8f7f6f5f4f3f2f1));
        EXPECT_EQ(machine.gpr(Gpr::RBX), row.rbx);
    }
}

TEST_F(Mmio, StoreCarriesRegisterOrImmediate) {
    machine.set_gpr(Gpr::RBX, kFilled);
    EXPECT_EQ(touch_at_rdi({0x89, 0x1f}), write_of(AccessWidth::Dword, 0x55667788));  // mov [rdi], ebx
    EXPECT_EQ(machine.rip(), kCode + 2);
    machine.field(VmcsField::GUEST_RIP) = kCode;
    EXPECT_EQ(touch_at_rdi({0x88, 0x3f}), write_of(AccessWidth::Byte, 0x77));  // mov [rdi], bh
    machine.field(VmcsField::GUEST_RIP) = kCode;
    EXPECT_EQ(touch_at_rdi({0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff}),  // mov qword [rdi], -2
              write_of(AccessWidth::Qword, ~uint64_t{1}));
}

TEST_F(Mmio, StackPointerIsARegisterLikeOthers) {
    machine.set_gpr(Gpr::RSP, kFilled);
    EXPECT_EQ(touch_at_rdi({0x48, 0x89, 0x27}), write_of(AccessWidth::Qword, kFilled));  // mov [rdi], rsp
}

TEST_F(Mmio, ReadModifyWriteIsAReadAndThenAWrite) {
    machine.set_gpr(Gpr::RBX, 0xf0);
    EXPECT_EQ(modify({0x09, 0x1f}, 0x0f), write_of(AccessWidth::Dword, 0xff));  // or [rdi], ebx
    EXPECT_EQ(machine.rip(), kCode + 2);
    EXPECT_EQ(machine.gpr(Gpr::RBX), 0xf0u);
}

TEST_F(Mmio, ReadModifyWriteSetsFlags) {
    EXPECT_EQ(modify({0x83, 0x2f, 0x01}, 0), write_of(AccessWidth::Dword, 0xffffffff));  // sub dword [rdi], 1
    const uint64_t flags = machine.field(VmcsField::GUEST_RFLAGS);
    EXPECT_TRUE((flags & x86::rflags::CF) != 0 && (flags & x86::rflags::SF) != 0 &&
                (flags & x86::rflags::ZF) == 0);
}

TEST_F(Mmio, ReadModifyWriteThatIsNotCompletedExecutesAgain) {
    EXPECT_TRUE(touch_at_rdi({0x09, 0x1f}).is<VmExit::MmioRead>());
    EXPECT_EQ(machine.rip(), kCode);
    EXPECT_TRUE(touch_at_rdi({0x09, 0x1f}).is<VmExit::MmioRead>());
}

TEST_F(Mmio, ExchangesWriteTheRegisterAndReturnTheMemory) {
    machine.set_gpr(Gpr::RBX, 7);
    EXPECT_EQ(modify({0x87, 0x1f}, 9), write_of(AccessWidth::Dword, 7));  // xchg [rdi], ebx
    EXPECT_EQ(machine.gpr(Gpr::RBX), 9u);
    machine.field(VmcsField::GUEST_RIP) = kCode;
    EXPECT_EQ(modify({0x0f, 0xc1, 0x1f}, 4), write_of(AccessWidth::Dword, 13));  // xadd [rdi], ebx
    EXPECT_EQ(machine.gpr(Gpr::RBX), 4u);
}

TEST_F(Mmio, CompareExchangeWritesInBothCases) {
    machine.set_gpr(Gpr::RBX, 7);
    machine.set_gpr(Gpr::RAX, 5);
    EXPECT_EQ(modify({0x0f, 0xb1, 0x1f}, 5), write_of(AccessWidth::Dword, 7));  // cmpxchg [rdi], ebx
    EXPECT_NE(machine.field(VmcsField::GUEST_RFLAGS) & x86::rflags::ZF, 0u);
    machine.field(VmcsField::GUEST_RIP) = kCode;
    EXPECT_EQ(modify({0x0f, 0xb1, 0x1f}, 6), write_of(AccessWidth::Dword, 6));
    EXPECT_EQ(machine.field(VmcsField::GUEST_RFLAGS) & x86::rflags::ZF, 0u);
    EXPECT_EQ(machine.gpr(Gpr::RAX), 6u);
}

TEST_F(Mmio, ComparisonReadsOnly) {
    machine.set_gpr(Gpr::RBX, 9);
    EXPECT_TRUE(touch_at_rdi({0x3b, 0x1f}).is<VmExit::MmioRead>());  // cmp ebx, [rdi]
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(9));
    EXPECT_NE(machine.field(VmcsField::GUEST_RFLAGS) & x86::rflags::ZF, 0u);
    EXPECT_EQ(machine.rip(), kCode + 2);
    EXPECT_EQ(machine.gpr(Gpr::RBX), 9u);
    machine.hw.exit_with(ExitReason::HLT);
    EXPECT_TRUE(machine.run().is<VmExit::Halt>());
}

TEST_F(Mmio, ArithmeticIntoARegister) {
    machine.set_gpr(Gpr::RBX, 0xffffffff00000001);
    EXPECT_TRUE(touch_at_rdi({0x03, 0x1f}).is<VmExit::MmioRead>());  // add ebx, [rdi]
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(2));
    EXPECT_EQ(machine.gpr(Gpr::RBX), 3u);
}

TEST_F(Mmio, StosIsOneWriteForEachElement) {
    machine.set_gpr(Gpr::RAX, 0xab);
    machine.set_gpr(Gpr::RCX, 2);
    machine.set_gpr(Gpr::RDI, kWindow + 0x10);
    EXPECT_EQ(touch({0xf3, 0xaa}, 0x10), write_of(AccessWidth::Byte, 0xab, 0x10));
    EXPECT_EQ(machine.rip(), kCode);
    EXPECT_EQ(touch({0xf3, 0xaa}, 0x11), write_of(AccessWidth::Byte, 0xab, 0x11));
    EXPECT_EQ(machine.rip(), kCode + 2);
    EXPECT_EQ(machine.gpr(Gpr::RDI), kWindow + 0x12);
    EXPECT_EQ(machine.gpr(Gpr::RCX), 0u);
}

TEST_F(Mmio, LodsFillsTheAccumulator) {
    machine.set_gpr(Gpr::RAX, kFilled);
    machine.set_gpr(Gpr::RSI, kWindow + 0x10);
    EXPECT_TRUE(touch({0x66, 0xad}).is<VmExit::MmioRead>());
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0xffff));
    EXPECT_EQ(machine.gpr(Gpr::RAX), 0x112233445566ffffu);
    EXPECT_EQ(machine.gpr(Gpr::RSI), kWindow + 0x12);
    EXPECT_EQ(machine.rip(), kCode + 2);
}

TEST_F(Mmio, MovsFromDeviceToMemory) {
    machine.set_gpr(Gpr::RSI, kWindow + 0x10);
    machine.set_gpr(Gpr::RDI, 0x5100);
    machine.set_gpr(Gpr::RCX, 2);
    EXPECT_TRUE(touch({0xf3, 0xa5}).is<VmExit::MmioRead>());  // rep movsd
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0xcafe));
    EXPECT_EQ(machine.get64(0x5100), 0xcafeu);
    EXPECT_EQ(machine.rip(), kCode);
    EXPECT_EQ(machine.gpr(Gpr::RCX), 1u);
    EXPECT_EQ(machine.gpr(Gpr::RSI), kWindow + 0x14);
    EXPECT_EQ(machine.gpr(Gpr::RDI), 0x5104u);
}

TEST_F(Mmio, MovsFromMemoryToDevice) {
    machine.set_gpr(Gpr::RSI, 0x5200);
    machine.set_gpr(Gpr::RDI, kWindow + 0x10);
    machine.put64(0x5200, kFilled);
    EXPECT_EQ(touch({0x48, 0xa5}), write_of(AccessWidth::Qword, kFilled));
    EXPECT_EQ(machine.gpr(Gpr::RSI), 0x5208u);
    EXPECT_EQ(machine.gpr(Gpr::RDI), kWindow + 0x18);
}

TEST_F(Mmio, MovsFromDeviceToDevice) {
    machine.set_gpr(Gpr::RSI, kWindow + 0x10);
    machine.set_gpr(Gpr::RDI, kWindow + 0x1020);
    EXPECT_TRUE(touch({0xa4}).is<VmExit::MmioRead>());
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0x77));
    EXPECT_EQ(machine.run(), write_of(AccessWidth::Byte, 0x77, 0x1020));
    EXPECT_EQ(machine.rip(), kCode + 1);
}

TEST_F(Mmio, MovsIntoAMissingPageFaultsBeforeTheDeviceIsRead) {
    machine.set_gpr(Gpr::RSI, kWindow + 0x10);
    machine.set_gpr(Gpr::RDI, 0x6000);
    EXPECT_TRUE(touch({0xa4}).is<VmExit::Nothing>());
    EXPECT_EQ(machine.next_injection(), x86::EventInfo::exception(x86::Vector::PF));
    EXPECT_EQ(machine.hw.cr2, 0x6000u);
    EXPECT_EQ(machine.rip(), kCode);
}

TEST_F(Mmio, ScasStopsAtItsCondition) {
    machine.set_gpr(Gpr::RAX, 0x41);
    machine.set_gpr(Gpr::RCX, 8);
    EXPECT_TRUE(touch_at_rdi({0xf2, 0xae}).is<VmExit::MmioRead>());  // repne scasb
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0x40));
    EXPECT_EQ(machine.rip(), kCode);
    machine.set_gpr(Gpr::RDI, kWindow + 0x11);
    EXPECT_TRUE(touch({0xf2, 0xae}, 0x11).is<VmExit::MmioRead>());
    ASSERT_TRUE(machine.vcpu().complete_mmio_read(0x41));
    EXPECT_EQ(machine.rip(), kCode + 2);
    EXPECT_EQ(machine.gpr(Gpr::RCX), 6u);
    EXPECT_NE(machine.field(VmcsField::GUEST_RFLAGS) & x86::rflags::ZF, 0u);
}

TEST_F(Mmio, WhatCannotBeTakenApartIsUnhandledAndChangesNothing) {
    const std::initializer_list<int> rows[] = {
        {0x0f, 0xae, 0x07},  // fxsave [rdi]
        {0xff, 0x37},        // push qword [rdi]
        {0x0f, 0xab, 0x1f},  // bts [rdi], ebx: may reach anywhere
        {0xa6},              // cmpsb
        {0xff, 0xff},        // undefined
    };
    for (const auto& code : rows) {
        EXPECT_EQ(touch_at_rdi(code), VmExit(VmExit::Unhandled{48, kOperand | 1}));
        EXPECT_EQ(machine.rip(), kCode);
    }
}

TEST_F(Mmio, AccessAcrossThePageIsUnhandled) {
    machine.set_gpr(Gpr::RDI, kWindow + 0xffe);
    EXPECT_TRUE(touch({0x8b, 0x1f}, 0xffe).is<VmExit::Unhandled>());
    // Its second half alone: the linear address is not the operand's.
    EXPECT_TRUE(touch({0x8b, 0x1f}, 0x1000).is<VmExit::Unhandled>());
}

TEST_F(Mmio, FetchesAndPageTableAccessesAreUnhandled) {
    EXPECT_TRUE(
        touch({0x8b, 0x1f}, 0x10, kOperand | x86::EptViolationQualification::FETCH).is<VmExit::Unhandled>());
    EXPECT_TRUE(touch({0x8b, 0x1f}, 0x10, x86::EptViolationQualification::LINEAR_ADDRESS_VALID)
                    .is<VmExit::Unhandled>());
}

TEST_F(Mmio, ViolationElsewhereIsANestedPageFault) {
    machine.hw.on_entry([](FakeHw& hw) {
        hw.set_exit(48, kOperand | x86::EptViolationQualification::WRITE);
        hw.field(VmcsField::GUEST_PHYSICAL_ADDRESS) = kDevice + 0x2000;
    });
    EXPECT_EQ(machine.run(), VmExit(VmExit::NestedPageFault{Gpa(kDevice + 0x2000), {false, true, false}}));
    EXPECT_EQ(machine.rip(), kCode);
}

TEST_F(Mmio, InstructionAcrossACodePageIsDecoded) {
    machine.map_guest(kCode + 0x1000, 0x2000);
    machine.put(kCode + 0xfff, {0x8b});
    machine.put(0x2000, {0x1f});
    machine.field(VmcsField::GUEST_RIP) = kCode + 0xfff;
    machine.set_gpr(Gpr::RDI, kWindow + 0x10);
    EXPECT_TRUE(touch({0x90}).is<VmExit::MmioRead>());
    EXPECT_EQ(machine.rip(), kCode + 0x1001);
}

TEST(MmioRange, ContainsWholeAccessesOnly) {
    const vmx::MmioRange range{Gpa(0x1000), 0x10};
    EXPECT_TRUE(range.contains(Gpa(0x1008), 8));
    EXPECT_FALSE(range.contains(Gpa(0x1009), 8));
    EXPECT_FALSE(range.contains(Gpa(0xfff), 1));
    EXPECT_FALSE(range.contains(Gpa(~uint64_t{0}), 8));
}

}  // namespace
}  // namespace vtless::test
