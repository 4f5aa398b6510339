// SPDX-License-Identifier: MIT
// The format of the generated tables in sim/time/tables/. scripts/costs/generate.py writes it.
#pragma once

#include <cstdint>
#include <span>

namespace vtless::sim {

// What a form does with an operand: a use (bits 0 to 2) and a register class (bits 3 to 5).
enum OperandUse : uint8_t { kRead = 1, kWritten = 2, kMerged = 4, kUseMask = 7 };
enum OperandClass : uint8_t { kGeneral = 8, kByte = 16, kXmm = 24, kMmx = 32, kClassMask = 56 };
// FormOperands::other.
enum OtherOperands : uint8_t {
    kFlagsRead = 1,
    kFlagsWritten = 2,
    kBreaksDependency = 4,  // the result does not depend on what the registers hold: XOR of one with itself
    kStack = 8,             // RSP moves as PUSH, POP, CALL and RET move it
    kImpliedMerged = 16,    // what is written to implied registers is of 8 or 16 bits
};

struct FormOperands {
    uint16_t reads;   // implied general registers
    uint16_t writes;  // "
    uint8_t reg;      // ModR/M's reg field
    uint8_t rm;       // its r/m field, where that is a register
    uint8_t vvvv;
    uint8_t low;  // the register in the opcode
    uint8_t other;
};

// Rows are sorted by key: bits 22:20 FormMap, 19:12 opcode, 11:10 prefix, 9 REX.W, 8:3 extension, 1:0
// operand.
struct FormRow {
    uint32_t key;
    uint8_t operands;
};

struct FormData {
    std::span<const FormRow> forms;
    std::span<const FormOperands> operands;
};

// So many cycles on any one port of a group.
struct PortUse {
    uint8_t group;
    uint8_t cycles;
};

struct CostClass {
    uint8_t micro_ops;
    uint8_t latency;       // cycles from a register or address to the result
    uint8_t late_latency;  // from a register that is needed only when the memory operand is there
    uint16_t first_use;
    uint8_t uses;
};

// Classes 0 and 1 are no costs: the model does not know the form, or has a placeholder for it.
struct ModelData {
    uint8_t width;                          // micro-ops issued in a cycle
    std::span<const uint16_t> groups;       // sets of ports
    std::span<const uint16_t> bottlenecks;  // unions of them
    std::span<const PortUse> uses;          // of all classes
    std::span<const CostClass> classes;     //
    std::span<const uint16_t> class_of;     // by form, as in FormData::forms
};

extern const FormData kInstructionForms;
extern const ModelData kSandyBridgeCosts;
extern const ModelData kHaswellCosts;
extern const ModelData kBroadwellCosts;
extern const ModelData kSkylakeCosts;
extern const ModelData kSkylakeServerCosts;

}  // namespace vtless::sim
