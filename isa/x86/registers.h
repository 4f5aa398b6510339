// SPDX-License-Identifier: MIT
// Register numbers. SDM Vol. 2A "Instruction Format" (2.1), Vol. 3C "Guest Register State" (25.4.1).
#pragma once

#include <cstdint>

namespace vtless::x86 {

// In the order of ModR/M, REX and exit qualifications.
enum class Gpr : uint8_t { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
inline constexpr unsigned kGprCount = 16;

// In VMCS order; the first six are also the hardware encoding.
enum class SegmentRegister : uint8_t { ES, CS, SS, DS, FS, GS, LDTR, TR };
inline constexpr unsigned kSegmentRegisterCount = 8;

constexpr const char* name(Gpr gpr) {
    constexpr const char* kNames[kGprCount] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                               "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
    return kNames[static_cast<uint8_t>(gpr) % kGprCount];
}

constexpr const char* name(SegmentRegister segment) {
    constexpr const char* kNames[kSegmentRegisterCount] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};
    return kNames[static_cast<uint8_t>(segment) % kSegmentRegisterCount];
}

}  // namespace vtless::x86
