// SPDX-License-Identifier: MIT
// The least that satisfies VmxHw: everything succeeds and does nothing. For the freestanding build check.
#pragma once

#include "isa/x86/vmx_hw.h"

namespace vtless::test {

class NullHw {
  public:
    struct Gprs {
        uint64_t values[x86::kGprCount] = {};
        uint64_t get(x86::Gpr index) const { return values[static_cast<unsigned>(index)]; }
        void set(x86::Gpr index, uint64_t value) { values[static_cast<unsigned>(index)] = value; }
    };
    struct Memory {
        alignas(4096) uint8_t frame[4096] = {};
        bool allocate_frame(Hpa& address) { return address = Hpa(0x1000), true; }
        void free_frame(Hpa) {}
        uint8_t* map(Hpa) { return frame; }
    };
    Memory& memory() { return memory_; }

    x86::VmxStatus vmxon(Hpa) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus vmxoff() { return x86::VmxStatus::succeed(); }
    x86::VmxStatus vmclear(Hpa) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus vmptrld(Hpa) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus vmptrst(Hpa& address) { return address = Hpa(~uint64_t{0}), x86::VmxStatus::succeed(); }
    x86::VmxStatus vmread(x86::VmcsField, uint64_t& value) {
        value = answer_;
        return x86::VmxStatus::succeed();
    }
    x86::VmxStatus vmwrite(x86::VmcsField, uint64_t value) {
        answer_ = value;
        return x86::VmxStatus::succeed();
    }
    x86::VmxStatus vmlaunch(Gprs&) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus vmresume(Gprs&) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus invept(x86::InveptType, const x86::InveptDescriptor&) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus invvpid(x86::InvvpidType, const x86::InvvpidDescriptor&) {
        return x86::VmxStatus::succeed();
    }
    x86::VmxStatus rdmsr(x86::Msr, uint64_t& value) { return value = answer_, x86::VmxStatus::succeed(); }
    x86::VmxStatus wrmsr(x86::Msr, uint64_t) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus xgetbv(uint32_t, uint64_t& value) { return value = 1, x86::VmxStatus::succeed(); }
    x86::VmxStatus xsetbv(uint32_t, uint64_t) { return x86::VmxStatus::succeed(); }
    uint64_t read_cr0() const { return answer_; }
    uint64_t read_cr2() const { return answer_; }
    uint64_t read_cr3() const { return answer_; }
    uint64_t read_cr4() const { return answer_; }
    x86::VmxStatus write_cr0(uint64_t) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus write_cr2(uint64_t) { return x86::VmxStatus::succeed(); }
    x86::VmxStatus write_cr4(uint64_t) { return x86::VmxStatus::succeed(); }
    x86::CpuidResult cpuid(uint32_t leaf, uint32_t) const { return {leaf, 0, 0, 0}; }
    uint64_t rdtsc() const { return answer_; }
    x86::DescriptorTable sgdt() const { return {}; }
    x86::DescriptorTable sidt() const { return {}; }
    uint16_t selector(x86::SegmentRegister) const { return 8; }
    uint64_t segment_base(x86::SegmentRegister) const { return answer_; }

  private:
    uint64_t answer_ = 0;
    Memory memory_;
};
static_assert(x86::VmxHw<NullHw>);

}  // namespace vtless::test
