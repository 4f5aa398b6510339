// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Saving MSRs" (28.4), "Loading MSRs" (27.4, 28.6), "VMX Aborts" (28.7).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Msr;

class MsrAreas : public GuestFixture {
  protected:
    static constexpr uint32_t kNoMsr = 0x12345678;

    MsrAreas() {
        EXPECT_TRUE(memory.allocate_frame(area));
        code({0x0f, 0xa2});
    }
    void entry(unsigned index, uint32_t msr, uint64_t value = 0) {
        put_host<uint64_t>(area + uint64_t{index} * 16, msr);
        put_host<uint64_t>(area + uint64_t{index} * 16 + 8, value);
    }
    void entry(unsigned index, Msr msr, uint64_t value = 0) {
        entry(index, static_cast<uint32_t>(msr), value);
    }
    void use(F address, F count, unsigned entries) {
        write(address, area.value());
        write(count, entries);
    }
    template <class T>
    T host(Hpa at) {
        T value;
        std::memcpy(&value, memory.map(at), sizeof value);
        return value;
    }
    void expect_abort(uint32_t indicator) {
        EXPECT_EQ(hw->vmlaunch(gprs), x86::VmxStatus::fault(x86::Vector::DF));
        EXPECT_EQ(hw->vmx_abort(), indicator);
        EXPECT_EQ(host<uint32_t>(vmcs + 4), indicator);
        EXPECT_EQ(hw->vmresume(gprs), x86::VmxStatus::fault(x86::Vector::DF));
    }

    void expect_reason(const char* what, const char* why) {
        EXPECT_EQ(hw->vmx_abort_reason(), fmt::format("{} at {:#x}: {}", what, area.value(), why));
    }

    Hpa area;
};

TEST_F(MsrAreas, AnExitStoresTheGuestsValuesAndThenLoadsTheHosts) {
    write(F::GUEST_FS_BASE, 0x300000);
    entry(0, Msr::IA32_FS_BASE, 1);
    entry(1, Msr::IA32_STAR, 1);
    use(F::VM_EXIT_MSR_STORE_ADDRESS, F::VM_EXIT_MSR_STORE_COUNT, 2);
    ASSERT_TRUE(hw->wrmsr(Msr::IA32_STAR, 0x1122334455667788).ok());
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(host<uint64_t>(area + 8), 0x300000);
    EXPECT_EQ(host<uint64_t>(area + 24), 0x1122334455667788);
    write(F::VM_EXIT_MSR_STORE_COUNT, 0);
    entry(0, Msr::IA32_STAR, 0x77);
    use(F::VM_EXIT_MSR_LOAD_ADDRESS, F::VM_EXIT_MSR_LOAD_COUNT, 1);
    ASSERT_EQ(run(), Reason::CPUID);
    uint64_t star = 0;
    ASSERT_TRUE(hw->rdmsr(Msr::IA32_STAR, star).ok());
    EXPECT_EQ(star, 0x77);
}

TEST_F(MsrAreas, WhatCannotBeStoredAborts) {
    entry(0, Msr::IA32_STAR);
    entry(1, kNoMsr);
    use(F::VM_EXIT_MSR_STORE_ADDRESS, F::VM_EXIT_MSR_STORE_COUNT, 2);
    const uint64_t fs = hw->segment_base(x86::SegmentRegister::FS);
    write(F::HOST_FS_BASE, fs + 0x1000);
    expect_abort(1);
    expect_reason("VM-exit MSR-store area",
                  "entry 2, which stores MSR 0x12345678: RDMSR refuses it, this "
                  "processor has no such MSR");
    EXPECT_EQ(hw->segment_base(x86::SegmentRegister::FS), fs);  // no host state is loaded
}

TEST_F(MsrAreas, AReservedBitOfAnEntryAborts) {
    put_host<uint64_t>(area, uint64_t{1} << 32 | static_cast<uint32_t>(Msr::IA32_STAR));
    use(F::VM_EXIT_MSR_STORE_ADDRESS, F::VM_EXIT_MSR_STORE_COUNT, 1);
    expect_abort(1);
    expect_reason("VM-exit MSR-store area",
                  "entry 1, which stores MSR 0xc0000081 (IA32_STAR): bits 63:32 of the entry must be 0, and "
                  "are 0x1");
}

TEST_F(MsrAreas, AnX2ApicMsrCannotBeStored) {
    entry(0, Msr::IA32_X2APIC_APICID);
    use(F::VM_EXIT_MSR_STORE_ADDRESS, F::VM_EXIT_MSR_STORE_COUNT, 1);
    expect_abort(1);
    expect_reason("VM-exit MSR-store area",
                  "entry 1, which stores MSR 0x802 (IA32_X2APIC_APICID): an x2APIC MSR (bits 31:8 of the "
                  "index 0x8) cannot be stored");
}

TEST_F(MsrAreas, AnAreaThatIsNotInMemoryAborts) {
    write(F::VM_EXIT_MSR_STORE_ADDRESS, memory.size());
    write(F::VM_EXIT_MSR_STORE_COUNT, 1);
    expect_abort(1);
    EXPECT_EQ(hw->vmx_abort_reason(),
              fmt::format("VM-exit MSR-store area at {:#x}: entry 1 is where no memory is", memory.size()));
}

TEST_F(MsrAreas, WhatCannotBeLoadedForTheHostAborts) {
    entry(0, Msr::IA32_GS_BASE, 0x1000);
    use(F::VM_EXIT_MSR_LOAD_ADDRESS, F::VM_EXIT_MSR_LOAD_COUNT, 1);
    expect_abort(4);
    expect_reason("VM-exit MSR-load area",
                  "entry 1, which loads MSR 0xc0000101 (IA32_GS_BASE) with 0x1000: no value can be loaded "
                  "from here: GS_BASE of the state area in the VMCS is for it");
}

TEST_F(MsrAreas, AValueThatTheHostCannotHaveAborts) {
    entry(0, Msr::IA32_EFER, x86::efer::LME | x86::efer::LMA | x86::efer::NXE);
    entry(1, Msr::IA32_EFER, x86::efer::LMA);
    use(F::VM_EXIT_MSR_LOAD_ADDRESS, F::VM_EXIT_MSR_LOAD_COUNT, 2);
    expect_abort(4);
    expect_reason("VM-exit MSR-load area",
                  "entry 2, which loads MSR 0xc0000080 (IA32_EFER) with 0x400: LME (bit 8) must be 1; for "
                  "example 0x500");
}

TEST_F(MsrAreas, AnX2ApicMsrIsNeverLoadedAtEntry) {
    entry(0, Msr::IA32_STAR);
    entry(1, 0x808);
    use(F::VM_ENTRY_MSR_LOAD_ADDRESS, F::VM_ENTRY_MSR_LOAD_COUNT, 2);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 2);
    EXPECT_EQ(hw->vmx_abort(), 0u);
}

TEST_F(MsrAreas, AnEntryLoadsTheGuestsEfer) {
    constexpr uint64_t kLoaded = x86::efer::LME | x86::efer::LMA | x86::efer::NXE;
    entry(0, Msr::IA32_EFER, kLoaded);
    use(F::VM_ENTRY_MSR_LOAD_ADDRESS, F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_IA32_EFER), kLoaded) << "SCE is gone";
}

TEST_F(MsrAreas, AnEntryCannotChangeLmeOfAGuestThatPages) {
    for (const uint64_t value : {uint64_t{x86::efer::NXE}, x86::efer::LME | bit(63)}) {
        entry(0, Msr::IA32_EFER, value);
        use(F::VM_ENTRY_MSR_LOAD_ADDRESS, F::VM_ENTRY_MSR_LOAD_COUNT, 1);
        EXPECT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), 1);
    }
}

TEST_F(MsrAreas, AnEntryThatFailsLeavesTheGuestStateArea) {
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::GUEST_IA32_SYSENTER_EIP, 0x5678);
    ASSERT_EQ(run(), Reason::CPUID);
    entry(0, Msr::IA32_SYSENTER_EIP, 0x1234);
    entry(1, kNoMsr);
    use(F::VM_ENTRY_MSR_LOAD_ADDRESS, F::VM_ENTRY_MSR_LOAD_COUNT, 2);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
    EXPECT_EQ(read(F::GUEST_IA32_SYSENTER_EIP), 0x5678);
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 0);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_IA32_SYSENTER_EIP), 0x5678);
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_IA32_SYSENTER_EIP), 0x1234);
}

}  // namespace
}  // namespace vtless::sim
