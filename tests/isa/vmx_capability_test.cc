// SPDX-License-Identifier: MIT
#include "isa/x86/vmx_capability.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace vtless::x86 {
namespace {

static_assert(sizeof(PinControls) == 4 && std::is_trivially_copyable_v<PinControls>);
static_assert(!std::is_convertible_v<PinControls, PrimaryControls>);
static_assert(PinControls::ACTIVATE_VMX_PREEMPTION_TIMER == 0x40);
static_assert(PrimaryControls::ACTIVATE_SECONDARY_CONTROLS == 0x80000000);
static_assert(SecondaryControls::UNRESTRICTED_GUEST == 0x80 &&
              SecondaryControls::USE_TSC_SCALING == 0x2000000);
static_assert(ExitControls::HOST_ADDRESS_SPACE_SIZE == 0x200 && ExitControls::LOAD_IA32_EFER == 0x200000);
static_assert(EntryControls::IA32E_MODE_GUEST == 0x200 && EntryControls::LOAD_IA32_EFER == 0x8000);
static_assert(TertiaryControls::IPI_VIRTUALIZATION == 0x10);

TEST(ControlWord, SetsAndClearsBits) {
    const PrimaryControls word =
        PrimaryControls{}.with(PrimaryControls::HLT_EXITING | PrimaryControls::USE_IO_BITMAPS);
    EXPECT_TRUE(word.has(PrimaryControls::HLT_EXITING));
    EXPECT_FALSE(word.has(PrimaryControls::HLT_EXITING | PrimaryControls::MOV_DR_EXITING));
    EXPECT_FALSE(word.without(PrimaryControls::HLT_EXITING).has(PrimaryControls::HLT_EXITING));
}

TEST(ControlCapability, AdjustsToWhatTheProcessorAllows) {
    const auto capability = PinCapability::make(kPinDefault1, kPinDefault1 | PinControls::NMI_EXITING);
    const PinControls wanted = PinControls{}.with(PinControls::NMI_EXITING | PinControls::VIRTUAL_NMIS);
    const PinControls word = capability.adjust(wanted);
    EXPECT_EQ(word.raw, kPinDefault1 | PinControls::NMI_EXITING);
    EXPECT_FALSE(capability.supports(PinControls::VIRTUAL_NMIS));
    EXPECT_TRUE(capability.accepts(word));
    EXPECT_FALSE(capability.accepts(wanted));
    EXPECT_FALSE(capability.accepts(word.with(PinControls::VIRTUAL_NMIS)));
    EXPECT_FALSE(capability.accepts(word.without(2)));
}

TEST(VmxBasic, SplitsIntoItsParts) {
    const VmxBasic basic{0x00da040000000012};
    EXPECT_EQ(basic.revision(), 0x12u);
    EXPECT_EQ(basic.region_bytes(), 1024u);
    EXPECT_EQ(basic.memory_type(), MemoryType::WB);
    EXPECT_TRUE(basic.has(VmxBasic::kTrueControls | VmxBasic::kInsOutsInformation));
    EXPECT_FALSE(basic.has(VmxBasic::kAddresses32));
}

TEST(VmxMisc, SplitsIntoItsParts) {
    const VmxMisc misc{0x000000007004c1e7};
    EXPECT_EQ(misc.preemption_timer_shift(), 7u);
    EXPECT_EQ(misc.cr3_targets(), 4u);
    EXPECT_EQ(misc.msr_list_max(), 512u);
    EXPECT_TRUE(
        misc.has(VmxMisc::kActivityHlt | VmxMisc::kStoresLmaToEntryControls | VmxMisc::kVmwriteAnyField));
}

TEST(FixedBits, BindInBothDirections) {
    EXPECT_TRUE(meets_fixed_bits(0x80000021, 0x80000021, 0xffffffff));
    EXPECT_FALSE(meets_fixed_bits(0x80000001, 0x80000021, 0xffffffff));
    EXPECT_FALSE(meets_fixed_bits(0x180000021, 0x80000021, 0xffffffff));
}

}  // namespace
}  // namespace vtless::x86
