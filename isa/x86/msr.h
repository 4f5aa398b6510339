// SPDX-License-Identifier: MIT
// Model-specific registers. SDM Vol. 4 "Architectural MSRs" (2.1).
#pragma once

#include <cstdint>

#include "isa/bits.h"

namespace vtless::x86 {

enum class Msr : uint32_t {
    IA32_TIME_STAMP_COUNTER = 0x10,
    IA32_PLATFORM_ID = 0x17,
    IA32_APIC_BASE = 0x1b,
    IA32_FEATURE_CONTROL = 0x3a,
    IA32_TSC_ADJUST = 0x3b,
    IA32_SPEC_CTRL = 0x48,
    IA32_PRED_CMD = 0x49,
    IA32_BIOS_UPDT_TRIG = 0x79,
    IA32_BIOS_SIGN_ID = 0x8b,
    IA32_SMM_MONITOR_CTL = 0x9b,
    MSR_PLATFORM_INFO = 0xce,
    IA32_UMWAIT_CONTROL = 0xe1,
    IA32_MPERF = 0xe7,
    IA32_APERF = 0xe8,
    IA32_MTRRCAP = 0xfe,
    IA32_ARCH_CAPABILITIES = 0x10a,
    IA32_FLUSH_CMD = 0x10b,
    IA32_SYSENTER_CS = 0x174,
    IA32_SYSENTER_ESP = 0x175,
    IA32_SYSENTER_EIP = 0x176,
    IA32_MCG_CAP = 0x179,
    IA32_MCG_STATUS = 0x17a,
    IA32_MCG_CTL = 0x17b,
    IA32_PERFEVTSEL0 = 0x186,
    IA32_PERF_STATUS = 0x198,
    IA32_PERF_CTL = 0x199,
    IA32_CLOCK_MODULATION = 0x19a,
    IA32_THERM_INTERRUPT = 0x19b,
    IA32_THERM_STATUS = 0x19c,
    IA32_MISC_ENABLE = 0x1a0,
    IA32_ENERGY_PERF_BIAS = 0x1b0,
    IA32_PACKAGE_THERM_STATUS = 0x1b1,
    IA32_PACKAGE_THERM_INTERRUPT = 0x1b2,
    IA32_DEBUGCTL = 0x1d9,
    IA32_SMRR_PHYSBASE = 0x1f2,
    IA32_SMRR_PHYSMASK = 0x1f3,
    IA32_MTRR_PHYSBASE0 = 0x200,
    IA32_MTRR_PHYSMASK0 = 0x201,
    IA32_MTRR_PHYSBASE1 = 0x202,
    IA32_MTRR_PHYSMASK1 = 0x203,
    IA32_MTRR_PHYSBASE2 = 0x204,
    IA32_MTRR_PHYSMASK2 = 0x205,
    IA32_MTRR_PHYSBASE3 = 0x206,
    IA32_MTRR_PHYSMASK3 = 0x207,
    IA32_MTRR_PHYSBASE4 = 0x208,
    IA32_MTRR_PHYSMASK4 = 0x209,
    IA32_MTRR_PHYSBASE5 = 0x20a,
    IA32_MTRR_PHYSMASK5 = 0x20b,
    IA32_MTRR_PHYSBASE6 = 0x20c,
    IA32_MTRR_PHYSMASK6 = 0x20d,
    IA32_MTRR_PHYSBASE7 = 0x20e,
    IA32_MTRR_PHYSMASK7 = 0x20f,
    IA32_MTRR_PHYSBASE8 = 0x210,
    IA32_MTRR_PHYSMASK8 = 0x211,
    IA32_MTRR_PHYSBASE9 = 0x212,
    IA32_MTRR_PHYSMASK9 = 0x213,
    IA32_MTRR_FIX64K_00000 = 0x250,
    IA32_MTRR_FIX16K_80000 = 0x258,
    IA32_MTRR_FIX16K_A0000 = 0x259,
    IA32_MTRR_FIX4K_C0000 = 0x268,
    IA32_MTRR_FIX4K_C8000 = 0x269,
    IA32_MTRR_FIX4K_D0000 = 0x26a,
    IA32_MTRR_FIX4K_D8000 = 0x26b,
    IA32_MTRR_FIX4K_E0000 = 0x26c,
    IA32_MTRR_FIX4K_E8000 = 0x26d,
    IA32_MTRR_FIX4K_F0000 = 0x26e,
    IA32_MTRR_FIX4K_F8000 = 0x26f,
    IA32_PAT = 0x277,
    IA32_MTRR_DEF_TYPE = 0x2ff,
    IA32_PERF_CAPABILITIES = 0x345,
    IA32_FIXED_CTR_CTRL = 0x38d,
    IA32_PERF_GLOBAL_STATUS = 0x38e,
    IA32_PERF_GLOBAL_CTRL = 0x38f,
    IA32_PERF_GLOBAL_OVF_CTRL = 0x390,
    IA32_PEBS_ENABLE = 0x3f1,
    IA32_MC0_CTL = 0x400,
    IA32_MC0_STATUS = 0x401,
    IA32_MC0_ADDR = 0x402,
    IA32_MC0_MISC = 0x403,
    IA32_VMX_BASIC = 0x480,
    IA32_VMX_PINBASED_CTLS = 0x481,
    IA32_VMX_PROCBASED_CTLS = 0x482,
    IA32_VMX_EXIT_CTLS = 0x483,
    IA32_VMX_ENTRY_CTLS = 0x484,
    IA32_VMX_MISC = 0x485,
    IA32_VMX_CR0_FIXED0 = 0x486,
    IA32_VMX_CR0_FIXED1 = 0x487,
    IA32_VMX_CR4_FIXED0 = 0x488,
    IA32_VMX_CR4_FIXED1 = 0x489,
    IA32_VMX_VMCS_ENUM = 0x48a,
    IA32_VMX_PROCBASED_CTLS2 = 0x48b,
    IA32_VMX_EPT_VPID_CAP = 0x48c,
    IA32_VMX_TRUE_PINBASED_CTLS = 0x48d,
    IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e,
    IA32_VMX_TRUE_EXIT_CTLS = 0x48f,
    IA32_VMX_TRUE_ENTRY_CTLS = 0x490,
    IA32_VMX_VMFUNC = 0x491,
    IA32_VMX_PROCBASED_CTLS3 = 0x492,
    IA32_VMX_EXIT_CTLS2 = 0x493,
    IA32_DS_AREA = 0x600,
    IA32_U_CET = 0x6a0,
    IA32_S_CET = 0x6a2,
    IA32_PL0_SSP = 0x6a4,
    IA32_PL1_SSP = 0x6a5,
    IA32_PL2_SSP = 0x6a6,
    IA32_PL3_SSP = 0x6a7,
    IA32_INTERRUPT_SSP_TABLE_ADDR = 0x6a8,
    IA32_TSC_DEADLINE = 0x6e0,
    IA32_PKRS = 0x6e1,
    IA32_X2APIC_APICID = 0x802,
    IA32_X2APIC_VERSION = 0x803,
    IA32_X2APIC_TPR = 0x808,
    IA32_X2APIC_PPR = 0x80a,
    IA32_X2APIC_EOI = 0x80b,
    IA32_X2APIC_LDR = 0x80d,
    IA32_X2APIC_SIVR = 0x80f,
    IA32_X2APIC_ISR0 = 0x810,
    IA32_X2APIC_ISR1 = 0x811,
    IA32_X2APIC_ISR2 = 0x812,
    IA32_X2APIC_ISR3 = 0x813,
    IA32_X2APIC_ISR4 = 0x814,
    IA32_X2APIC_ISR5 = 0x815,
    IA32_X2APIC_ISR6 = 0x816,
    IA32_X2APIC_ISR7 = 0x817,
    IA32_X2APIC_TMR0 = 0x818,
    IA32_X2APIC_TMR1 = 0x819,
    IA32_X2APIC_TMR2 = 0x81a,
    IA32_X2APIC_TMR3 = 0x81b,
    IA32_X2APIC_TMR4 = 0x81c,
    IA32_X2APIC_TMR5 = 0x81d,
    IA32_X2APIC_TMR6 = 0x81e,
    IA32_X2APIC_TMR7 = 0x81f,
    IA32_X2APIC_IRR0 = 0x820,
    IA32_X2APIC_IRR1 = 0x821,
    IA32_X2APIC_IRR2 = 0x822,
    IA32_X2APIC_IRR3 = 0x823,
    IA32_X2APIC_IRR4 = 0x824,
    IA32_X2APIC_IRR5 = 0x825,
    IA32_X2APIC_IRR6 = 0x826,
    IA32_X2APIC_IRR7 = 0x827,
    IA32_X2APIC_ESR = 0x828,
    IA32_X2APIC_LVT_CMCI = 0x82f,
    IA32_X2APIC_ICR = 0x830,
    IA32_X2APIC_LVT_TIMER = 0x832,
    IA32_X2APIC_LVT_THERMAL = 0x833,
    IA32_X2APIC_LVT_PMI = 0x834,
    IA32_X2APIC_LVT_LINT0 = 0x835,
    IA32_X2APIC_LVT_LINT1 = 0x836,
    IA32_X2APIC_LVT_ERROR = 0x837,
    IA32_X2APIC_INIT_COUNT = 0x838,
    IA32_X2APIC_CUR_COUNT = 0x839,
    IA32_X2APIC_DIV_CONF = 0x83e,
    IA32_X2APIC_SELF_IPI = 0x83f,
    IA32_BNDCFGS = 0xd90,
    IA32_XSS = 0xda0,
    IA32_EFER = 0xc0000080,
    IA32_STAR = 0xc0000081,
    IA32_LSTAR = 0xc0000082,
    IA32_CSTAR = 0xc0000083,
    IA32_FMASK = 0xc0000084,
    IA32_FS_BASE = 0xc0000100,
    IA32_GS_BASE = 0xc0000101,
    IA32_KERNEL_GS_BASE = 0xc0000102,
    IA32_TSC_AUX = 0xc0000103,
};

inline constexpr uint32_t kX2ApicFirst = 0x800;
inline constexpr uint32_t kX2ApicLast = 0x8ff;
constexpr bool is_x2apic(Msr msr) {
    return static_cast<uint32_t>(msr) >= kX2ApicFirst && static_cast<uint32_t>(msr) <= kX2ApicLast;
}

// nullptr for an address that has no enumerator.
constexpr const char* name(Msr msr) {
    switch (msr) {
        case Msr::IA32_TIME_STAMP_COUNTER:
            return "IA32_TIME_STAMP_COUNTER";
        case Msr::IA32_PLATFORM_ID:
            return "IA32_PLATFORM_ID";
        case Msr::IA32_APIC_BASE:
            return "IA32_APIC_BASE";
        case Msr::IA32_FEATURE_CONTROL:
            return "IA32_FEATURE_CONTROL";
        case Msr::IA32_TSC_ADJUST:
            return "IA32_TSC_ADJUST";
        case Msr::IA32_SPEC_CTRL:
            return "IA32_SPEC_CTRL";
        case Msr::IA32_PRED_CMD:
            return "IA32_PRED_CMD";
        case Msr::IA32_BIOS_UPDT_TRIG:
            return "IA32_BIOS_UPDT_TRIG";
        case Msr::IA32_BIOS_SIGN_ID:
            return "IA32_BIOS_SIGN_ID";
        case Msr::IA32_SMM_MONITOR_CTL:
            return "IA32_SMM_MONITOR_CTL";
        case Msr::MSR_PLATFORM_INFO:
            return "MSR_PLATFORM_INFO";
        case Msr::IA32_UMWAIT_CONTROL:
            return "IA32_UMWAIT_CONTROL";
        case Msr::IA32_MPERF:
            return "IA32_MPERF";
        case Msr::IA32_APERF:
            return "IA32_APERF";
        case Msr::IA32_MTRRCAP:
            return "IA32_MTRRCAP";
        case Msr::IA32_ARCH_CAPABILITIES:
            return "IA32_ARCH_CAPABILITIES";
        case Msr::IA32_FLUSH_CMD:
            return "IA32_FLUSH_CMD";
        case Msr::IA32_SYSENTER_CS:
            return "IA32_SYSENTER_CS";
        case Msr::IA32_SYSENTER_ESP:
            return "IA32_SYSENTER_ESP";
        case Msr::IA32_SYSENTER_EIP:
            return "IA32_SYSENTER_EIP";
        case Msr::IA32_MCG_CAP:
            return "IA32_MCG_CAP";
        case Msr::IA32_MCG_STATUS:
            return "IA32_MCG_STATUS";
        case Msr::IA32_MCG_CTL:
            return "IA32_MCG_CTL";
        case Msr::IA32_PERFEVTSEL0:
            return "IA32_PERFEVTSEL0";
        case Msr::IA32_PERF_STATUS:
            return "IA32_PERF_STATUS";
        case Msr::IA32_PERF_CTL:
            return "IA32_PERF_CTL";
        case Msr::IA32_CLOCK_MODULATION:
            return "IA32_CLOCK_MODULATION";
        case Msr::IA32_THERM_INTERRUPT:
            return "IA32_THERM_INTERRUPT";
        case Msr::IA32_THERM_STATUS:
            return "IA32_THERM_STATUS";
        case Msr::IA32_MISC_ENABLE:
            return "IA32_MISC_ENABLE";
        case Msr::IA32_ENERGY_PERF_BIAS:
            return "IA32_ENERGY_PERF_BIAS";
        case Msr::IA32_PACKAGE_THERM_STATUS:
            return "IA32_PACKAGE_THERM_STATUS";
        case Msr::IA32_PACKAGE_THERM_INTERRUPT:
            return "IA32_PACKAGE_THERM_INTERRUPT";
        case Msr::IA32_DEBUGCTL:
            return "IA32_DEBUGCTL";
        case Msr::IA32_SMRR_PHYSBASE:
            return "IA32_SMRR_PHYSBASE";
        case Msr::IA32_SMRR_PHYSMASK:
            return "IA32_SMRR_PHYSMASK";
        case Msr::IA32_MTRR_PHYSBASE0:
            return "IA32_MTRR_PHYSBASE0";
        case Msr::IA32_MTRR_PHYSMASK0:
            return "IA32_MTRR_PHYSMASK0";
        case Msr::IA32_MTRR_PHYSBASE1:
            return "IA32_MTRR_PHYSBASE1";
        case Msr::IA32_MTRR_PHYSMASK1:
            return "IA32_MTRR_PHYSMASK1";
        case Msr::IA32_MTRR_PHYSBASE2:
            return "IA32_MTRR_PHYSBASE2";
        case Msr::IA32_MTRR_PHYSMASK2:
            return "IA32_MTRR_PHYSMASK2";
        case Msr::IA32_MTRR_PHYSBASE3:
            return "IA32_MTRR_PHYSBASE3";
        case Msr::IA32_MTRR_PHYSMASK3:
            return "IA32_MTRR_PHYSMASK3";
        case Msr::IA32_MTRR_PHYSBASE4:
            return "IA32_MTRR_PHYSBASE4";
        case Msr::IA32_MTRR_PHYSMASK4:
            return "IA32_MTRR_PHYSMASK4";
        case Msr::IA32_MTRR_PHYSBASE5:
            return "IA32_MTRR_PHYSBASE5";
        case Msr::IA32_MTRR_PHYSMASK5:
            return "IA32_MTRR_PHYSMASK5";
        case Msr::IA32_MTRR_PHYSBASE6:
            return "IA32_MTRR_PHYSBASE6";
        case Msr::IA32_MTRR_PHYSMASK6:
            return "IA32_MTRR_PHYSMASK6";
        case Msr::IA32_MTRR_PHYSBASE7:
            return "IA32_MTRR_PHYSBASE7";
        case Msr::IA32_MTRR_PHYSMASK7:
            return "IA32_MTRR_PHYSMASK7";
        case Msr::IA32_MTRR_PHYSBASE8:
            return "IA32_MTRR_PHYSBASE8";
        case Msr::IA32_MTRR_PHYSMASK8:
            return "IA32_MTRR_PHYSMASK8";
        case Msr::IA32_MTRR_PHYSBASE9:
            return "IA32_MTRR_PHYSBASE9";
        case Msr::IA32_MTRR_PHYSMASK9:
            return "IA32_MTRR_PHYSMASK9";
        case Msr::IA32_MTRR_FIX64K_00000:
            return "IA32_MTRR_FIX64K_00000";
        case Msr::IA32_MTRR_FIX16K_80000:
            return "IA32_MTRR_FIX16K_80000";
        case Msr::IA32_MTRR_FIX16K_A0000:
            return "IA32_MTRR_FIX16K_A0000";
        case Msr::IA32_MTRR_FIX4K_C0000:
            return "IA32_MTRR_FIX4K_C0000";
        case Msr::IA32_MTRR_FIX4K_C8000:
            return "IA32_MTRR_FIX4K_C8000";
        case Msr::IA32_MTRR_FIX4K_D0000:
            return "IA32_MTRR_FIX4K_D0000";
        case Msr::IA32_MTRR_FIX4K_D8000:
            return "IA32_MTRR_FIX4K_D8000";
        case Msr::IA32_MTRR_FIX4K_E0000:
            return "IA32_MTRR_FIX4K_E0000";
        case Msr::IA32_MTRR_FIX4K_E8000:
            return "IA32_MTRR_FIX4K_E8000";
        case Msr::IA32_MTRR_FIX4K_F0000:
            return "IA32_MTRR_FIX4K_F0000";
        case Msr::IA32_MTRR_FIX4K_F8000:
            return "IA32_MTRR_FIX4K_F8000";
        case Msr::IA32_PAT:
            return "IA32_PAT";
        case Msr::IA32_MTRR_DEF_TYPE:
            return "IA32_MTRR_DEF_TYPE";
        case Msr::IA32_PERF_CAPABILITIES:
            return "IA32_PERF_CAPABILITIES";
        case Msr::IA32_FIXED_CTR_CTRL:
            return "IA32_FIXED_CTR_CTRL";
        case Msr::IA32_PERF_GLOBAL_STATUS:
            return "IA32_PERF_GLOBAL_STATUS";
        case Msr::IA32_PERF_GLOBAL_CTRL:
            return "IA32_PERF_GLOBAL_CTRL";
        case Msr::IA32_PERF_GLOBAL_OVF_CTRL:
            return "IA32_PERF_GLOBAL_OVF_CTRL";
        case Msr::IA32_PEBS_ENABLE:
            return "IA32_PEBS_ENABLE";
        case Msr::IA32_MC0_CTL:
            return "IA32_MC0_CTL";
        case Msr::IA32_MC0_STATUS:
            return "IA32_MC0_STATUS";
        case Msr::IA32_MC0_ADDR:
            return "IA32_MC0_ADDR";
        case Msr::IA32_MC0_MISC:
            return "IA32_MC0_MISC";
        case Msr::IA32_VMX_BASIC:
            return "IA32_VMX_BASIC";
        case Msr::IA32_VMX_PINBASED_CTLS:
            return "IA32_VMX_PINBASED_CTLS";
        case Msr::IA32_VMX_PROCBASED_CTLS:
            return "IA32_VMX_PROCBASED_CTLS";
        case Msr::IA32_VMX_EXIT_CTLS:
            return "IA32_VMX_EXIT_CTLS";
        case Msr::IA32_VMX_ENTRY_CTLS:
            return "IA32_VMX_ENTRY_CTLS";
        case Msr::IA32_VMX_MISC:
            return "IA32_VMX_MISC";
        case Msr::IA32_VMX_CR0_FIXED0:
            return "IA32_VMX_CR0_FIXED0";
        case Msr::IA32_VMX_CR0_FIXED1:
            return "IA32_VMX_CR0_FIXED1";
        case Msr::IA32_VMX_CR4_FIXED0:
            return "IA32_VMX_CR4_FIXED0";
        case Msr::IA32_VMX_CR4_FIXED1:
            return "IA32_VMX_CR4_FIXED1";
        case Msr::IA32_VMX_VMCS_ENUM:
            return "IA32_VMX_VMCS_ENUM";
        case Msr::IA32_VMX_PROCBASED_CTLS2:
            return "IA32_VMX_PROCBASED_CTLS2";
        case Msr::IA32_VMX_EPT_VPID_CAP:
            return "IA32_VMX_EPT_VPID_CAP";
        case Msr::IA32_VMX_TRUE_PINBASED_CTLS:
            return "IA32_VMX_TRUE_PINBASED_CTLS";
        case Msr::IA32_VMX_TRUE_PROCBASED_CTLS:
            return "IA32_VMX_TRUE_PROCBASED_CTLS";
        case Msr::IA32_VMX_TRUE_EXIT_CTLS:
            return "IA32_VMX_TRUE_EXIT_CTLS";
        case Msr::IA32_VMX_TRUE_ENTRY_CTLS:
            return "IA32_VMX_TRUE_ENTRY_CTLS";
        case Msr::IA32_VMX_VMFUNC:
            return "IA32_VMX_VMFUNC";
        case Msr::IA32_VMX_PROCBASED_CTLS3:
            return "IA32_VMX_PROCBASED_CTLS3";
        case Msr::IA32_VMX_EXIT_CTLS2:
            return "IA32_VMX_EXIT_CTLS2";
        case Msr::IA32_DS_AREA:
            return "IA32_DS_AREA";
        case Msr::IA32_U_CET:
            return "IA32_U_CET";
        case Msr::IA32_S_CET:
            return "IA32_S_CET";
        case Msr::IA32_PL0_SSP:
            return "IA32_PL0_SSP";
        case Msr::IA32_PL1_SSP:
            return "IA32_PL1_SSP";
        case Msr::IA32_PL2_SSP:
            return "IA32_PL2_SSP";
        case Msr::IA32_PL3_SSP:
            return "IA32_PL3_SSP";
        case Msr::IA32_INTERRUPT_SSP_TABLE_ADDR:
            return "IA32_INTERRUPT_SSP_TABLE_ADDR";
        case Msr::IA32_TSC_DEADLINE:
            return "IA32_TSC_DEADLINE";
        case Msr::IA32_PKRS:
            return "IA32_PKRS";
        case Msr::IA32_X2APIC_APICID:
            return "IA32_X2APIC_APICID";
        case Msr::IA32_X2APIC_VERSION:
            return "IA32_X2APIC_VERSION";
        case Msr::IA32_X2APIC_TPR:
            return "IA32_X2APIC_TPR";
        case Msr::IA32_X2APIC_PPR:
            return "IA32_X2APIC_PPR";
        case Msr::IA32_X2APIC_EOI:
            return "IA32_X2APIC_EOI";
        case Msr::IA32_X2APIC_LDR:
            return "IA32_X2APIC_LDR";
        case Msr::IA32_X2APIC_SIVR:
            return "IA32_X2APIC_SIVR";
        case Msr::IA32_X2APIC_ISR0:
            return "IA32_X2APIC_ISR0";
        case Msr::IA32_X2APIC_ISR1:
            return "IA32_X2APIC_ISR1";
        case Msr::IA32_X2APIC_ISR2:
            return "IA32_X2APIC_ISR2";
        case Msr::IA32_X2APIC_ISR3:
            return "IA32_X2APIC_ISR3";
        case Msr::IA32_X2APIC_ISR4:
            return "IA32_X2APIC_ISR4";
        case Msr::IA32_X2APIC_ISR5:
            return "IA32_X2APIC_ISR5";
        case Msr::IA32_X2APIC_ISR6:
            return "IA32_X2APIC_ISR6";
        case Msr::IA32_X2APIC_ISR7:
            return "IA32_X2APIC_ISR7";
        case Msr::IA32_X2APIC_TMR0:
            return "IA32_X2APIC_TMR0";
        case Msr::IA32_X2APIC_TMR1:
            return "IA32_X2APIC_TMR1";
        case Msr::IA32_X2APIC_TMR2:
            return "IA32_X2APIC_TMR2";
        case Msr::IA32_X2APIC_TMR3:
            return "IA32_X2APIC_TMR3";
        case Msr::IA32_X2APIC_TMR4:
            return "IA32_X2APIC_TMR4";
        case Msr::IA32_X2APIC_TMR5:
            return "IA32_X2APIC_TMR5";
        case Msr::IA32_X2APIC_TMR6:
            return "IA32_X2APIC_TMR6";
        case Msr::IA32_X2APIC_TMR7:
            return "IA32_X2APIC_TMR7";
        case Msr::IA32_X2APIC_IRR0:
            return "IA32_X2APIC_IRR0";
        case Msr::IA32_X2APIC_IRR1:
            return "IA32_X2APIC_IRR1";
        case Msr::IA32_X2APIC_IRR2:
            return "IA32_X2APIC_IRR2";
        case Msr::IA32_X2APIC_IRR3:
            return "IA32_X2APIC_IRR3";
        case Msr::IA32_X2APIC_IRR4:
            return "IA32_X2APIC_IRR4";
        case Msr::IA32_X2APIC_IRR5:
            return "IA32_X2APIC_IRR5";
        case Msr::IA32_X2APIC_IRR6:
            return "IA32_X2APIC_IRR6";
        case Msr::IA32_X2APIC_IRR7:
            return "IA32_X2APIC_IRR7";
        case Msr::IA32_X2APIC_ESR:
            return "IA32_X2APIC_ESR";
        case Msr::IA32_X2APIC_LVT_CMCI:
            return "IA32_X2APIC_LVT_CMCI";
        case Msr::IA32_X2APIC_ICR:
            return "IA32_X2APIC_ICR";
        case Msr::IA32_X2APIC_LVT_TIMER:
            return "IA32_X2APIC_LVT_TIMER";
        case Msr::IA32_X2APIC_LVT_THERMAL:
            return "IA32_X2APIC_LVT_THERMAL";
        case Msr::IA32_X2APIC_LVT_PMI:
            return "IA32_X2APIC_LVT_PMI";
        case Msr::IA32_X2APIC_LVT_LINT0:
            return "IA32_X2APIC_LVT_LINT0";
        case Msr::IA32_X2APIC_LVT_LINT1:
            return "IA32_X2APIC_LVT_LINT1";
        case Msr::IA32_X2APIC_LVT_ERROR:
            return "IA32_X2APIC_LVT_ERROR";
        case Msr::IA32_X2APIC_INIT_COUNT:
            return "IA32_X2APIC_INIT_COUNT";
        case Msr::IA32_X2APIC_CUR_COUNT:
            return "IA32_X2APIC_CUR_COUNT";
        case Msr::IA32_X2APIC_DIV_CONF:
            return "IA32_X2APIC_DIV_CONF";
        case Msr::IA32_X2APIC_SELF_IPI:
            return "IA32_X2APIC_SELF_IPI";
        case Msr::IA32_BNDCFGS:
            return "IA32_BNDCFGS";
        case Msr::IA32_XSS:
            return "IA32_XSS";
        case Msr::IA32_EFER:
            return "IA32_EFER";
        case Msr::IA32_STAR:
            return "IA32_STAR";
        case Msr::IA32_LSTAR:
            return "IA32_LSTAR";
        case Msr::IA32_CSTAR:
            return "IA32_CSTAR";
        case Msr::IA32_FMASK:
            return "IA32_FMASK";
        case Msr::IA32_FS_BASE:
            return "IA32_FS_BASE";
        case Msr::IA32_GS_BASE:
            return "IA32_GS_BASE";
        case Msr::IA32_KERNEL_GS_BASE:
            return "IA32_KERNEL_GS_BASE";
        case Msr::IA32_TSC_AUX:
            return "IA32_TSC_AUX";
    }
    return nullptr;
}

namespace apic_base {
inline constexpr uint64_t BSP = bit(8);
inline constexpr uint64_t EXTD = bit(10);  // x2APIC mode
inline constexpr uint64_t ENABLE = bit(11);
inline constexpr uint64_t kDefaultAddress = 0xfee00000;
}  // namespace apic_base

namespace feature_control {
inline constexpr uint64_t LOCK = bit(0);
inline constexpr uint64_t VMX_INSIDE_SMX = bit(1);
inline constexpr uint64_t VMX_OUTSIDE_SMX = bit(2);
}  // namespace feature_control

namespace debugctl {
inline constexpr uint64_t LBR = bit(0);
inline constexpr uint64_t BTF = bit(1);
inline constexpr uint64_t BUS_LOCK_DETECT = bit(2);
inline constexpr uint64_t TR = bit(6);
inline constexpr uint64_t BTS = bit(7);
inline constexpr uint64_t BTINT = bit(8);
inline constexpr uint64_t BTS_OFF_OS = bit(9);
inline constexpr uint64_t BTS_OFF_USR = bit(10);
inline constexpr uint64_t FREEZE_LBRS_ON_PMI = bit(11);
inline constexpr uint64_t FREEZE_PERFMON_ON_PMI = bit(12);
inline constexpr uint64_t FREEZE_WHILE_SMM = bit(14);
inline constexpr uint64_t RTM = bit(15);
}  // namespace debugctl

namespace misc_enable {
inline constexpr uint64_t FAST_STRINGS = bit(0);
inline constexpr uint64_t BTS_UNAVAILABLE = bit(11);
inline constexpr uint64_t PEBS_UNAVAILABLE = bit(12);
inline constexpr uint64_t MONITOR = bit(18);
inline constexpr uint64_t LIMIT_CPUID_MAXVAL = bit(22);
inline constexpr uint64_t XD_DISABLE = bit(34);
}  // namespace misc_enable

// Types in IA32_PAT, the MTRRs, EPT entries and EPTP.
enum class MemoryType : uint8_t { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6, UC_MINUS = 7 };

inline constexpr uint64_t kPatReset = 0x0007040600070406;

constexpr bool is_pat_type(uint64_t type) { return type <= 7 && type != 2 && type != 3; }
constexpr bool is_mtrr_type(uint64_t type) { return type <= 6 && type != 2 && type != 3; }

// Whether each of the eight entries holds a type that WRMSR to IA32_PAT accepts.
constexpr bool is_valid_pat(uint64_t pat) {
    for (unsigned entry = 0; entry < 8; ++entry) {
        if (!is_pat_type((pat >> (entry * 8)) & 0xff)) return false;
    }
    return true;
}
// The same of a fixed-range MTRR.
constexpr bool is_valid_fixed_range(uint64_t types) {
    for (unsigned entry = 0; entry < 8; ++entry) {
        if (!is_mtrr_type((types >> (entry * 8)) & 0xff)) return false;
    }
    return true;
}

}  // namespace vtless::x86
