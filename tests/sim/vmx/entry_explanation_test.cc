// SPDX-License-Identifier: MIT
// What the processor says about an entry that it has refused.
#include "isa/entry_explanation.h"

#include <string>

#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Msr;

class EntryExplanations : public GuestFixture {
  protected:
    EntryExplanations() {
        EXPECT_TRUE(memory.allocate_frame(area));
        code({0x0f, 0xa2});
    }
    // The VM-entry MSR-load area gets one entry.
    void load_msr(uint64_t index, uint64_t value = 0) {
        put_host<uint64_t>(area, index);
        put_host<uint64_t>(area + 8, value);
        write(F::VM_ENTRY_MSR_LOAD_ADDRESS, area.value());
        write(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    }
    std::string refused_id() {
        return hw->last_entry_failure() == nullptr ? "" : hw->last_entry_failure()->id();
    }
    void expect_msr_failure(const char* id) {
        EXPECT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), 1);
        EXPECT_EQ(refused_id(), id);
    }

    Hpa area;
};

TEST_F(EntryExplanations, SayCheckSectionFieldValueAndWhatIsAllowed) {
    write(F::GUEST_RFLAGS, 0x20);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    const EntryExplanation* why = hw->entry_explanation();
    ASSERT_NE(why, nullptr);
    EXPECT_STREQ(why->id, "guest.rflags.reserved");
    EXPECT_STREQ(why->section, "SDM Vol. 3C \"Checks on Guest RIP, RFLAGS, and SSP\" (27.3.1.4)");
    EXPECT_STREQ(why->sentence, "Bits 63:22, 15, 5 and 3 of RFLAGS must be 0, and bit 1 must be 1.");
    EXPECT_STREQ(why->field, "GUEST_RFLAGS");
    EXPECT_EQ(why->value, 0x20);
    EXPECT_STREQ(why->allowed, "bit 1 must be 1; bit 5 must be 0; for example 0x2");
}

TEST_F(EntryExplanations, AreOfVmFailToo) {
    write(F::HOST_TR_SELECTOR, 0);
    EXPECT_EQ(hw->vmlaunch(gprs),
              x86::VmxStatus::fail_valid(x86::VmInstructionError::ENTRY_INVALID_HOST_STATE));
    EXPECT_STREQ(hw->entry_explanation()->id, "host.tr.null");
}

TEST_F(EntryExplanations, AreGoneAfterAnEntryThatSucceeds) {
    write(F::GUEST_RFLAGS, 0);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    write(F::GUEST_RFLAGS, 2);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(hw->entry_explanation(), nullptr);
}

// A hypervisor that withdraws what it wanted to inject does not change what is explained.
TEST_F(EntryExplanations, KeepTheVmcsAsItWas) {
    const uint32_t interrupt = x86::EventInfo::external_interrupt(0x30).raw;
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, interrupt);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, 0);
    EXPECT_EQ(refused_id(), "guest.rflags.if");
    EXPECT_EQ(hw->last_entry_failure()->vmcs().get(F::VM_ENTRY_INTERRUPTION_INFORMATION), interrupt);
    EXPECT_EQ(hw->last_entry_failure()->vmcs().get(F::GUEST_RIP), kCode);
}

TEST_F(EntryExplanations, NameTheMsrEntryAndWhatIsWrongWithIt) {
    load_msr(static_cast<uint32_t>(Msr::IA32_FS_BASE), 0x1000);
    expect_msr_failure("load.msr.segment_base");
    EXPECT_STREQ(hw->entry_explanation()->allowed,
                 "entry 1, which loads MSR 0xc0000100 (IA32_FS_BASE) with 0x1000, has to change");
    load_msr(0x808);
    expect_msr_failure("load.msr.x2apic");
    load_msr(uint64_t{1} << 32 | static_cast<uint32_t>(Msr::IA32_STAR));
    expect_msr_failure("load.msr.reserved");
    load_msr(0x12345678);
    expect_msr_failure("load.msr.refused");
    load_msr(static_cast<uint32_t>(Msr::IA32_PAT), 2);
    expect_msr_failure("load.msr.refused");
    load_msr(static_cast<uint32_t>(Msr::IA32_STAR), 2);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(EntryExplanations, NameAnMsrAreaThatIsTooLongOrNotInMemory) {
    write(F::VM_ENTRY_MSR_LOAD_ADDRESS, memory.size());
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    expect_msr_failure("load.msr.memory");
    Hpa entries;
    ASSERT_TRUE(memory.allocate_frames(3, 4096, entries));
    for (unsigned i = 0; i < 513; ++i)
        put_host<uint64_t>(entries + i * 16, static_cast<uint32_t>(Msr::IA32_STAR));
    write(F::VM_ENTRY_MSR_LOAD_ADDRESS, entries.value());
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 512);
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 513);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 513);
    EXPECT_EQ(refused_id(), "load.msr.count");
}

TEST_F(EntryExplanations, NamePdptesInMemory) {
    using S = x86::SecondaryControls;
    Hpa table;
    ASSERT_TRUE(memory.allocate_frame(table));
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
          S::ENABLE_VPID);  // no EPT: guest is host memory
    write(F::VM_ENTRY_CONTROLS, capability::kEntry.adjust({{0}}).raw);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xc09b);
    write(F::GUEST_CR3, table.value());
    put_host<uint64_t>(table + 8, 0x1 | 0x2);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 2);
    EXPECT_EQ(refused_id(), "load.pdptes");
    EXPECT_STREQ(hw->entry_explanation()->field, "GUEST_CR3");
    EXPECT_EQ(hw->entry_explanation()->value, table.value());
}

}  // namespace
}  // namespace vtless::sim
