// SPDX-License-Identifier: MIT
// A VmxVCpu on a FakeHw, with guest memory: guest-physical page n lies in host frame n + 16, below 1 MiB.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <string_view>

#include "isa/x86/ept.h"
#include "isa/x86/paging.h"
#include "tests/vcpu/vmx/fake_hw.h"
#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::test {

using vmx::SetupConfig;
using x86::ExitReason;
using x86::Gpr;
using x86::VmcsField;

template <class Policy = vmx::DefaultPolicy>
class MachineWith {
  public:
    using VCpu = vmx::VmxVCpu<FakeHw, Policy>;
    static constexpr uint64_t kEptRoot = 0xf0000;
    static constexpr uint64_t kGuestOffset = 0x10000;
    static constexpr uint64_t kGuestBytes = 0x80000;
    static constexpr uint64_t kPageTables = 0x70000;  // guest-physical, when map_guest is used

    explicit MachineWith(const SetupConfig& config = {}, Policy policy = {}, Gpa entry = Gpa(0x7c00)) {
        for (uint64_t gpa = 0; gpa < kGuestBytes; gpa += 0x1000) map_ept(gpa, gpa + kGuestOffset);
        auto created = VCpu::create(1, 2, {&hw, 0, policy});
        EXPECT_TRUE(created.has_value());
        vcpu_.emplace(std::move(*created));
        EXPECT_TRUE(vcpu().set_entry(entry));
        EXPECT_TRUE(vcpu().set_ept_root(Hpa(kEptRoot)));
        const auto done = vcpu().setup(config);
        EXPECT_TRUE(done.has_value());
        EXPECT_TRUE(vcpu().bind());
    }

    VCpu& vcpu() { return *vcpu_; }
    uint64_t& field(VmcsField field) { return hw.field(field); }
    uint64_t gpr(Gpr index) { return *vcpu().get_gpr(static_cast<size_t>(index)); }
    void set_gpr(Gpr index, uint64_t value) {
        EXPECT_TRUE(vcpu().set_gpr(static_cast<size_t>(index), value));
    }
    uint64_t rip() { return field(VmcsField::GUEST_RIP); }

    // Runs; an error fails the test and reads as Unhandled{all ones}.
    VmExit run() {
        auto exit = vcpu().run();
        EXPECT_TRUE(exit.has_value());
        return exit ? *exit : VmExit(VmExit::Unhandled{~uint64_t{0}, 0});
    }
    VmExit run_exit(ExitReason reason, uint64_t qualification = 0, uint64_t length = 2) {
        hw.exit_with(reason, qualification, length);
        return run();
    }
    // The event that the next entry injects; that entry exits with a preemption timer.
    x86::EventInfo next_injection() {
        hw.exit_with(ExitReason::PREEMPTION_TIMER);
        run();
        return hw.entries.back().event;
    }

    uint8_t* guest(uint64_t gpa) { return hw.memory().map(Hpa(gpa + kGuestOffset)); }
    void put(uint64_t gpa, std::initializer_list<int> bytes) {
        for (int byte : bytes) *guest(gpa++) = static_cast<uint8_t>(byte);
    }
    void put64(uint64_t gpa, uint64_t value) { std::memcpy(guest(gpa), &value, 8); }
    uint64_t get64(uint64_t gpa) {
        uint64_t value;
        std::memcpy(&value, guest(gpa), 8);
        return value;
    }

    // 4-KiB leaves through tables at host frames F0000 and up: enough for two GiB-regions.
    void map_ept(uint64_t gpa, uint64_t hpa, uint64_t rights = x86::ept::RWX) {
        uint64_t* pml4 = table(kEptRoot);
        pml4[0] = (kEptRoot + 0x1000) | x86::ept::RWX;
        table(kEptRoot + 0x1000)[(gpa >> 30) & 511] = (kEptRoot + 0x2000) | x86::ept::RWX;
        table(kEptRoot + 0x2000)[(gpa >> 21) & 511] = (kEptRoot + 0x3000) | x86::ept::RWX;
        table(kEptRoot + 0x3000)[(gpa >> 12) & 511] = rights == 0 ? 0 : hpa | rights | 6 << 3;
    }
    // Long mode with an empty page table; then map_guest.
    void enter_long_mode() {
        field(VmcsField::GUEST_CR0) |= x86::cr0::PE | x86::cr0::PG;
        field(VmcsField::GUEST_CR3) = kPageTables;
        field(VmcsField::GUEST_CR4) |= x86::cr4::PAE;
        field(VmcsField::GUEST_IA32_EFER) = x86::efer::LME | x86::efer::LMA | x86::efer::NXE;
        field(VmcsField::GUEST_CS_ACCESS_RIGHTS) = 0xa09b;
        for (VmcsField rights : {VmcsField::GUEST_DS_ACCESS_RIGHTS, VmcsField::GUEST_ES_ACCESS_RIGHTS,
                                 VmcsField::GUEST_SS_ACCESS_RIGHTS})
            field(rights) = 0xc093;
        const uint64_t flags = x86::pte::P | x86::pte::RW | x86::pte::US;
        for (uint64_t level = 0; level < 3; ++level)
            put64(kPageTables + level * 0x1000, (kPageTables + (level + 1) * 0x1000) | flags);
    }
    void map_guest(uint64_t gva, uint64_t gpa, uint64_t flags = x86::pte::P | x86::pte::RW) {
        put64(page_table_entry(gva), gpa | flags);
    }
    static uint64_t page_table_entry(uint64_t gva) { return kPageTables + 0x3000 + ((gva >> 12) & 511) * 8; }

    FakeHw hw;

  private:
    uint64_t* table(uint64_t hpa) { return reinterpret_cast<uint64_t*>(hw.memory().map(Hpa(hpa))); }

    std::optional<VCpu> vcpu_;
};

using Machine = MachineWith<>;

// A local APIC that remembers.
class FakeApic : public vmx::LocalApic {
  public:
    bool read(uint32_t offset, uint64_t& value) override {
        reads.push_back(offset);
        value = registers[offset];
        return !refuses;
    }
    bool write(uint32_t offset, uint64_t value) override {
        writes.emplace_back(offset, value);
        registers[offset] = value;
        return !refuses;
    }
    bool refuses = false;
    std::map<uint32_t, uint64_t> registers;
    std::vector<uint32_t> reads;
    std::vector<std::pair<uint32_t, uint64_t>> writes;
};

inline uint64_t io(unsigned size, bool in, uint16_t port, bool string = false, bool rep = false) {
    return x86::IoQualification{static_cast<uint8_t>(size), in, string, rep, false, port}.encode();
}

}  // namespace vtless::test
