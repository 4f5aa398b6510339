// SPDX-License-Identifier: MIT
// What a case needs of a backend under test. docs/conformance.md says how to add one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "isa/x86/vmcs_field.h"
#include "vcpu/capabilities.h"
#include "vcpu/error.h"
#include "vcpu/exit.h"
#include "vcpu/vmx/config.h"
#include "vcpu/vmx/raw_exit.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::conformance {

// A way to run a backend that must make no difference at all.
struct Variant {
    const char* name = "plain";
    uint64_t flush_seed = 0;
    bool sanitize = false;  // and nothing is to be found
};

// A case that the backend is known to fail, and why.
struct Deviation {
    const char* test;  // "Suite.Name"
    const char* why;
    bool always = true;  // passing is a failure of the table
};

// Thrown when the backend or its processor does not have what the case is about or starts with.
struct CannotRun {
    std::string why;
};

struct Registers {
    std::array<uint64_t, x86::kGprCount> gprs{};
    uint64_t rip = 0;
    uint64_t rflags = 0;
    uint64_t cycles = 0;        // with Capabilities::cycles
    uint64_t instructions = 0;  // with Capabilities::instruction_counts

    friend bool operator==(const Registers&, const Registers&) = default;
};

// What processors differ in, as far as cases depend on it.
struct ProcessorFeatures {
    bool unrestricted_guest = false;
    bool quiet_cr3 = false;  // MOV to and from CR3 need not exit
    bool ept_accessed_dirty = false;
    bool xsave = false;
    bool smep = false;
    bool smap = false;
    bool pages_1g = false;
    unsigned cr3_targets = 0;
    unsigned preemption_timer_shift = 0;
};

// What a guest starts with.
struct Setup {
    vmx::GuestEntryState entry_state;
    std::vector<vmx::MmioRange> mmio;
    vmx::SetupConfig controls;  // with Capabilities::vmcs; entry_state and mmio are those above
};

// Of a backend with Capabilities::vmcs.
class VmcsAccess {
  public:
    virtual ~VmcsAccess() = default;

    virtual vmx::RawVmxExit raw_exit() = 0;
    virtual uint64_t read_field(x86::VmcsField field) = 0;
    virtual void write_field(x86::VmcsField field, uint64_t value) = 0;
};

// One vCPU in a VM with layout::kRamBytes of memory, all of it mapped RWX.
class Backend {
  public:
    virtual ~Backend() = default;

    virtual std::string name() const = 0;
    virtual Capabilities capabilities() const = 0;
    virtual ProcessorFeatures processor() const = 0;
    virtual vmm::GuestMemory& memory() = 0;
    // The EPT entry that maps the page, to be changed at will; rights that go away need flush().
    virtual uint64_t& ept_entry(Gpa page) = 0;
    virtual void flush() = 0;

    // From Created to Ready. Throws CannotRun if the processor cannot be in this state.
    virtual Result<void> boot(Gpa entry, const Setup& setup) = 0;
    // Ends at last, whatever the guest does.
    virtual Result<VmExit> run() = 0;
    virtual Registers registers() = 0;
    virtual void set_gpr(x86::Gpr index, uint64_t value) = 0;
    virtual uint64_t segment_base(x86::SegmentRegister which) = 0;

    virtual Result<void> complete_io_read(uint64_t value) = 0;
    virtual Result<void> complete_mmio_read(uint64_t value) = 0;
    virtual Result<void> complete_sysreg_read(uint64_t value) = 0;
    virtual Result<void> fail_sysreg_access() = 0;
    virtual void set_return_value(uint64_t value) = 0;

    virtual Result<void> inject_interrupt(uint8_t vector) = 0;
    virtual Result<void> inject_exception(x86::Vector vector, uint32_t error_code) = 0;
    virtual Result<void> inject_page_fault(Gva address, uint32_t error_code) = 0;
    virtual Result<void> inject_nmi() = 0;

    // As from another thread: the next run returns ExternalInterrupt{0xff} at once.
    virtual void request_exit() = 0;
    // With Capabilities::cycles: the host is interrupted by this vector `cycles` from now.
    virtual void interrupt_host_after(uint64_t cycles, uint8_t vector);
    // nullptr without Capabilities::vmcs.
    virtual VmcsAccess* vmcs() { return nullptr; }

    virtual std::string describe(const VCpuError& error) const = 0;
    // Whatever helps to understand a failure.
    virtual std::string diagnosis() { return {}; }
};

}  // namespace vtless::conformance
