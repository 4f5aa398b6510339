// SPDX-License-Identifier: MIT
// CPUID leaves and feature bits. SDM Vol. 2A "CPUID—CPU Identification".
#pragma once

#include <cstdint>

namespace vtless::x86 {

struct CpuidResult {
    uint32_t eax = 0;
    uint32_t ebx = 0;
    uint32_t ecx = 0;
    uint32_t edx = 0;

    friend constexpr bool operator==(const CpuidResult&, const CpuidResult&) = default;
};

namespace cpuid {

inline constexpr uint32_t kVendor = 0;
inline constexpr uint32_t kFeatures = 1;
inline constexpr uint32_t kCacheParameters = 4;
inline constexpr uint32_t kMonitor = 5;
inline constexpr uint32_t kThermal = 6;
inline constexpr uint32_t kStructuredFeatures = 7;
inline constexpr uint32_t kPerformanceMonitoring = 0xa;
inline constexpr uint32_t kTopology = 0xb;
inline constexpr uint32_t kXsave = 0xd;
inline constexpr uint32_t kTscFrequency = 0x15;
inline constexpr uint32_t kProcessorFrequency = 0x16;
inline constexpr uint32_t kHypervisorVendor = 0x40000000;
inline constexpr uint32_t kExtendedMax = 0x80000000;
inline constexpr uint32_t kExtendedFeatures = 0x80000001;
inline constexpr uint32_t kBrand0 = 0x80000002;
inline constexpr uint32_t kAdvancedPower = 0x80000007;
inline constexpr uint32_t kAddressSizes = 0x80000008;

constexpr uint32_t feature_bit(unsigned n) { return uint32_t{1} << n; }

namespace leaf1_ecx {
inline constexpr uint32_t SSE3 = feature_bit(0);
inline constexpr uint32_t PCLMULQDQ = feature_bit(1);
inline constexpr uint32_t DTES64 = feature_bit(2);
inline constexpr uint32_t MONITOR = feature_bit(3);
inline constexpr uint32_t DS_CPL = feature_bit(4);
inline constexpr uint32_t VMX = feature_bit(5);
inline constexpr uint32_t SMX = feature_bit(6);
inline constexpr uint32_t EIST = feature_bit(7);
inline constexpr uint32_t TM2 = feature_bit(8);
inline constexpr uint32_t SSSE3 = feature_bit(9);
inline constexpr uint32_t FMA = feature_bit(12);
inline constexpr uint32_t CMPXCHG16B = feature_bit(13);
inline constexpr uint32_t PDCM = feature_bit(15);
inline constexpr uint32_t PCID = feature_bit(17);
inline constexpr uint32_t DCA = feature_bit(18);
inline constexpr uint32_t SSE4_1 = feature_bit(19);
inline constexpr uint32_t SSE4_2 = feature_bit(20);
inline constexpr uint32_t X2APIC = feature_bit(21);
inline constexpr uint32_t MOVBE = feature_bit(22);
inline constexpr uint32_t POPCNT = feature_bit(23);
inline constexpr uint32_t TSC_DEADLINE = feature_bit(24);
inline constexpr uint32_t AESNI = feature_bit(25);
inline constexpr uint32_t XSAVE = feature_bit(26);
inline constexpr uint32_t OSXSAVE = feature_bit(27);
inline constexpr uint32_t AVX = feature_bit(28);
inline constexpr uint32_t F16C = feature_bit(29);
inline constexpr uint32_t RDRAND = feature_bit(30);
inline constexpr uint32_t HYPERVISOR = feature_bit(31);  // never set by hardware
}  // namespace leaf1_ecx

namespace leaf1_edx {
inline constexpr uint32_t FPU = feature_bit(0);
inline constexpr uint32_t VME = feature_bit(1);
inline constexpr uint32_t DE = feature_bit(2);
inline constexpr uint32_t PSE = feature_bit(3);
inline constexpr uint32_t TSC = feature_bit(4);
inline constexpr uint32_t MSR = feature_bit(5);
inline constexpr uint32_t PAE = feature_bit(6);
inline constexpr uint32_t MCE = feature_bit(7);
inline constexpr uint32_t CX8 = feature_bit(8);
inline constexpr uint32_t APIC = feature_bit(9);
inline constexpr uint32_t SEP = feature_bit(11);
inline constexpr uint32_t MTRR = feature_bit(12);
inline constexpr uint32_t PGE = feature_bit(13);
inline constexpr uint32_t MCA = feature_bit(14);
inline constexpr uint32_t CMOV = feature_bit(15);
inline constexpr uint32_t PAT = feature_bit(16);
inline constexpr uint32_t PSE36 = feature_bit(17);
inline constexpr uint32_t PSN = feature_bit(18);
inline constexpr uint32_t CLFSH = feature_bit(19);
inline constexpr uint32_t DS = feature_bit(21);
inline constexpr uint32_t ACPI = feature_bit(22);
inline constexpr uint32_t MMX = feature_bit(23);
inline constexpr uint32_t FXSR = feature_bit(24);
inline constexpr uint32_t SSE = feature_bit(25);
inline constexpr uint32_t SSE2 = feature_bit(26);
inline constexpr uint32_t SS = feature_bit(27);
inline constexpr uint32_t HTT = feature_bit(28);
inline constexpr uint32_t TM = feature_bit(29);
inline constexpr uint32_t PBE = feature_bit(31);
}  // namespace leaf1_edx

// Leaf 6.
namespace leaf6_eax {
inline constexpr uint32_t ARAT = feature_bit(2);
}  // namespace leaf6_eax

// Leaf 7, subleaf 0.
namespace leaf7_ebx {
inline constexpr uint32_t FSGSBASE = feature_bit(0);
inline constexpr uint32_t TSC_ADJUST = feature_bit(1);
inline constexpr uint32_t SGX = feature_bit(2);
inline constexpr uint32_t BMI1 = feature_bit(3);
inline constexpr uint32_t HLE = feature_bit(4);
inline constexpr uint32_t AVX2 = feature_bit(5);
inline constexpr uint32_t FDP_EXCPTN_ONLY = feature_bit(6);
inline constexpr uint32_t SMEP = feature_bit(7);
inline constexpr uint32_t BMI2 = feature_bit(8);
inline constexpr uint32_t ERMS = feature_bit(9);
inline constexpr uint32_t INVPCID = feature_bit(10);
inline constexpr uint32_t RTM = feature_bit(11);
inline constexpr uint32_t ZERO_FCS_FDS = feature_bit(13);
inline constexpr uint32_t MPX = feature_bit(14);
inline constexpr uint32_t AVX512F = feature_bit(16);
inline constexpr uint32_t AVX512DQ = feature_bit(17);
inline constexpr uint32_t RDSEED = feature_bit(18);
inline constexpr uint32_t ADX = feature_bit(19);
inline constexpr uint32_t SMAP = feature_bit(20);
inline constexpr uint32_t CLFLUSHOPT = feature_bit(23);
inline constexpr uint32_t CLWB = feature_bit(24);
inline constexpr uint32_t PT = feature_bit(25);
inline constexpr uint32_t SHA = feature_bit(29);
}  // namespace leaf7_ebx

namespace leaf7_ecx {
inline constexpr uint32_t PREFETCHWT1 = feature_bit(0);
inline constexpr uint32_t UMIP = feature_bit(2);
inline constexpr uint32_t PKU = feature_bit(3);
inline constexpr uint32_t OSPKE = feature_bit(4);
inline constexpr uint32_t WAITPKG = feature_bit(5);
inline constexpr uint32_t CET_SS = feature_bit(7);
inline constexpr uint32_t GFNI = feature_bit(8);
inline constexpr uint32_t VAES = feature_bit(9);
inline constexpr uint32_t VPCLMULQDQ = feature_bit(10);
inline constexpr uint32_t LA57 = feature_bit(16);
inline constexpr uint32_t RDPID = feature_bit(22);
inline constexpr uint32_t KL = feature_bit(23);
inline constexpr uint32_t BUS_LOCK_DETECT = feature_bit(24);
inline constexpr uint32_t CLDEMOTE = feature_bit(25);
inline constexpr uint32_t MOVDIRI = feature_bit(27);
inline constexpr uint32_t MOVDIR64B = feature_bit(28);
inline constexpr uint32_t ENQCMD = feature_bit(29);
inline constexpr uint32_t PKS = feature_bit(31);
}  // namespace leaf7_ecx

namespace leaf7_edx {
inline constexpr uint32_t FSRM = feature_bit(4);
inline constexpr uint32_t UINTR = feature_bit(5);
inline constexpr uint32_t MD_CLEAR = feature_bit(10);
inline constexpr uint32_t SERIALIZE = feature_bit(14);
inline constexpr uint32_t PCONFIG = feature_bit(18);
inline constexpr uint32_t CET_IBT = feature_bit(20);
inline constexpr uint32_t IBRS_IBPB = feature_bit(26);
inline constexpr uint32_t STIBP = feature_bit(27);
inline constexpr uint32_t L1D_FLUSH = feature_bit(28);
inline constexpr uint32_t ARCH_CAPABILITIES = feature_bit(29);
inline constexpr uint32_t CORE_CAPABILITIES = feature_bit(30);
inline constexpr uint32_t SSBD = feature_bit(31);
}  // namespace leaf7_edx

// Leaf 0xD, subleaf 1.
namespace leaf_d1_eax {
inline constexpr uint32_t XSAVEOPT = feature_bit(0);
inline constexpr uint32_t XSAVEC = feature_bit(1);
inline constexpr uint32_t XGETBV_ECX1 = feature_bit(2);
inline constexpr uint32_t XSAVES = feature_bit(3);
}  // namespace leaf_d1_eax

// Leaf 0x80000001.
namespace extended_ecx {
inline constexpr uint32_t LAHF64 = feature_bit(0);
inline constexpr uint32_t LZCNT = feature_bit(5);
inline constexpr uint32_t PREFETCHW = feature_bit(8);
}  // namespace extended_ecx

namespace extended_edx {
inline constexpr uint32_t SYSCALL = feature_bit(11);
inline constexpr uint32_t NX = feature_bit(20);
inline constexpr uint32_t PAGE1GB = feature_bit(26);
inline constexpr uint32_t RDTSCP = feature_bit(27);
inline constexpr uint32_t LM = feature_bit(29);
}  // namespace extended_edx

// Leaf 0x80000007.
namespace advanced_power_edx {
inline constexpr uint32_t INVARIANT_TSC = feature_bit(8);
}  // namespace advanced_power_edx

// Leaf 0x80000008, EAX.
constexpr unsigned physical_address_bits(uint32_t eax) { return eax & 0xff; }
constexpr unsigned linear_address_bits(uint32_t eax) { return (eax >> 8) & 0xff; }

}  // namespace cpuid
}  // namespace vtless::x86
