// SPDX-License-Identifier: MIT
// VMLAUNCH and VMRESUME as a function that returns when the guest has exited.
#pragma once

#include <array>
#include <cstddef>

#include "isa/x86/registers.h"
#include "vcpu/vmx/native_fault.h"

namespace vtless::vmx {

class NativeGprs {
  public:
    uint64_t get(x86::Gpr index) const { return values_[static_cast<unsigned>(index)]; }
    void set(x86::Gpr index, uint64_t value) { values_[static_cast<unsigned>(index)] = value; }

    uint64_t* values() { return values_.data(); }

  private:
    std::array<uint64_t, x86::kGprCount> values_{};  // RSP's place is not used
};

struct NativeOutcome {
    NativeFault fault;
    bool carry = false;
    bool zero = false;
};

// All general registers but RSP are the guest's on the way in and out; HOST_RSP and HOST_RIP are written
// here. Behind a VM exit RFLAGS is 2, which reads as success, and interrupts are disabled. SDM Vol. 3C
// "Loading Host RIP, RSP, RFLAGS, and SSP" (28.5.3). The stack below RSP is left alone, should there be a red
// zone.
[[gnu::noinline]] inline NativeOutcome native_enter(NativeGprs& gprs, bool resume) {
    NativeOutcome outcome;
    uint64_t* in_rdi = gprs.values();
    uint64_t in_rsi = resume;
    register uint64_t fault asm("r11");
    asm volatile(
        "lea -128(%%rsp), %%rsp\n"
        "push %%rbp\n"
        "push %%rbx\n"
        "push %%r12\n"
        "push %%r13\n"
        "push %%r14\n"
        "push %%r15\n"
        "push %%rdi\n"
        "mov $0x6c14, %%eax\n"  // HOST_RSP
        "768: vmwrite %%rsp, %%rax\n"
        "lea 773f(%%rip), %%rcx\n"
        "mov $0x6c16, %%eax\n"  // HOST_RIP
        "769: vmwrite %%rcx, %%rax\n"
        "test %%esi, %%esi\n"
        "mov 0x00(%%rdi), %%rax\n"
        "mov 0x08(%%rdi), %%rcx\n"
        "mov 0x10(%%rdi), %%rdx\n"
        "mov 0x18(%%rdi), %%rbx\n"
        "mov 0x28(%%rdi), %%rbp\n"
        "mov 0x30(%%rdi), %%rsi\n"
        "mov 0x40(%%rdi), %%r8\n"
        "mov 0x48(%%rdi), %%r9\n"
        "mov 0x50(%%rdi), %%r10\n"
        "mov 0x58(%%rdi), %%r11\n"
        "mov 0x60(%%rdi), %%r12\n"
        "mov 0x68(%%rdi), %%r13\n"
        "mov 0x70(%%rdi), %%r14\n"
        "mov 0x78(%%rdi), %%r15\n"
        "mov 0x38(%%rdi), %%rdi\n"
        "jnz 771f\n"
        "770: vmlaunch\n"
        "jmp 772f\n"
        "771: vmresume\n"
        "772: mov $0, %%r11d\n"  // no entry: CF or ZF says how, and no register is the guest's to keep
        "774: pop %%rdi\n"
        "jmp 775f\n"
        "773: xchg %%rdi, (%%rsp)\n"
        "mov %%rax, 0x00(%%rdi)\n"
        "mov %%rcx, 0x08(%%rdi)\n"
        "mov %%rdx, 0x10(%%rdi)\n"
        "mov %%rbx, 0x18(%%rdi)\n"
        "mov %%rbp, 0x28(%%rdi)\n"
        "mov %%rsi, 0x30(%%rdi)\n"
        "mov %%r8, 0x40(%%rdi)\n"
        "mov %%r9, 0x48(%%rdi)\n"
        "mov %%r10, 0x50(%%rdi)\n"
        "mov %%r11, 0x58(%%rdi)\n"
        "mov %%r12, 0x60(%%rdi)\n"
        "mov %%r13, 0x68(%%rdi)\n"
        "mov %%r14, 0x70(%%rdi)\n"
        "mov %%r15, 0x78(%%rdi)\n"
        "popq 0x38(%%rdi)\n"
        "mov $0, %%r11d\n"
        "775: pop %%r15\n"
        "pop %%r14\n"
        "pop %%r13\n"
        "pop %%r12\n"
        "pop %%rbx\n"
        "pop %%rbp\n"
        "lea 128(%%rsp), %%rsp\n"
        ".pushsection vtless_native_faults, \"a?\", @progbits\n"
        ".balign 4\n"
        ".long 768b - ., 774b - ., 769b - ., 774b - ., 770b - ., 774b - ., 771b - ., 774b - .\n"
        ".popsection\n"
        : "=r"(fault), "=@ccc"(outcome.carry), "=@ccz"(outcome.zero), "+D"(in_rdi), "+S"(in_rsi)
        :
        : "memory", "rax", "rcx", "rdx", "r8", "r9", "r10");
    outcome.fault.raw = fault;
    return outcome;
}

}  // namespace vtless::vmx
