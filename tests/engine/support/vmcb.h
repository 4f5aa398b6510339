// SPDX-License-Identifier: MIT
// The part of AMD's VMCB that loads a guest state (AMD APM Vol. 2, Appendix B), as plain values.
#pragma once

#include <array>
#include <cstdint>

namespace vtless::engine_test {

// UC_HOOK_INTR reports an interception as kInterception + exit code (APM Vol. 2, Appendix C).
inline constexpr uint32_t kInterception = 0x100;

enum class SvmExit : uint32_t {
    CR0_READ = 0x00,
    CR0_WRITE = 0x10,
    CR3_WRITE = 0x13,
    CR4_WRITE = 0x14,
    DR7_READ = 0x27,
    DR7_WRITE = 0x37,
    EXCEPTION = 0x40,
    IDTR_READ = 0x66,
    GDTR_READ = 0x67,
    LDTR_READ = 0x68,
    TR_READ = 0x69,
    IDTR_WRITE = 0x6a,
    GDTR_WRITE = 0x6b,
    LDTR_WRITE = 0x6c,
    TR_WRITE = 0x6d,
    RDTSC = 0x6e,
    PUSHF = 0x70,
    POPF = 0x71,
    CPUID = 0x72,
    IRET = 0x74,
    SWINT = 0x75,
    INVD = 0x76,
    PAUSE = 0x77,
    HLT = 0x78,
    INVLPG = 0x79,
    IOIO = 0x7b,
    MSR = 0x7c,
    TASK_SWITCH = 0x7d,
    RDPMC = 0x6f,
    RSM = 0x73,
    VMRUN = 0x80,
    WBINVD = 0x89,
    MONITOR = 0x8a,
    MWAIT = 0x8b,
};

struct Segment {
    uint16_t selector = 0;
    uint16_t attributes = 0;  // descriptor bits 55:52 and 47:40, packed to 12 bits
    uint32_t limit = 0;
    uint64_t base = 0;
};

struct Intercepts {
    uint16_t cr_read = 0xffff, cr_write = 0xffff, dr_read = 0xffff, dr_write = 0xffff;
    uint32_t exceptions = 0xffffffff;
    uint64_t instructions = 0;  // bit n: exit code 0x60 + n

    static constexpr uint64_t bit(SvmExit exit) { return 1ull << (static_cast<uint32_t>(exit) - 0x60); }
    // Everything but VINTR (sticky in Unicorn), PUSHF, POPF and IRET.
    static Intercepts usual();
    Intercepts with(SvmExit exit) const;
    Intercepts without(SvmExit exit) const;
};

struct GuestState {
    Segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint64_t efer = 0, cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, dr6 = 0xffff0ff0, dr7 = 0x400;
    uint64_t rflags = 2, rip = 0, rsp = 0, rax = 0;
    uint64_t star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0;
    uint64_t sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;

    static GuestState long_mode(uint64_t rip);
    static GuestState long_mode_user(uint64_t rip);
    static GuestState protected_mode(uint32_t eip);
    static GuestState protected_mode_user(uint32_t eip);
    static GuestState real_mode(uint16_t cs, uint16_t ip);
};

inline constexpr uint64_t kGuestGdt = 0x40000, kGuestIdt = 0x41000, kGuestTss = 0x42000,
                          kGuestStack = 0x200000;

// A VMCB, 4 KiB, with `state` and `intercepts`; all MSR accesses are intercepted through `msr_map`.
std::array<uint8_t, 4096> make_vmcb(const GuestState& state, const Intercepts& intercepts, uint64_t msr_map);

}  // namespace vtless::engine_test
