// SPDX-License-Identifier: MIT
// A VMX processor in VMX operation with one valid VMCS, and a guest whose first 64 MiB of guest-physical
// memory are identity-mapped RAM, through EPT and through its own page tables.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>

#include "isa/x86/exit_reason.h"
#include "sim/vmx/vmx_processor.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::sim {

class GuestFixture : public ::testing::Test {
  protected:
    using F = x86::VmcsField;
    using Reason = x86::ExitReason;

    static constexpr uint64_t kGuestBytes = 64u << 20;
    static constexpr uint64_t kPml4 = 0x10000;
    static constexpr uint64_t kIdt = 0x50000;
    static constexpr uint64_t kCode = 0x100000;
    static constexpr uint64_t kHandlers = 0x180000;  // handler of vector v: HLT at kHandlers + v * 16
    static constexpr uint64_t kStack = 0x200000;
    static constexpr uint64_t kUnbacked = kGuestBytes;  // guest-physical, first address without EPT mapping

    explicit GuestFixture(const VmxCapabilities& capabilities = kEngineCapabilities)
        : GuestFixture(VmxProcessorConfig{{}, capabilities}) {}
    explicit GuestFixture(const VmxProcessorConfig& config) {
        auto created = VmxProcessor::create(memory, config);
        EXPECT_TRUE(created.has_value()) << (created ? "" : created.error());
        hw = std::move(created).value();
        build_ept();
        build_guest_tables();
        Hpa vmxon;
        EXPECT_TRUE(memory.allocate_frame(vmxon) && memory.allocate_frame(vmcs));
        for (const Hpa region : {vmxon, vmcs}) put_host<uint32_t>(region, capability::kRevision);
        EXPECT_TRUE(hw->write_cr4(hw->read_cr4() | x86::cr4::VMXE).ok());
        EXPECT_TRUE(hw->vmxon(vmxon).ok());
        EXPECT_TRUE(hw->vmclear(vmcs).ok());
        EXPECT_TRUE(hw->vmptrld(vmcs).ok());
        values.eptp = eptp;
        values.fill([&](F field, uint64_t value) { write(field, value); });
        write(F::GUEST_IDTR_BASE, kIdt);
        write(F::GUEST_IDTR_LIMIT, 0xfff);
    }

    void write(F field, uint64_t value) { EXPECT_TRUE(hw->vmwrite(field, value).ok()) << x86::name(field); }
    uint64_t read(F field) {
        uint64_t value = 0;
        EXPECT_TRUE(hw->vmread(field, value).ok()) << x86::name(field);
        return value;
    }
    void set_primary(uint32_t bits) {
        write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kPrimary.adjust({{values.primary | bits}}).raw);
    }

    template <class T>
    void put_host(Hpa at, T value) {
        std::memcpy(memory.map(at), &value, sizeof value);
        memory.note_write(at, sizeof value);
    }
    // By guest-physical address, which is the linear one.
    template <class T>
    void put(uint64_t at, T value) {
        put_host(ram + at, value);
    }
    template <class T>
    T get(uint64_t at) {
        T value;
        std::memcpy(&value, memory.map(ram + at), sizeof value);
        return value;
    }
    void code(std::initializer_list<uint8_t> bytes, uint64_t at = kCode) {
        std::copy(bytes.begin(), bytes.end(), memory.map(ram + at));
        memory.note_write(ram + at, bytes.size());
    }

    // Enters the guest and returns the basic exit reason.
    Reason run() {
        const x86::VmxStatus status = launched ? hw->vmresume(gprs) : hw->vmlaunch(gprs);
        EXPECT_TRUE(status.ok()) << (hw->last_entry_failure() != nullptr ? hw->last_entry_failure()->id()
                                                                         : "");
        const x86::ExitReasonField reason{static_cast<uint32_t>(read(F::EXIT_REASON))};
        if (status.ok() && !reason.entry_failure()) launched = true;
        return reason.basic();
    }
    // Past the instruction that has exited, and on.
    Reason skip() {
        write(F::GUEST_RIP, read(F::GUEST_RIP) + read(F::VM_EXIT_INSTRUCTION_LENGTH));
        return run();
    }

    HostMemory memory = HostMemory::create(128u << 20).value();
    std::unique_ptr<VmxProcessor> hw;
    Gprs gprs;
    ValidVmcs values;
    Hpa vmcs, ram;
    uint64_t eptp = 0;
    bool launched = false;

  private:
    void build_ept() {
        Hpa pml4, pdpt, pd;
        EXPECT_TRUE(memory.allocate_frames(kGuestBytes / 4096, 2u << 20, ram));
        EXPECT_TRUE(memory.allocate_frame(pml4) && memory.allocate_frame(pdpt) && memory.allocate_frame(pd));
        put_host(pml4, pdpt.value() | x86::ept::RWX);
        put_host(pdpt, pd.value() | x86::ept::RWX);
        for (uint64_t page = 0; page < kGuestBytes >> 21; ++page) {
            constexpr uint64_t kLeaf = x86::ept::RWX | x86::ept::LARGE | 6u << 3;
            put_host(pd + page * 8, (ram + (page << 21)).value() | kLeaf);
        }
        eptp = x86::Eptp::make(pml4.value()).raw;
    }

    void build_guest_tables() {
        put<uint64_t>(kPml4, 0x11007);
        put<uint64_t>(0x11000, 0x12007);
        for (uint64_t page = 0; page < 512; ++page) put<uint64_t>(0x12000 + page * 8, page << 21 | 0x87);
        put<uint64_t>(values.gdt + 0x08, 0x00af9b000000ffff);
        put<uint64_t>(values.gdt + 0x10, 0x00cf93000000ffff);
        for (uint64_t vector = 0; vector < 256; ++vector) {
            const uint64_t handler = kHandlers + vector * 16;
            put<uint64_t>(kIdt + vector * 16,
                          (handler & 0xffff) | 0x08u << 16 | uint64_t{0x8e00} << 32 | (handler >> 16) << 48);
            put<uint64_t>(kIdt + vector * 16 + 8, handler >> 32);
            put<uint8_t>(handler, 0xf4);
        }
    }
};

}  // namespace vtless::sim
