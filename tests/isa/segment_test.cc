// SPDX-License-Identifier: MIT
#include "isa/x86/segment.h"

#include <gtest/gtest.h>

namespace vtless::x86 {
namespace {

TEST(SegmentFromDescriptor, DecodesAFlat64BitCodeSegment) {
    constexpr Segment code = segment_from_descriptor(0x10, 0x00af9b000000ffff);
    static_assert(code.base == 0 && code.limit == 0xffffffff && code.selector == 0x10);
    EXPECT_EQ(code.rights.raw, 0xa09bu);
    EXPECT_TRUE(code.rights.is_code());
    EXPECT_TRUE(code.rights.readable());
    EXPECT_TRUE(code.rights.long_mode());
    EXPECT_FALSE(code.rights.default_big());
    EXPECT_FALSE(code.rights.is_conforming_code());
}

TEST(SegmentFromDescriptor, KeepsAByteLimitUnscaled) {
    const Segment data = segment_from_descriptor(0x2b, 0x1255f6345678abcd);
    EXPECT_EQ(data.base, 0x12345678u);
    EXPECT_EQ(data.limit, 0x5abcdu);
    EXPECT_TRUE(data.rights.is_expand_down());
    EXPECT_TRUE(data.rights.writable());
    EXPECT_EQ(data.rights.dpl(), 3u);
    EXPECT_TRUE(data.rights.default_big());
    EXPECT_TRUE(data.rights.available());
}

TEST(SegmentFromDescriptor, TakesTheUpperBaseOfASystemSegment) {
    const Segment tss = segment_from_descriptor(0x40, 0x00008b1122330067, 0xffffabcdfffffe00);
    EXPECT_EQ(tss.base, 0xfffffe0000112233u);
    EXPECT_EQ(tss.limit, 0x67u);
    EXPECT_TRUE(tss.rights.is_system(SystemType::TSS32_BUSY));
    EXPECT_FALSE(tss.rights.is_code());
    EXPECT_FALSE(tss.rights.readable());
}

TEST(DescriptorFromSegment, UndoesTheDecoding) {
    for (const uint64_t descriptor : {0x00af9b000000ffffull, 0x1255f6345678abcdull, 0x00008b1122330067ull})
        EXPECT_EQ(descriptor_from_segment(segment_from_descriptor(8, descriptor)), descriptor);
}

TEST(AccessRights, NamesEachField) {
    EXPECT_TRUE(AccessRights{AccessRights::kUnusable}.unusable());
    EXPECT_EQ(AccessRights{0x93}.with_dpl(3).raw, 0xf3u);
    EXPECT_EQ(AccessRights{0x89}.with_type(11).raw, 0x8bu);
    EXPECT_FALSE(AccessRights{0x99}.readable());  // execute-only code
    EXPECT_FALSE(AccessRights{0x91}.writable());  // read-only data
    EXPECT_TRUE(AccessRights{0x9f}.is_conforming_code());
}

TEST(GateFromDescriptor, DecodesA64BitInterruptGate) {
    const Gate gate = gate_from_descriptor(0x8123ee0300104567, 0xdeadbeefffffffff);
    EXPECT_EQ(gate.offset, 0xffffffff81234567u);
    EXPECT_EQ(gate.selector, 0x10);
    EXPECT_EQ(gate.type, SystemType::INTERRUPT_GATE32);
    EXPECT_TRUE(gate.clears_interrupt_flag());
    EXPECT_EQ(gate.dpl, 3u);
    EXPECT_TRUE(gate.present);
    EXPECT_FALSE(gate.code_or_data);
    EXPECT_EQ(gate.ist, 3u);
}

TEST(GateFromDescriptor, DropsTheUpperOffsetOfA16BitGate) {
    const Gate gate = gate_from_descriptor(0xffff841f00081234);
    EXPECT_EQ(gate.offset, 0x1234u);
    EXPECT_EQ(gate.type, SystemType::CALL_GATE16);
    EXPECT_TRUE(gate.is_16bit());
    EXPECT_EQ(gate.parameters, 31u);
}

TEST(Selector, SplitsIntoItsParts) {
    static_assert(selector_rpl(0x2b) == 3 && !selector_is_ldt(0x2b) && selector_offset(0x2b) == 0x28);
    EXPECT_TRUE(selector_is_ldt(0x0c));
    EXPECT_TRUE(selector_is_null(3));
    EXPECT_FALSE(selector_is_null(4));
}

}  // namespace
}  // namespace vtless::x86
