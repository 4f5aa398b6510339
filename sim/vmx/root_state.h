// SPDX-License-Identifier: MIT
// The registers of the processor in VMX root operation: what the hypervisor runs on, and what a VM exit
// loads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "isa/x86/control_regs.h"
#include "isa/x86/msr.h"
#include "isa/x86/registers.h"
#include "isa/x86/segment.h"
#include "sim/vmx/random_numbers.h"

namespace vtless::sim {

// Starts as a 64-bit kernel would have set it up: flat segments, paging on, no VMX yet. CR2, the SYSCALL
// MSRs, IA32_KERNEL_GS_BASE and IA32_TSC_AUX are shared too, and live in the engine's state.
struct RootState {
    static constexpr uint64_t kDefaultCr0 = x86::cr0::PE | x86::cr0::MP | x86::cr0::ET | x86::cr0::NE |
                                            x86::cr0::WP | x86::cr0::AM | x86::cr0::PG;
    static constexpr uint64_t kDefaultCr4 =
        x86::cr4::PAE | x86::cr4::PGE | x86::cr4::OSFXSR | x86::cr4::OSXMMEXCPT | x86::cr4::OSXSAVE;
    static constexpr uint64_t kKernelBase = 0xffff800000000000;

    uint64_t cr0 = kDefaultCr0;
    uint64_t cr3 = 0x1000;
    uint64_t cr4 = kDefaultCr4;
    uint64_t efer = x86::efer::SCE | x86::efer::LME | x86::efer::LMA | x86::efer::NXE;
    uint64_t rip = kKernelBase;
    uint64_t rsp = kKernelBase;
    uint64_t rflags = 0x2;
    uint64_t sysenter_cs = 0;
    uint64_t sysenter_esp = 0;
    uint64_t sysenter_eip = 0;
    std::array<x86::Segment, x86::kSegmentRegisterCount> segments = default_segments();
    x86::DescriptorTable gdtr{kKernelBase + 0x1000, 0x7f};
    x86::DescriptorTable idtr{kKernelBase + 0x2000, 0xfff};

    // One register for both: VM entry and exit load it only as far as the controls say. While a guest runs,
    // these are the guest's.
    uint64_t pat = x86::kPatReset;
    uint64_t debugctl = 0;
    uint64_t dr7 = x86::dr7::kReset;
    uint64_t dr6 = x86::dr6::kReset;
    std::array<uint64_t, 4> dr{};

    // Debug register 0 to 7, of which 4 and 5 are 6 and 7.
    uint64_t read_dr(unsigned number) const {
        if (number < 4) return dr[number];
        return (number & 1) == 0 ? dr6 : dr7;
    }
    // False: #GP(0), for the upper half of DR6 and DR7.
    bool write_dr(unsigned number, uint64_t value) {
        if (number < 4) {
            dr[number] = value;
            return true;
        }
        if ((value >> 32) != 0) return false;
        constexpr uint64_t kDr7Reserved = bit(11) | bit(12) | bit(14) | bit(15);
        if ((number & 1) == 0) {
            dr6 = (value & x86::dr6::kWritable) | x86::dr6::kFixed1;
        } else {
            dr7 = (value & ~kDr7Reserved) | x86::dr7::kFixed1;
        }
        return true;
    }
    uint64_t cr8 = 0;
    uint64_t xcr0 = x86::xcr0::X87;
    uint64_t tsc_offset = 0;  // the time-stamp counter is the engine's cycles plus this
    RandomNumbers random;

    x86::Segment& segment(x86::SegmentRegister index) { return segments[static_cast<size_t>(index)]; }
    const x86::Segment& segment(x86::SegmentRegister index) const {
        return segments[static_cast<size_t>(index)];
    }
    bool ia32e() const { return (efer & x86::efer::LMA) != 0; }

    static constexpr std::array<x86::Segment, x86::kSegmentRegisterCount> default_segments() {
        constexpr x86::AccessRights kCode64{0xa09b};
        constexpr x86::AccessRights kData{0xc093};
        constexpr x86::AccessRights kBusyTss{0x8b};
        constexpr x86::AccessRights kNone{x86::AccessRights::kUnusable};
        constexpr uint32_t kFlat = 0xffffffff;
        return {{{0x10, 0, kFlat, kData},
                 {0x08, 0, kFlat, kCode64},
                 {0x10, 0, kFlat, kData},
                 {0x10, 0, kFlat, kData},
                 {0x10, kKernelBase + 0x3000, kFlat, kData},
                 {0x10, kKernelBase + 0x4000, kFlat, kData},
                 {0, 0, 0, kNone},
                 {0x40, kKernelBase + 0x5000, 0x67, kBusyTss}}};
    }

    friend bool operator==(const RootState&, const RootState&) = default;
};

}  // namespace vtless::sim
