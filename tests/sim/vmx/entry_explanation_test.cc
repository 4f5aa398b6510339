// SPDX-License-Identifier: MIT
// What the processor says about an entry that it has refused.
#include "isa/entry_explanation.h"

#include <fmt/format.h>

#include <string>
#include <vector>

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

// SDM Vol. 3C "Loading MSRs" (27.4), case by case, and what is on the other side of each limit.
TEST_F(EntryExplanations, NameTheMsrItsValueTheRuleAndWhatIsAllowed) {
    const struct {
        uint64_t index;
        uint64_t value;
        const char* id;  // "" where the entry is loaded
        const char* allowed;
    } cases[] = {
        {0xc0000100, 0x1000, "load.msr.segment_base",
         "entry 1, which loads MSR 0xc0000100 (IA32_FS_BASE) with 0x1000: no value can be loaded from here: "
         "FS_BASE of the state area in the VMCS is for it"},
        {0xc0000101, 0, "load.msr.segment_base",
         "entry 1, which loads MSR 0xc0000101 (IA32_GS_BASE) with 0x0: no value can be loaded from here: "
         "GS_BASE of the state area in the VMCS is for it"},
        {0xc0000102, 0x1000, "", nullptr},
        {0x7ff, 0, "load.msr.unknown",
         "entry 1, which loads MSR 0x7ff with 0x0: this processor has no such MSR: leave the entry out"},
        {0x800, 0, "load.msr.x2apic",
         "entry 1, which loads MSR 0x800 with 0x0: no value can be loaded: leave the entry out"},
        {0x808, 0x20, "load.msr.x2apic",
         "entry 1, which loads MSR 0x808 (IA32_X2APIC_TPR) with 0x20: no value can be loaded: leave the "
         "entry out"},
        {0x8ff, 0, "load.msr.x2apic",
         "entry 1, which loads MSR 0x8ff with 0x0: no value can be loaded: leave the entry out"},
        {0x900, 0, "load.msr.unknown",
         "entry 1, which loads MSR 0x900 with 0x0: this processor has no such MSR: leave the entry out"},
        {0x9b, 0, "load.msr.smm",
         "entry 1, which loads MSR 0x9b (IA32_SMM_MONITOR_CTL) with 0x0: no value can be loaded: leave the "
         "entry out"},
        {bit(32) | 0xc0000081, 5, "load.msr.reserved",
         "entry 1, which loads MSR 0xc0000081 (IA32_STAR) with 0x5: bits 63:32 of the entry must be 0, and "
         "are 0x1"},
        {0xc0000081, 5, "", nullptr},
        {0x480, 0, "load.msr.read_only",
         "entry 1, which loads MSR 0x480 (IA32_VMX_BASIC) with 0x0: no value can be loaded: leave the entry "
         "out"},
        {0x277, 0x206, "load.msr.value",
         "entry 1, which loads MSR 0x277 (IA32_PAT) with 0x206: each byte must be 0, 1, 4, 5, 6 or 7; for "
         "example 0x606"},
        {0x277, 0x706, "", nullptr},
        {0x250, 0x7, "load.msr.value",
         "entry 1, which loads MSR 0x250 (IA32_MTRR_FIX64K_00000) with 0x7: each byte must be 0, 1, 4, 5 or "
         "6; for example 0x6"},
        {0x175, 0x0000800000000000, "load.msr.value",
         "entry 1, which loads MSR 0x175 (IA32_SYSENTER_ESP) with 0x800000000000: bits 63:47 must all be "
         "equal; for example 0xffff800000000000"},
        {0x175, 0x00007fffffffffff, "", nullptr},
        {0xc0000084, bit(32), "load.msr.value",
         "entry 1, which loads MSR 0xc0000084 (IA32_FMASK) with 0x100000000: bits 63:32 must be 0; for "
         "example 0x0"},
        {0xc0000080, 0xd01 | bit(12), "load.msr.value",
         "entry 1, which loads MSR 0xc0000080 (IA32_EFER) with 0x1d01: bit 12 must be 0; for example 0xd01"},
        {0xc0000080, 0xc01, "load.msr.lme",
         "entry 1, which loads MSR 0xc0000080 (IA32_EFER) with 0xc01: LME (bit 8) must be 1; for example "
         "0xd01"},
        {0xc0000080, 0xd01, "", nullptr},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(fmt::format("{:#x} {:#x}", one.index, one.value));
        load_msr(one.index, one.value);
        if (one.allowed == nullptr) {
            EXPECT_EQ(run(), Reason::CPUID);
            continue;
        }
        expect_msr_failure(one.id);
        ASSERT_NE(hw->entry_explanation(), nullptr);
        EXPECT_STREQ(hw->entry_explanation()->allowed, one.allowed);
        EXPECT_STREQ(hw->entry_explanation()->section, "SDM Vol. 3C \"Loading MSRs\" (27.4)");
        EXPECT_STREQ(hw->entry_explanation()->field, "VM_ENTRY_MSR_LOAD_ADDRESS");
        EXPECT_EQ(hw->entry_explanation()->value, area.value());
    }
}

TEST_F(EntryExplanations, LmeIsFreeWithoutPaging) {
    using S = x86::SecondaryControls;
    write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, values.secondary | S::UNRESTRICTED_GUEST);
    write(F::VM_ENTRY_CONTROLS, read(F::VM_ENTRY_CONTROLS) & ~x86::EntryControls::IA32E_MODE_GUEST);
    write(F::GUEST_CR0, read(F::GUEST_CR0) & ~x86::cr0::PG);
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xc09b);
    for (const uint64_t efer : {uint64_t{x86::efer::LME}, uint64_t{0}}) {
        load_msr(static_cast<uint32_t>(Msr::IA32_EFER), efer);
        EXPECT_EQ(run(), Reason::CPUID) << efer << refused_id();
    }
    load_msr(static_cast<uint32_t>(Msr::IA32_EFER), bit(1));
    expect_msr_failure("load.msr.value");
}

// What is said of an entry without loading it, as of one in a dump, is what loading it does.
TEST_F(EntryExplanations, ForetellWhatEachMsrAndValueDoes) {
    const MsrLoading loading{kEngineCapabilities, true, true};
    std::vector<uint64_t> tried = {
        0, ~uint64_t{0}, 0xd01, 0x0606060606060606, 0x0000800000000000, 0xffff800000000000};
    for (unsigned i = 0; i < 64; ++i) tried.push_back(bit(i));
    unsigned writable = 0;
    unsigned read_only = 0;
    for (uint32_t index : {0x0u, 0xc0000000u}) {
        for (const uint32_t end = index + 0x1000; index < end; ++index) {
            const auto msr = static_cast<Msr>(index);
            const WrmsrRule rule = wrmsr_rule(msr, kEngineCapabilities);
            if (rule.kind == WrmsrRule::Kind::NoSuchMsr && x86::name(msr) == nullptr) continue;
            writable += rule.kind == WrmsrRule::Kind::Writable;
            read_only += rule.kind == WrmsrRule::Kind::ReadOnly;
            for (const uint64_t value : tried) {
                const auto refused = refused_msr_entry({index, 0, value}, loading);
                load_msr(index, value);
                const Reason reason = run();
                ASSERT_EQ(reason == Reason::CPUID, !refused) << std::hex << index << " " << value;
                ASSERT_EQ(refused_id(), refused ? refused->rule().id : "")
                    << std::hex << index << " " << value;
            }
        }
    }
    EXPECT_GE(writable, 40u);
    EXPECT_GE(read_only, 15u);
}

TEST_F(EntryExplanations, NameAnMsrAreaThatIsTooLongOrNotInMemory) {
    write(F::VM_ENTRY_MSR_LOAD_ADDRESS, memory.size());
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    expect_msr_failure("load.msr.memory");
    EXPECT_STREQ(hw->entry_explanation()->allowed, "entry 1 is where no memory is");
    Hpa entries;
    ASSERT_TRUE(memory.allocate_frames(3, 4096, entries));
    for (unsigned i = 0; i < 513; ++i)
        put_host<uint64_t>(entries + uint64_t{i} * 16, static_cast<uint32_t>(Msr::IA32_STAR));
    write(F::VM_ENTRY_MSR_LOAD_ADDRESS, entries.value());
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 512);
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 513);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 513);
    EXPECT_EQ(refused_id(), "load.msr.count");
    EXPECT_STREQ(hw->entry_explanation()->field, "VM_ENTRY_MSR_LOAD_COUNT");
    EXPECT_EQ(hw->entry_explanation()->value, 513);
    EXPECT_STREQ(hw->entry_explanation()->allowed, "it must be at most 0x200; for example 0x200");
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
