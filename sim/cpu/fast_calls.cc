// SPDX-License-Identifier: MIT
#include "sim/cpu/fast_calls.h"

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

namespace rf = x86::rflags;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

namespace {

constexpr uint32_t kFlatLimit = 0xffffffff;
constexpr uint32_t kCode = 0x809b;   // G, present, DPL 0, code, readable, accessed
constexpr uint32_t kStack = 0xc093;  // G, B, present, DPL 0, data, writable, accessed
constexpr uint32_t kLong = 0x2000;
constexpr uint32_t kBig = 0x4000;
constexpr uint64_t kSysretFlags = 0x3c7fd7;

enum class CodeSize : bool { Bits32, Bits64 };

// Flat segments whose descriptors are not read. Stack = code's selector + 8.
void load_flat(CpuState& cpu, uint64_t code_selector, uint64_t stack_selector, unsigned cpl, CodeSize size) {
    const auto selector = [cpl](uint64_t value) { return static_cast<uint16_t>((value & 0xfffc) | cpl); };
    const uint32_t code = (kCode | (size == CodeSize::Bits64 ? kLong : kBig));
    cpu.set_segment(SegmentRegister::CS,
                    {selector(code_selector), 0, kFlatLimit, x86::AccessRights{code}.with_dpl(cpl)});
    cpu.set_segment(SegmentRegister::SS,
                    {selector(stack_selector), 0, kFlatLimit, x86::AccessRights{kStack}.with_dpl(cpl)});
    cpu.set_cpl(cpl);
    cpu.set_interrupt_shadow(false);
}

bool syscall_enabled(const CpuState& cpu) { return cpu.code64() && (cpu.efer() & x86::efer::SCE) != 0; }

bool sysenter_enabled(const CpuState& cpu) {
    return cpu.protected_mode() && (cpu.sysenter_cs() & 0xfffc) != 0;
}

CpuResult refuse(const CpuState& cpu) {
    return cpu.protected_mode() ? CpuResult::general_protection() : CpuResult::fault(Vector::GP);
}

}  // namespace

CpuResult syscall(CpuState& cpu, unsigned length) {
    if (!syscall_enabled(cpu)) return CpuResult::fault(Vector::UD);
    const uint64_t flags = cpu.rflags();
    cpu.set_gpr(Gpr::RCX, cpu.rip() + length);
    cpu.set_gpr(Gpr::R11, flags);
    cpu.set_rip(cpu.lstar());
    cpu.set_rflags(flags & ~(cpu.fmask() | rf::RF));
    const uint64_t selector = Field<47, 32>::get(cpu.star()) & 0xfffc;
    load_flat(cpu, selector, selector + 8, 0, CodeSize::Bits64);
    return CpuResult::ok();
}

CpuResult sysret(CpuState& cpu, const Mmu& mmu, unsigned operand_size) {
    if (!syscall_enabled(cpu)) return CpuResult::fault(Vector::UD);
    const bool to64 = operand_size == 8;
    const uint64_t target = cpu.gpr(Gpr::RCX);
    if (cpu.cpl() != 0 || (to64 && !is_canonical_for(mmu, target))) return CpuResult::general_protection();
    cpu.set_rip(to64 ? target : target & 0xffffffff);
    cpu.set_rflags((cpu.gpr(Gpr::R11) & kSysretFlags & ~rf::RF) | rf::kFixed1);
    const uint64_t selector = Field<63, 48>::get(cpu.star());
    load_flat(cpu, selector + (to64 ? 16 : 0), selector + 8, 3, to64 ? CodeSize::Bits64 : CodeSize::Bits32);
    return CpuResult::ok();
}

CpuResult sysenter(CpuState& cpu) {
    if (!sysenter_enabled(cpu)) return refuse(cpu);
    const bool ia32e = cpu.ia32e();
    const uint64_t mask = ia32e ? ~uint64_t{0} : 0xffffffff;
    cpu.set_gpr(Gpr::RSP, cpu.sysenter_esp() & mask);
    cpu.set_rip(cpu.sysenter_eip() & mask);
    cpu.set_rflags(cpu.rflags() & ~(rf::VM | rf::IF | rf::RF));
    const uint64_t selector = cpu.sysenter_cs() & 0xfffc;
    load_flat(cpu, selector, selector + 8, 0, ia32e ? CodeSize::Bits64 : CodeSize::Bits32);
    return CpuResult::ok();
}

CpuResult sysexit(CpuState& cpu, const Mmu& mmu, unsigned operand_size) {
    if (!sysenter_enabled(cpu)) return refuse(cpu);
    if (cpu.cpl() != 0) return CpuResult::general_protection();
    const bool to64 = operand_size == 8;
    uint64_t pointer = cpu.gpr(Gpr::RCX);
    uint64_t target = cpu.gpr(Gpr::RDX);
    if (to64) {
        if (!is_canonical_for(mmu, pointer) || !is_canonical_for(mmu, target))
            return CpuResult::general_protection();
    } else {
        pointer &= 0xffffffff;
        target &= 0xffffffff;
    }
    cpu.set_gpr(Gpr::RSP, pointer);
    cpu.set_rip(target);
    cpu.set_rflags(cpu.rflags() & ~rf::RF);
    const uint64_t selector = (cpu.sysenter_cs() & 0xfffc) + (to64 ? 32 : 16);
    load_flat(cpu, selector, selector + 8, 3, to64 ? CodeSize::Bits64 : CodeSize::Bits32);
    return CpuResult::ok();
}

}  // namespace vtless::sim
