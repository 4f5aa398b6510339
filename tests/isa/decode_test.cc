// SPDX-License-Identifier: MIT
// Encodings worked out by hand from SDM Vol. 2; decode_vs_capstone_test covers the rest by comparison.
#include "isa/x86/decode.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace vtless::x86 {
namespace {

using Bytes = std::vector<uint8_t>;

std::optional<MemoryInstruction> decode(const Bytes& bytes, CodeMode mode = CodeMode::BITS64) {
    return decode_memory_instruction(bytes, mode);
}

TEST(Decode, LoadsAndStoresOfEachWidth) {
    // mov eax, [rdi+0x20]
    const auto load = decode({0x8b, 0x47, 0x20});
    ASSERT_TRUE(load);
    EXPECT_EQ(load->length, 3);
    EXPECT_EQ(load->op, MemoryOp::MOV);
    EXPECT_EQ(load->form, OperandForm::REGISTER_MEMORY);
    EXPECT_EQ(load->memory_bytes, 4);
    EXPECT_EQ(load->register_bytes, 4);
    EXPECT_EQ(load->gpr, Gpr::RAX);
    EXPECT_EQ(load->memory, (MemoryOperand{.base = Gpr::RDI, .displacement = 0x20}));

    EXPECT_EQ(decode({0x66, 0x8b, 0x47, 0x20})->memory_bytes, 2);
    EXPECT_EQ(decode({0x48, 0x8b, 0x47, 0x20})->memory_bytes, 8);
    EXPECT_EQ(decode({0x66, 0x48, 0x8b, 0x47, 0x20})->memory_bytes, 8);
    EXPECT_EQ(decode({0x8a, 0x47, 0x20})->memory_bytes, 1);
    EXPECT_EQ(decode({0x89, 0x47, 0x20})->form, OperandForm::MEMORY_REGISTER);
    EXPECT_EQ(decode({0x8b, 0x07}, CodeMode::BITS16)->memory_bytes, 2);
    EXPECT_EQ(decode({0x66, 0x8b, 0x07}, CodeMode::BITS16)->memory_bytes, 4);
}

TEST(Decode, ImmediatesAreSignExtendedToTheOperand) {
    EXPECT_EQ(decode({0xc6, 0x07, 0xf0})->immediate, 0xf0u);
    EXPECT_EQ(decode({0x66, 0xc7, 0x07, 0x34, 0x92})->immediate, 0x9234u);
    EXPECT_EQ(decode({0x48, 0xc7, 0x07, 0x00, 0x00, 0x00, 0x80})->immediate, 0xffffffff80000000u);
    EXPECT_EQ(decode({0x83, 0x0f, 0xff})->immediate, 0xffffffffu);
    EXPECT_EQ(decode({0x0f, 0xba, 0x2f, 0xff})->immediate, 0xffu);
}

TEST(Decode, ByteRegistersDependOnRex) {
    const auto high = decode({0x88, 0x27});  // mov [rdi], ah
    EXPECT_EQ(high->gpr, Gpr::RAX);
    EXPECT_TRUE(high->high_byte);
    const auto low = decode({0x40, 0x88, 0x27});  // mov [rdi], spl
    EXPECT_EQ(low->gpr, Gpr::RSP);
    EXPECT_FALSE(low->high_byte);
    EXPECT_EQ(decode({0x44, 0x88, 0x27})->gpr, Gpr::R12);
    const auto stale = decode({0x40, 0x66, 0x88, 0x27});  // the REX does not count
    EXPECT_TRUE(stale->high_byte);
}

TEST(Decode, ExtendingLoadsHaveTwoWidths) {
    const auto zero = decode({0x48, 0x0f, 0xb6, 0x07});  // movzx rax, byte [rdi]
    EXPECT_EQ(zero->op, MemoryOp::MOVZX);
    EXPECT_EQ(zero->memory_bytes, 1);
    EXPECT_EQ(zero->register_bytes, 8);
    const auto sign = decode({0x66, 0x0f, 0xbe, 0x07});  // movsx ax, byte [rdi]
    EXPECT_EQ(sign->op, MemoryOp::MOVSX);
    EXPECT_EQ(sign->register_bytes, 2);
    const auto doubleword = decode({0x48, 0x63, 0x07});  // movsxd rax, dword [rdi]
    EXPECT_EQ(doubleword->op, MemoryOp::MOVSX);
    EXPECT_EQ(doubleword->memory_bytes, 4);
    EXPECT_EQ(doubleword->register_bytes, 8);
    EXPECT_FALSE(decode({0x63, 0x07}, CodeMode::BITS32)) << "ARPL";
}

TEST(Decode, AddressesOfEachSize) {
    const auto pair = decode({0x8b, 0x42, 0xfe}, CodeMode::BITS16);  // mov ax, [bp+si-2]
    EXPECT_EQ(pair->memory, (MemoryOperand{.segment = SegmentRegister::SS,
                                           .base = Gpr::RBP,
                                           .index = Gpr::RSI,
                                           .address_bytes = 2,
                                           .displacement = -2}));
    const auto direct = decode({0x8b, 0x06, 0x34, 0x12}, CodeMode::BITS16);  // mov ax, [0x1234]
    EXPECT_EQ(direct->memory, (MemoryOperand{.address_bytes = 2, .displacement = 0x1234}));
    const auto scaled = decode({0x42, 0x8b, 0x84, 0xa5, 0x80, 0, 0, 0});  // mov eax, [rbp+r12*4+0x80]
    EXPECT_EQ(scaled->memory, (MemoryOperand{.segment = SegmentRegister::SS,
                                             .base = Gpr::RBP,
                                             .index = Gpr::R12,
                                             .scale = 4,
                                             .displacement = 0x80}));
    const auto absolute = decode({0x8b, 0x04, 0x25, 0, 0, 0xe0, 0xfe});  // mov eax, [0xfffffffffee00000]
    EXPECT_EQ(absolute->memory, (MemoryOperand{.displacement = -0x01200000}));
    const auto relative = decode({0xc7, 0x05, 0xf0, 0xff, 0xff, 0xff, 1, 0, 0, 0});  // mov dword [rip-16], 1
    EXPECT_EQ(relative->length, 10);
    EXPECT_EQ(relative->memory, (MemoryOperand{.rip_relative = true, .displacement = -16}));
    EXPECT_FALSE(decode({0x8b, 0x05, 0, 0, 0, 0}, CodeMode::BITS32)->memory.rip_relative);
    const auto moffs = decode({0xa1, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0x80});  // mov eax, [0x80000000fee00000]
    EXPECT_EQ(moffs->length, 9);
    EXPECT_EQ(moffs->memory.displacement, static_cast<int64_t>(0x80000000fee00000));
}

TEST(Decode, SegmentPrefixesCountWhereTheModeHasThem) {
    EXPECT_EQ(decode({0x26, 0x8b, 0x07}, CodeMode::BITS32)->memory.segment, SegmentRegister::ES);
    EXPECT_EQ(decode({0x26, 0x8b, 0x07})->memory.segment, SegmentRegister::DS);
    EXPECT_EQ(decode({0x65, 0x8b, 0x07})->memory.segment, SegmentRegister::GS);
    EXPECT_EQ(decode({0x64, 0x65, 0x8b, 0x07})->memory.segment, SegmentRegister::GS) << "the last one counts";
    EXPECT_FALSE(decode({0x64, 0x3e, 0x8b, 0x07}));
    EXPECT_EQ(decode({0x41, 0x8b, 0x45, 0})->memory.segment, SegmentRegister::DS)
        << "R13 is no stack register";
}

TEST(Decode, StringsNameTheirOperands) {
    const auto movs = decode({0xf3, 0x64, 0x48, 0xa5});  // rep movsq es:[rdi], fs:[rsi]
    EXPECT_EQ(movs->op, MemoryOp::MOVS);
    EXPECT_EQ(movs->form, OperandForm::STRING);
    EXPECT_EQ(movs->repeat, Repeat::REPE);
    EXPECT_EQ(movs->memory_bytes, 8);
    EXPECT_EQ(movs->memory, (MemoryOperand{.segment = SegmentRegister::FS, .base = Gpr::RSI}));
    EXPECT_EQ(string_destination(*movs), (MemoryOperand{.segment = SegmentRegister::ES, .base = Gpr::RDI}));
    const auto stos = decode({0x26, 0xaa}, CodeMode::BITS16);
    EXPECT_EQ(stos->memory,
              (MemoryOperand{.segment = SegmentRegister::ES, .base = Gpr::RDI, .address_bytes = 2}));
    EXPECT_EQ(stos->gpr, Gpr::RAX);
    EXPECT_EQ(stos->register_bytes, 1);
    EXPECT_EQ(decode({0xf2, 0xf3, 0xae})->repeat, Repeat::REPE) << "the last one counts";
    EXPECT_EQ(decode({0xf2, 0xae})->repeat, Repeat::REPNE);
    EXPECT_EQ(decode({0xf3, 0x8b, 0x07})->repeat, Repeat::NONE) << "means nothing to MOV";
}

TEST(Decode, LockIsLegalOnlyWhereMemoryIsReadModifiedAndWritten) {
    const std::initializer_list<Bytes> legal = {{0x01, 0x07},         {0x81, 0x07, 1, 2, 3, 4},
                                                {0x87, 0x07},         {0x0f, 0xb1, 0x07},
                                                {0x0f, 0xc1, 0x07},   {0xff, 0x07},
                                                {0xff, 0x0f},         {0xf7, 0x17},
                                                {0xf7, 0x1f},         {0x0f, 0xab, 0x07},
                                                {0x0f, 0xba, 0x37, 1}};
    const std::initializer_list<Bytes> illegal = {
        {0x03, 0x07},    {0x39, 0x07},      {0x81, 0x3f, 1, 2, 3, 4}, {0x8b, 0x07},          {0x89, 0x07},
        {0xc6, 0x07, 1}, {0x85, 0x07},      {0x0f, 0xa3, 0x07},       {0x0f, 0xba, 0x27, 1}, {0xa5},
        {0xab},          {0x0f, 0xb6, 0x07}};
    const auto locked = [](Bytes bytes) {
        bytes.insert(bytes.begin(), 0xf0);
        return bytes;
    };
    for (const Bytes& bytes : legal) {
        EXPECT_FALSE(decode(bytes)->lock);
        ASSERT_TRUE(decode(locked(bytes))) << testing::PrintToString(bytes);
        EXPECT_TRUE(decode(locked(bytes))->lock);
    }
    for (const Bytes& bytes : illegal) {
        EXPECT_TRUE(decode(bytes)) << testing::PrintToString(bytes);
        EXPECT_FALSE(decode(locked(bytes))) << testing::PrintToString(bytes);
    }
}

TEST(Decode, RefusesWhatItDoesNotCover) {
    const std::initializer_list<Bytes> refused = {{},
                                                  {0x8b, 0xc7},              // a register operand
                                                  {0xf6, 0x0f, 1},           // TEST /1
                                                  {0xc6, 0x0f, 1},           // MOV /1
                                                  {0xff, 0x17},              // CALL
                                                  {0x0f, 0xba, 0x07, 1},     // /0
                                                  {0x82, 0x07, 1},           // no such opcode in 64-bit mode
                                                  {0x0f, 0x10, 0x07},        // MOVUPS
                                                  {0xc5, 0xf8, 0x10, 0x07},  // VMOVUPS
                                                  {0x66, 0x63, 0x07}};
    for (const Bytes& bytes : refused) EXPECT_FALSE(decode(bytes)) << testing::PrintToString(bytes);
    EXPECT_TRUE(decode({0x82, 0x07, 1}, CodeMode::BITS32));
}

TEST(Decode, RefusesTruncatedAndOverlongInstructions) {
    Bytes bytes = {0x65, 0x48, 0xc7, 0x84, 0xcb, 0x78, 0x56, 0x34, 0x12, 0x01, 0x02, 0x03, 0x04};
    EXPECT_EQ(decode(bytes)->length, bytes.size());
    for (size_t count = 0; count < bytes.size(); ++count)
        EXPECT_FALSE(decode_memory_instruction(std::span(bytes).first(count), CodeMode::BITS64)) << count;
    bytes.insert(bytes.begin(), 2, 0x65);
    EXPECT_EQ(decode(bytes)->length, 15);
    bytes.insert(bytes.begin(), 0x65);
    EXPECT_FALSE(decode(bytes)) << "16 bytes";
    EXPECT_FALSE(decode(Bytes(40, 0x66))) << "prefixes only";
}

TEST(MemoryInstruction, SaysWhetherMemoryIsReadAndWritten) {
    struct Case {
        Bytes bytes;
        bool reads, writes;
    };
    const std::initializer_list<Case> cases = {{{0x8b, 0x07}, true, false},
                                               {{0x89, 0x07}, false, true},
                                               {{0xc7, 0x07, 0, 0, 0, 0}, false, true},
                                               {{0x01, 0x07}, true, true},
                                               {{0x03, 0x07}, true, false},
                                               {{0x39, 0x07}, true, false},
                                               {{0x85, 0x07}, true, false},
                                               {{0x87, 0x07}, true, true},
                                               {{0xff, 0x07}, true, true},
                                               {{0x0f, 0xa3, 0x07}, true, false},
                                               {{0x0f, 0xab, 0x07}, true, true},
                                               {{0x0f, 0xb6, 0x07}, true, false},
                                               {{0xa4}, true, false},
                                               {{0xaa}, false, true},
                                               {{0xac}, true, false},
                                               {{0xae}, true, false},
                                               {{0xa6}, true, false}};
    for (const Case& c : cases) {
        const auto instruction = decode(c.bytes);
        ASSERT_TRUE(instruction) << testing::PrintToString(c.bytes);
        EXPECT_EQ(reads_memory(*instruction), c.reads) << testing::PrintToString(c.bytes);
        EXPECT_EQ(writes_memory(*instruction), c.writes) << testing::PrintToString(c.bytes);
    }
}

TEST(EffectiveAddress, IsCutToTheAddressSize) {
    const auto gpr = [](Gpr reg) { return 0x1111111100000000u * static_cast<unsigned>(reg) + 0xfff0; };
    const MemoryOperand sum{.base = Gpr::RBX, .index = Gpr::RSI, .scale = 2, .displacement = 0x30};
    EXPECT_EQ(effective_address(sum, 0, gpr), 0xffffffff00030000u);
    MemoryOperand narrow = sum;
    narrow.address_bytes = 4;
    EXPECT_EQ(effective_address(narrow, 0, gpr), 0x30000u);
    narrow.address_bytes = 2;
    narrow.scale = 1;
    EXPECT_EQ(effective_address(narrow, 0, gpr), 0x10u);
    const MemoryOperand relative{.rip_relative = true, .displacement = -16};
    EXPECT_EQ(effective_address(relative, 0x1000, gpr), 0xff0u);
    const MemoryOperand relative32{.address_bytes = 4, .rip_relative = true, .displacement = -16};
    EXPECT_EQ(effective_address(relative32, 0xffffffff80001000, gpr), 0x80000ff0u);
}

}  // namespace
}  // namespace vtless::x86
