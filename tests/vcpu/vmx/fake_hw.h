// SPDX-License-Identifier: MIT
// A recording VmxHw: VM entries run a script instead of a guest. It keeps VMCSs by address with their launch
// state, faults on MSRs it does not have, and refuses an injection that VM entry would refuse.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "isa/x86/control_regs.h"
#include "isa/x86/event_info.h"
#include "isa/x86/exit_reason.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_capability.h"
#include "isa/x86/vmx_hw.h"

namespace vtless::test {

using x86::VmcsField;

class FakeHw {
  public:
    class Gprs {
      public:
        uint64_t get(x86::Gpr index) const { return ++gets, values_[static_cast<unsigned>(index)]; }
        void set(x86::Gpr index, uint64_t value) { ++sets, values_[static_cast<unsigned>(index)] = value; }
        static inline unsigned gets = 0;
        static inline unsigned sets = 0;

      private:
        std::array<uint64_t, x86::kGprCount> values_{};
    };

    class Memory {
      public:
        static constexpr uint64_t kBytes = 2 << 20;
        Memory() : bytes_(kBytes) {}
        bool allocate_frame(Hpa& frame) {
            if (live_frames == limit) return false;
            ++live_frames;
            next_ += 0x1000;
            frame = Hpa(next_);
            return true;
        }
        void free_frame(Hpa) { --live_frames; }
        uint8_t* map(Hpa frame) { return frame.value() < kBytes ? bytes_.data() + frame.value() : nullptr; }
        void note_write(Hpa address, size_t bytes) { writes.emplace_back(address.value(), bytes); }

        unsigned live_frames = 0;
        unsigned limit = 64;
        std::vector<std::pair<uint64_t, size_t>> writes;

      private:
        std::vector<uint8_t> bytes_;
        uint64_t next_ = 0x100000;
    };

    struct Vmcs {
        std::map<VmcsField, uint64_t> fields;
        bool launched = false;
    };
    // What a VM entry found.
    struct Entry {
        bool launch;
        x86::EventInfo event;
        uint32_t error_code;
        uint64_t instruction_length;
        uint64_t xcr0;
        uint64_t cr2;
        bool interrupt_window, nmi_window;
    };
    using Guest = std::function<void(FakeHw&)>;

    FakeHw();

    // The next entries: each runs one function, which sets the exit's fields.
    void on_entry(Guest guest) { script_.push_back(std::move(guest)); }
    // An entry that exits at once with this reason.
    void exit_with(x86::ExitReason reason, uint64_t qualification = 0, uint64_t length = 2) {
        on_entry([=](FakeHw& hw) { hw.set_exit(static_cast<uint32_t>(reason), qualification, length); });
    }
    void set_exit(uint32_t reason, uint64_t qualification = 0, uint64_t length = 2) {
        field(VmcsField::EXIT_REASON) = reason;
        field(VmcsField::EXIT_QUALIFICATION) = qualification;
        field(VmcsField::VM_EXIT_INSTRUCTION_LENGTH) = length;
        field(VmcsField::IDT_VECTORING_INFORMATION) = 0;
        field(VmcsField::VM_EXIT_INTERRUPTION_INFORMATION) = 0;
    }
    // The next entry fails instead.
    void fail_entry(x86::VmxStatus status) { entry_status_ = status; }
    uint64_t& field(VmcsField field) { return vmcss[current].fields[field]; }
    Gprs& gprs() { return *gprs_; }

    Memory& memory() { return memory_; }
    x86::VmxStatus vmxon(Hpa region);
    x86::VmxStatus vmxoff();
    x86::VmxStatus vmclear(Hpa address);
    x86::VmxStatus vmptrld(Hpa address);
    x86::VmxStatus vmptrst(Hpa& address) { return address = Hpa(current), ok(); }
    x86::VmxStatus vmread(VmcsField field, uint64_t& value);
    x86::VmxStatus vmwrite(VmcsField field, uint64_t value);
    x86::VmxStatus vmlaunch(Gprs& gprs) { return enter(gprs, true); }
    x86::VmxStatus vmresume(Gprs& gprs) { return enter(gprs, false); }
    x86::VmxStatus invept(x86::InveptType, const x86::InveptDescriptor& d) {
        return invepts.push_back(d.eptp), ok();
    }
    x86::VmxStatus invvpid(x86::InvvpidType, const x86::InvvpidDescriptor& d) {
        return invvpids.push_back(d.vpid), ok();
    }
    x86::VmxStatus rdmsr(x86::Msr msr, uint64_t& value);
    x86::VmxStatus wrmsr(x86::Msr msr, uint64_t value);
    x86::VmxStatus xgetbv(uint32_t, uint64_t& value);
    x86::VmxStatus xsetbv(uint32_t, uint64_t value) { return ++xsetbvs, xcr0 = value, ok(); }
    uint64_t read_cr0() const { return cr0; }
    uint64_t read_cr2() const { return cr2; }
    uint64_t read_cr3() const { return 0x5000; }
    uint64_t read_cr4() const { return cr4; }
    x86::VmxStatus write_cr0(uint64_t value) { return cr0 = value, ok(); }
    x86::VmxStatus write_cr2(uint64_t value) { return cr2 = value, ok(); }
    x86::VmxStatus write_cr4(uint64_t value) { return cr4 = value, ok(); }
    x86::CpuidResult cpuid(uint32_t leaf, uint32_t subleaf);
    uint64_t rdtsc() const { return 0; }
    x86::DescriptorTable sgdt() const { return {0x6000, 0xff}; }
    x86::DescriptorTable sidt() const { return {0x7000, 0xff}; }
    uint16_t selector(x86::SegmentRegister segment) const {
        return static_cast<uint16_t>(8 * (static_cast<unsigned>(segment) + 1) + 3);  // RPL 3
    }
    uint64_t segment_base(x86::SegmentRegister segment) const {
        return 0x1000 * static_cast<uint64_t>(segment);
    }

    static constexpr uint64_t kNone = ~uint64_t{0};
    uint64_t current = kNone;
    bool in_vmx = true;
    std::map<uint64_t, Vmcs> vmcss;
    std::map<x86::Msr, uint64_t> msrs;
    std::map<std::pair<uint32_t, uint32_t>, x86::CpuidResult> cpuids;
    uint64_t cr0 = 0x80000033, cr2 = 0, cr4 = x86::cr4::PAE | x86::cr4::OSXSAVE | x86::cr4::VMXE;
    uint64_t xcr0 = x86::xcr0::X87;
    uint64_t xcr0_at_cpuid = 0;
    bool has_xsave = true;
    std::optional<VmcsField> refused_field;
    std::vector<Entry> entries;
    std::vector<uint64_t> invepts;
    std::vector<uint16_t> invvpids;
    unsigned vmreads = 0, vmwrites = 0, xsetbvs = 0;

  private:
    static x86::VmxStatus ok() { return x86::VmxStatus::succeed(); }
    x86::VmxStatus enter(Gprs& gprs, bool launch);
    bool accepts_injection();

    Memory memory_;
    std::deque<Guest> script_;
    std::optional<x86::VmxStatus> entry_status_;
    Gprs* gprs_ = nullptr;
};
static_assert(x86::VmxHw<FakeHw>);

}  // namespace vtless::test
