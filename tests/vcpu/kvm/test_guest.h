// SPDX-License-Identifier: MIT
// A small guest on /dev/kvm, through VCpu<KvmVCpu>.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "tests/vcpu/kvm/test_memory.h"
#include "vcpu/kvm/failure.h"
#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"

namespace vtless::kvm {

// RAM, 1 MiB at guest-physical 0; a read-only page at kRom; devices at kDevice. Code starts at kCode.
class KvmGuest : public ::testing::Test {
  protected:
    static constexpr uint64_t kRam = 1 << 20;
    static constexpr uint64_t kCode = 0x1000;
    static constexpr uint64_t kHandlers = 0x2000;
    static constexpr uint64_t kData = 0x3000;
    static constexpr uint64_t kStack = 0x8000;
    static constexpr uint64_t kPageTables = 0x10000;
    static constexpr uint64_t kRom = 0x200000;
    static constexpr uint64_t kDevice = 0x10000000;
    static constexpr uint64_t kNothing = 0x20000000;  // neither memory nor device

    void SetUp() override;

    vmx::GuestEntryState real_mode() const;
    vmx::GuestEntryState protected_mode() const;
    vmx::GuestEntryState long_mode();  // identity map of 1 GiB
    // Vector n of real mode leads to a handler: OUT n to port 0x70, IRET.
    void install_handler(uint8_t vector);

    // From Created to Ready at kCode.
    void boot(const vmx::GuestEntryState& state, std::initializer_list<uint8_t> code);
    VmExit run();
    void expect(const VmExit& exit, int line = __builtin_LINE());
    void expect_out(uint16_t port, AccessWidth width, uint64_t data, int line = __builtin_LINE()) {
        expect(VmExit::IoWrite{port, width, data}, line);
    }

    // The handler of the vector runs, then this exit comes; where windows are inexact, the exit may be first.
    void expect_handler_between(uint8_t vector, const VmExit& exit, int line = __builtin_LINE());

    KvmVCpu& arch() { return vcpu_->get_arch_vcpu(); }
    uint64_t gpr(x86::Gpr index) { return arch().get_gpr(static_cast<size_t>(index)).value(); }

    VmConfig vm_config_;  // but for its memory
    TestMemory memory_;
    std::optional<vmm::EptTable<TestMemory>> ept_;
    std::unique_ptr<Vm> vm_;
    PhysCpu cpu_{0};
    SetupConfig config_;
    std::optional<VCpu<KvmVCpu>> vcpu_;
};

}  // namespace vtless::kvm
