// SPDX-License-Identifier: MIT
// What mode the guest's processor is in.
#pragma once

#include "isa/x86/paging.h"
#include "vcpu/vmx/core.h"

namespace vtless::vmx {

enum class CpuMode : uint8_t { Real, Virtual8086, Protected, Compatibility, Mode64 };

// By the guest's registers, never the host's.
template <class Hw>
CpuMode get_cpu_mode(Core<Hw>& core) {
    using x86::VmcsField;
    if ((core.vmcs.read(VmcsField::GUEST_CR0) & x86::cr0::PE) == 0) return CpuMode::Real;
    if ((core.efer() & x86::efer::LMA) != 0)
        return core.vmcs.rights(x86::SegmentRegister::CS).long_mode() ? CpuMode::Mode64
                                                                      : CpuMode::Compatibility;
    const bool v8086 = (core.vmcs.read(VmcsField::GUEST_RFLAGS) & x86::rflags::VM) != 0;
    return v8086 ? CpuMode::Virtual8086 : CpuMode::Protected;
}

struct PagingInfo {
    x86::PagingMode mode = x86::PagingMode::NONE;
    unsigned levels = 0;  // 0, 2, 3, 4 or 5
    bool user = false;    // CPL 3
    bool write_protect = false;
    bool no_execute = false;
    bool smep = false;
    bool smap = false;
};

template <class Hw>
PagingInfo get_paging_info(Core<Hw>& core) {
    const uint64_t cr0 = core.vmcs.read(x86::VmcsField::GUEST_CR0);
    const uint64_t cr4 = core.vmcs.read(x86::VmcsField::GUEST_CR4);
    const uint64_t efer = core.efer();
    const x86::PagingMode mode = x86::paging_mode(cr0, cr4, efer);
    return {mode,
            x86::levels(mode),
            core.cpl() == 3,
            (cr0 & x86::cr0::WP) != 0,
            (efer & x86::efer::NXE) != 0,
            (cr4 & x86::cr4::SMEP) != 0,
            (cr4 & x86::cr4::SMAP) != 0};
}

// CS's base counts except in 64-bit mode.
template <class Hw>
Gva code_address(Core<Hw>& core, uint64_t offset) {
    if (core.in_64bit_mode()) return Gva(offset);
    return Gva((core.vmcs.segment_base(x86::SegmentRegister::CS) + offset) & 0xffffffff);
}

}  // namespace vtless::vmx
