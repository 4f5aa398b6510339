// SPDX-License-Identifier: MIT
// The VmxHw that is the processor itself: its instructions, for a hypervisor in ring 0 of 64-bit mode.
//
// The hypervisor's part: its handlers of #UD and #GP call recover_native_fault, or a fault is its own; TR and
// the other selectors are those of a GDT that it has loaded (a null TR, or one of CS, is refused by VM
// entry); x87, SSE and debug registers stay as they are on the way to the guest and back. A VM exit leaves
// interrupts disabled and the limits of GDTR and IDTR at FFFFH. SDM Vol. 3C "Loading Host Segment and
// Descriptor-Table Registers" (28.5.2).
#pragma once

#include "isa/x86/vmx_hw.h"
#include "vcpu/vmx/native_entry.h"
#include "vcpu/vmx/native_fault.h"

namespace vtless::vmx {

// Memory: where the backend's frames come from. Must outlive it.
template <x86::HostMemory M>
class NativeVmx {
  public:
    using Memory = M;
    using Gprs = NativeGprs;
    using VmxStatus = x86::VmxStatus;

    explicit NativeVmx(M& memory) : memory_(&memory) {}

    M& memory() { return *memory_; }

#define VTLESS_VMX(text, ...)                                                  \
    NativeOutcome outcome;                                                     \
    register uint64_t fault asm("r11");                                        \
    asm volatile(VTLESS_MAY_FAULT(text)                                        \
                 : "=&r"(fault), "=@ccc"(outcome.carry), "=@ccz"(outcome.zero) \
                 : __VA_ARGS__                                                 \
                 : "memory");                                                  \
    outcome.fault.raw = fault;                                                 \
    return status(outcome)

    VmxStatus vmxon(Hpa region) { VTLESS_VMX("vmxon %[at]", [at] "m"(region)); }
    VmxStatus vmxoff() { VTLESS_VMX("vmxoff", ); }
    VmxStatus vmclear(Hpa region) { VTLESS_VMX("vmclear %[at]", [at] "m"(region)); }
    VmxStatus vmptrld(Hpa region) { VTLESS_VMX("vmptrld %[at]", [at] "m"(region)); }
    VmxStatus vmwrite(x86::VmcsField field, uint64_t value) {
        VTLESS_VMX("vmwrite %[value], %[field]", [value] "r"(value), [field] "r"(encoding(field)));
    }
    VmxStatus invept(x86::InveptType type, const x86::InveptDescriptor& descriptor) {
        VTLESS_VMX(
            "invept %[what], %[type]", [what] "m"(descriptor), [type] "r"(static_cast<uint64_t>(type)));
    }
    VmxStatus invvpid(x86::InvvpidType type, const x86::InvvpidDescriptor& descriptor) {
        const std::array<uint64_t, 2> words = {descriptor.vpid, descriptor.address.value()};
        VTLESS_VMX("invvpid %[what], %[type]", [what] "m"(words), [type] "r"(static_cast<uint64_t>(type)));
    }
#undef VTLESS_VMX

    VmxStatus vmptrst(Hpa& region) {
        uint64_t stored = 0;
        NativeOutcome outcome;
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("vmptrst %[at]")
                     : "=&r"(fault), "=@ccc"(outcome.carry), "=@ccz"(outcome.zero), [at] "=m"(stored));
        outcome.fault.raw = fault;
        if (!outcome.fault.faulted()) region = Hpa(stored);
        return status(outcome);
    }
    VmxStatus vmread(x86::VmcsField field, uint64_t& value) {
        uint64_t read = 0;
        const NativeOutcome outcome = read_field(field, read);
        if (!outcome.fault.faulted() && !outcome.carry && !outcome.zero) value = read;
        return status(outcome);
    }

    VmxStatus vmlaunch(Gprs& gprs) { return status(native_enter(gprs, false)); }
    VmxStatus vmresume(Gprs& gprs) { return status(native_enter(gprs, true)); }

    VmxStatus rdmsr(x86::Msr msr, uint64_t& value) {
        uint32_t low = 0;
        uint32_t high = 0;
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("rdmsr")
                     : "=&r"(fault), "=a"(low), "=d"(high)
                     : "c"(static_cast<uint32_t>(msr))
                     : "cc");
        return take(fault, low, high, value);
    }
    VmxStatus wrmsr(x86::Msr msr, uint64_t value) {
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("wrmsr")
                     : "=&r"(fault)
                     : "c"(static_cast<uint32_t>(msr)), "a"(static_cast<uint32_t>(value)),
                       "d"(static_cast<uint32_t>(value >> 32))
                     : "cc", "memory");
        return status(fault);
    }
    VmxStatus xgetbv(uint32_t index, uint64_t& value) {
        uint32_t low = 0;
        uint32_t high = 0;
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("xgetbv") : "=&r"(fault), "=a"(low), "=d"(high) : "c"(index) : "cc");
        return take(fault, low, high, value);
    }
    VmxStatus xsetbv(uint32_t index, uint64_t value) {
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("xsetbv")
                     : "=&r"(fault)
                     : "c"(index), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32))
                     : "cc", "memory");
        return status(fault);
    }

#define VTLESS_READ_CR(number)                                 \
    uint64_t read_cr##number() const {                         \
        uint64_t value = 0;                                    \
        asm volatile("mov %%cr" #number ", %0" : "=r"(value)); \
        return value;                                          \
    }
    VTLESS_READ_CR(0)
    VTLESS_READ_CR(2)
    VTLESS_READ_CR(3)
    VTLESS_READ_CR(4)
#undef VTLESS_READ_CR

#define VTLESS_WRITE_CR(number)                                     \
    VmxStatus write_cr##number(uint64_t value) {                    \
        register uint64_t fault asm("r11");                         \
        asm volatile(VTLESS_MAY_FAULT("mov %[value], %%cr" #number) \
                     : "=&r"(fault)                                 \
                     : [value] "r"(value)                           \
                     : "cc", "memory");                             \
        return status(fault);                                       \
    }
    VTLESS_WRITE_CR(0)
    VTLESS_WRITE_CR(2)
    VTLESS_WRITE_CR(4)
#undef VTLESS_WRITE_CR

    x86::CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) const {
        x86::CpuidResult result{};
        asm volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
        return result;
    }
    uint64_t rdtsc() const {
        uint32_t low = 0;
        uint32_t high = 0;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        return uint64_t{high} << 32 | low;
    }

    x86::DescriptorTable sgdt() const {
        TableRegister stored;
        asm volatile("sgdt %0" : "=m"(stored));
        return {stored.base, stored.limit};
    }
    x86::DescriptorTable sidt() const {
        TableRegister stored;
        asm volatile("sidt %0" : "=m"(stored));
        return {stored.base, stored.limit};
    }
    uint16_t selector(x86::SegmentRegister segment) const;
    // 64-bit mode: FS, GS, LDTR and TR have one.
    uint64_t segment_base(x86::SegmentRegister segment);

  private:
    struct [[gnu::packed]] TableRegister {
        uint16_t limit;
        uint64_t base;
    };

    static uint64_t encoding(x86::VmcsField field) { return static_cast<uint32_t>(field); }

    static VmxStatus status(uint64_t fault) {
        return fault == 0 ? VmxStatus::succeed() : NativeFault{fault}.status();
    }
    // SDM Vol. 3C "Conventions" (31.2). The number is there only with a current VMCS, as after VMfailValid.
    VmxStatus status(const NativeOutcome& outcome) {
        if (outcome.fault.faulted()) return outcome.fault.status();
        if (outcome.carry) return VmxStatus::fail_invalid();
        if (!outcome.zero) return VmxStatus::succeed();
        uint64_t number = 0;
        (void)read_field(x86::VmcsField::VM_INSTRUCTION_ERROR, number);
        return VmxStatus::fail_valid(static_cast<x86::VmInstructionError>(number));
    }
    static VmxStatus take(uint64_t fault, uint32_t low, uint32_t high, uint64_t& value) {
        if (fault == 0) value = uint64_t{high} << 32 | low;
        return status(fault);
    }

    static NativeOutcome read_field(x86::VmcsField field, uint64_t& value) {
        NativeOutcome outcome;
        register uint64_t fault asm("r11");
        asm volatile(VTLESS_MAY_FAULT("vmread %[field], %[value]")
                     : "=&r"(fault), "=@ccc"(outcome.carry), "=@ccz"(outcome.zero), [value] "+r"(value)
                     : [field] "r"(encoding(field))
                     : "memory");
        outcome.fault.raw = fault;
        return outcome;
    }

    uint64_t descriptor_base(uint16_t selector) const;

    M* memory_;
};

template <x86::HostMemory M>
uint16_t NativeVmx<M>::selector(x86::SegmentRegister segment) const {
    uint16_t value = 0;
    switch (segment) {
        case x86::SegmentRegister::ES:
            asm volatile("mov %%es, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::CS:
            asm volatile("mov %%cs, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::SS:
            asm volatile("mov %%ss, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::DS:
            asm volatile("mov %%ds, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::FS:
            asm volatile("mov %%fs, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::GS:
            asm volatile("mov %%gs, %0" : "=r"(value));
            break;
        case x86::SegmentRegister::LDTR:
            asm volatile("sldt %0" : "=r"(value));
            break;
        case x86::SegmentRegister::TR:
            asm volatile("str %0" : "=r"(value));
            break;
    }
    return value;
}

template <x86::HostMemory M>
uint64_t NativeVmx<M>::segment_base(x86::SegmentRegister segment) {
    using x86::SegmentRegister;
    uint64_t base = 0;
    if (segment == SegmentRegister::FS) (void)rdmsr(x86::Msr::IA32_FS_BASE, base);
    if (segment == SegmentRegister::GS) (void)rdmsr(x86::Msr::IA32_GS_BASE, base);
    if (segment == SegmentRegister::TR || segment == SegmentRegister::LDTR)
        base = descriptor_base(selector(segment));
    return base;
}

// Of a system descriptor, which has 16 bytes. SDM Vol. 3A figure 7-4.
template <x86::HostMemory M>
uint64_t NativeVmx<M>::descriptor_base(uint16_t selector) const {
    if (x86::selector_is_null(selector)) return 0;
    const auto* descriptor =
        reinterpret_cast<const volatile uint64_t*>(sgdt().base + x86::selector_offset(selector));
    const uint64_t low = descriptor[0];
    return (low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24 | descriptor[1] << 32;
}

}  // namespace vtless::vmx
