// SPDX-License-Identifier: MIT
// Bits of the control and debug registers, IA32_EFER and XCR0.
// SDM Vol. 3A "Control Registers" (2.5), "Extended Feature Enable Register" (2.2.1), Vol. 3B "Debug
// Registers" (18.2).
#pragma once

#include <cstdint>

#include "isa/bits.h"

namespace vtless::x86 {

namespace cr0 {
inline constexpr uint64_t PE = bit(0);
inline constexpr uint64_t MP = bit(1);
inline constexpr uint64_t EM = bit(2);
inline constexpr uint64_t TS = bit(3);
inline constexpr uint64_t ET = bit(4);
inline constexpr uint64_t NE = bit(5);
inline constexpr uint64_t WP = bit(16);
inline constexpr uint64_t AM = bit(18);
inline constexpr uint64_t NW = bit(29);
inline constexpr uint64_t CD = bit(30);
inline constexpr uint64_t PG = bit(31);
inline constexpr uint64_t kDefined = PE | MP | EM | TS | ET | NE | WP | AM | NW | CD | PG;
}  // namespace cr0

namespace cr3 {
inline constexpr uint64_t PWT = bit(3);
inline constexpr uint64_t PCD = bit(4);
inline constexpr uint64_t kPcidMask = bit_range(11, 0);
inline constexpr uint64_t kNoFlush = bit(63);  // source operand of MOV to CR3 while CR4.PCIDE = 1
}  // namespace cr3

namespace cr4 {
inline constexpr uint64_t VME = bit(0);
inline constexpr uint64_t PVI = bit(1);
inline constexpr uint64_t TSD = bit(2);
inline constexpr uint64_t DE = bit(3);
inline constexpr uint64_t PSE = bit(4);
inline constexpr uint64_t PAE = bit(5);
inline constexpr uint64_t MCE = bit(6);
inline constexpr uint64_t PGE = bit(7);
inline constexpr uint64_t PCE = bit(8);
inline constexpr uint64_t OSFXSR = bit(9);
inline constexpr uint64_t OSXMMEXCPT = bit(10);
inline constexpr uint64_t UMIP = bit(11);
inline constexpr uint64_t LA57 = bit(12);
inline constexpr uint64_t VMXE = bit(13);
inline constexpr uint64_t SMXE = bit(14);
inline constexpr uint64_t FSGSBASE = bit(16);
inline constexpr uint64_t PCIDE = bit(17);
inline constexpr uint64_t OSXSAVE = bit(18);
inline constexpr uint64_t KL = bit(19);
inline constexpr uint64_t SMEP = bit(20);
inline constexpr uint64_t SMAP = bit(21);
inline constexpr uint64_t PKE = bit(22);
inline constexpr uint64_t CET = bit(23);
inline constexpr uint64_t PKS = bit(24);
inline constexpr uint64_t UINTR = bit(25);
}  // namespace cr4

namespace efer {
inline constexpr uint64_t SCE = bit(0);
inline constexpr uint64_t LME = bit(8);
inline constexpr uint64_t LMA = bit(10);
inline constexpr uint64_t NXE = bit(11);
inline constexpr uint64_t kDefined = SCE | LME | LMA | NXE;
}  // namespace efer

namespace xcr0 {
inline constexpr uint64_t X87 = bit(0);
inline constexpr uint64_t SSE = bit(1);
inline constexpr uint64_t AVX = bit(2);
inline constexpr uint64_t BNDREG = bit(3);
inline constexpr uint64_t BNDCSR = bit(4);
inline constexpr uint64_t OPMASK = bit(5);
inline constexpr uint64_t ZMM_HI256 = bit(6);
inline constexpr uint64_t HI16_ZMM = bit(7);
inline constexpr uint64_t PKRU = bit(9);
inline constexpr uint64_t TILECFG = bit(17);
inline constexpr uint64_t TILEDATA = bit(18);
}  // namespace xcr0

namespace dr6 {
inline constexpr uint64_t B0 = bit(0);
inline constexpr uint64_t B1 = bit(1);
inline constexpr uint64_t B2 = bit(2);
inline constexpr uint64_t B3 = bit(3);
inline constexpr uint64_t BLD = bit(11);  // reads 0 when a bus lock was detected
inline constexpr uint64_t BD = bit(13);
inline constexpr uint64_t BS = bit(14);
inline constexpr uint64_t BT = bit(15);
inline constexpr uint64_t RTM = bit(16);  // reads 0 inside a transactional region
inline constexpr uint64_t kFixed1 = 0xffff0ff0;
inline constexpr uint64_t kReset = 0xffff0ff0;
inline constexpr uint64_t kWritable = B0 | B1 | B2 | B3 | BD | BS | BT;  // without RTM and bus-lock detection
}  // namespace dr6

namespace dr7 {
inline constexpr uint64_t LE = bit(8);
inline constexpr uint64_t GE = bit(9);
inline constexpr uint64_t RTM = bit(11);
inline constexpr uint64_t GD = bit(13);
inline constexpr uint64_t kFixed1 = bit(10);
inline constexpr uint64_t kReset = 0x400;

enum class Condition : uint8_t { EXECUTION, DATA_WRITE, IO, DATA_READ_WRITE };

// Breakpoint n is 0 to 3.
constexpr bool local_enabled(uint64_t raw, unsigned n) { return (raw & bit(n * 2)) != 0; }
constexpr bool global_enabled(uint64_t raw, unsigned n) { return (raw & bit(n * 2 + 1)) != 0; }
constexpr bool enabled(uint64_t raw, unsigned n) { return local_enabled(raw, n) || global_enabled(raw, n); }
constexpr Condition condition(uint64_t raw, unsigned n) {
    return static_cast<Condition>((raw >> (16 + n * 4)) & 3);
}
constexpr unsigned length_bytes(uint64_t raw, unsigned n) {
    constexpr uint8_t kBytes[4] = {1, 2, 8, 4};
    return kBytes[(raw >> (18 + n * 4)) & 3];
}
}  // namespace dr7

}  // namespace vtless::x86
