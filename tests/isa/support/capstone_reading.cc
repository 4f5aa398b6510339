// SPDX-License-Identifier: MIT
#include "tests/isa/support/capstone_reading.h"

#include <capstone/capstone.h>

#include <cstdlib>

namespace vtless::tests {
namespace {

using x86::CodeMode;
using x86::Gpr;
using x86::MemoryInstruction;
using x86::MemoryOp;
using x86::MemoryOperand;
using x86::OperandForm;
using x86::Repeat;
using x86::SegmentRegister;

struct RegisterName {
    Gpr gpr;
    bool high_byte;
};

// Capstone's identifiers of one register, by width; INVALID where there is none.
constexpr x86_reg kByWidth[16][4] = {
    {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL},
    {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL},
    {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL},
    {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL},
    {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
    {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
    {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
    {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
    {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B},
    {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B},
    {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B},
    {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B},
    {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B},
    {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B},
    {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B},
    {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B},
};

std::optional<RegisterName> general_register(x86_reg reg) {
    constexpr x86_reg kHigh[] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};
    for (uint8_t i = 0; i < 4; ++i)
        if (reg == kHigh[i]) return RegisterName{static_cast<Gpr>(i), true};
    for (uint8_t i = 0; i < 16; ++i)
        for (const x86_reg candidate : kByWidth[i])
            if (reg == candidate) return RegisterName{static_cast<Gpr>(i), false};
    return std::nullopt;
}

std::optional<SegmentRegister> segment_register(x86_reg reg) {
    switch (reg) {
        case X86_REG_ES:
            return SegmentRegister::ES;
        case X86_REG_CS:
            return SegmentRegister::CS;
        case X86_REG_SS:
            return SegmentRegister::SS;
        case X86_REG_DS:
            return SegmentRegister::DS;
        case X86_REG_FS:
            return SegmentRegister::FS;
        case X86_REG_GS:
            return SegmentRegister::GS;
        default:
            return std::nullopt;
    }
}

std::optional<MemoryOp> operation(unsigned id) {
    switch (id) {
        case X86_INS_ADD:
            return MemoryOp::ADD;
        case X86_INS_OR:
            return MemoryOp::OR;
        case X86_INS_ADC:
            return MemoryOp::ADC;
        case X86_INS_SBB:
            return MemoryOp::SBB;
        case X86_INS_AND:
            return MemoryOp::AND;
        case X86_INS_SUB:
            return MemoryOp::SUB;
        case X86_INS_XOR:
            return MemoryOp::XOR;
        case X86_INS_CMP:
            return MemoryOp::CMP;
        case X86_INS_MOV:
        case X86_INS_MOVABS:
            return MemoryOp::MOV;
        case X86_INS_MOVZX:
            return MemoryOp::MOVZX;
        case X86_INS_MOVSX:
        case X86_INS_MOVSXD:
            return MemoryOp::MOVSX;
        case X86_INS_TEST:
            return MemoryOp::TEST;
        case X86_INS_XCHG:
            return MemoryOp::XCHG;
        case X86_INS_XADD:
            return MemoryOp::XADD;
        case X86_INS_CMPXCHG:
            return MemoryOp::CMPXCHG;
        case X86_INS_INC:
            return MemoryOp::INC;
        case X86_INS_DEC:
            return MemoryOp::DEC;
        case X86_INS_NOT:
            return MemoryOp::NOT;
        case X86_INS_NEG:
            return MemoryOp::NEG;
        case X86_INS_BT:
            return MemoryOp::BT;
        case X86_INS_BTS:
            return MemoryOp::BTS;
        case X86_INS_BTR:
            return MemoryOp::BTR;
        case X86_INS_BTC:
            return MemoryOp::BTC;
        case X86_INS_MOVSB:
        case X86_INS_MOVSW:
        case X86_INS_MOVSD:  // also the SSE2 instruction, told apart by its operands
        case X86_INS_MOVSQ:
            return MemoryOp::MOVS;
        case X86_INS_CMPSB:
        case X86_INS_CMPSW:
        case X86_INS_CMPSD:
        case X86_INS_CMPSQ:
            return MemoryOp::CMPS;
        case X86_INS_STOSB:
        case X86_INS_STOSW:
        case X86_INS_STOSD:
        case X86_INS_STOSQ:
            return MemoryOp::STOS;
        case X86_INS_LODSB:
        case X86_INS_LODSW:
        case X86_INS_LODSD:
        case X86_INS_LODSQ:
            return MemoryOp::LODS;
        case X86_INS_SCASB:
        case X86_INS_SCASW:
        case X86_INS_SCASD:
        case X86_INS_SCASQ:
            return MemoryOp::SCAS;
        default:
            return std::nullopt;
    }
}

bool is_string(MemoryOp op) { return op >= MemoryOp::MOVS; }

// What Capstone leaves out: it names a segment only when a prefix does (one that 64-bit mode ignores
// included), and in 64-bit mode not even the ES of string instructions.
SegmentRegister segment_of(const x86_op_mem& memory, MemoryOp op, CodeMode mode) {
    const auto named = segment_register(memory.segment);
    if (named && (mode != CodeMode::BITS64 || *named >= SegmentRegister::FS)) return *named;
    if (op == MemoryOp::STOS || op == MemoryOp::SCAS) return SegmentRegister::ES;
    switch (memory.base) {
        case X86_REG_RSP:
        case X86_REG_ESP:
        case X86_REG_SP:
        case X86_REG_RBP:
        case X86_REG_EBP:
        case X86_REG_BP:
            return SegmentRegister::SS;
        default:
            return SegmentRegister::DS;
    }
}

MemoryOperand memory_operand(const x86_op_mem& memory, uint8_t address_bytes) {
    MemoryOperand operand;
    operand.rip_relative = memory.base == X86_REG_RIP || memory.base == X86_REG_EIP;
    if (const auto base = general_register(memory.base)) operand.base = base->gpr;
    if (const auto index = general_register(memory.index)) {
        operand.index = index->gpr;
        operand.scale = static_cast<uint8_t>(memory.scale);
    }
    operand.address_bytes = address_bytes;
    operand.displacement = memory.disp;
    return operand;
}

const cs_x86_op* memory_of(const cs_x86& detail, MemoryOp op) {
    // MOVS is written destination first; its `memory` is the source.
    const cs_x86_op* found = nullptr;
    for (unsigned i = 0; i < detail.op_count; ++i) {
        if (detail.operands[i].type != X86_OP_MEM) continue;
        const bool source =
            general_register(detail.operands[i].mem.base).value_or(RegisterName{}).gpr == Gpr::RSI;
        if (found == nullptr || (is_string(op) && source)) found = &detail.operands[i];
    }
    return found;
}

bool set_register_operand(MemoryInstruction& out, const cs_x86_op& operand) {
    const auto name = general_register(operand.reg);
    if (!name) return false;  // MOV to and from segment registers, SSE2's MOVSD
    out.gpr = name->gpr;
    out.high_byte = name->high_byte;
    out.register_bytes = operand.size;
    return true;
}

bool set_operands(MemoryInstruction& out, const cs_x86& detail) {
    bool register_first = false;
    bool has_register = false;
    bool has_immediate = false;
    for (unsigned i = 0; i < detail.op_count; ++i) {
        const cs_x86_op& operand = detail.operands[i];
        if (operand.type == X86_OP_REG) {
            if (!set_register_operand(out, operand)) return false;
            has_register = true;
            register_first = i == 0;
        } else if (operand.type == X86_OP_IMM) {
            has_immediate = true;
            out.immediate = static_cast<uint64_t>(operand.imm) & bit_range(out.memory_bytes * 8u - 1, 0);
        }
    }
    // Capstone swaps the operands of some forms; these have only one that is not symmetric.
    const bool symmetric = out.op == MemoryOp::XCHG || out.op == MemoryOp::TEST;
    if (is_string(out.op)) {
        out.form = OperandForm::STRING;
    } else if (has_register) {
        out.form = register_first && !symmetric ? OperandForm::REGISTER_MEMORY : OperandForm::MEMORY_REGISTER;
    } else {
        out.form = has_immediate ? OperandForm::MEMORY_IMMEDIATE : OperandForm::MEMORY;
    }
    return true;
}

std::optional<MemoryInstruction> expectation(const cs_insn& insn, CodeMode mode) {
    const cs_x86& detail = insn.detail->x86;
    const auto op = operation(insn.id);
    if (!op) return std::nullopt;
    const cs_x86_op* memory = memory_of(detail, *op);
    if (memory == nullptr) return std::nullopt;

    MemoryInstruction out;
    out.length = static_cast<uint8_t>(insn.size);
    out.op = *op;
    out.memory_bytes = memory->size;
    out.memory = memory_operand(memory->mem, detail.addr_size);
    out.memory.segment = segment_of(memory->mem, *op, mode);
    if (!set_operands(out, detail)) return std::nullopt;
    out.lock = detail.prefix[0] == X86_PREFIX_LOCK;
    if (is_string(*op)) {
        if (detail.prefix[0] == X86_PREFIX_REP) out.repeat = Repeat::REPE;
        if (detail.prefix[0] == X86_PREFIX_REPNE) out.repeat = Repeat::REPNE;
    }
    return out;
}

cs_mode capstone_mode(CodeMode mode) {
    switch (mode) {
        case CodeMode::BITS16:
            return CS_MODE_16;
        case CodeMode::BITS32:
            return CS_MODE_32;
        case CodeMode::BITS64:
            break;
    }
    return CS_MODE_64;
}

}  // namespace

struct CapstoneReader::State {
    csh handle = 0;
    cs_insn* insn = nullptr;
    CodeMode mode = CodeMode::BITS64;
};

CapstoneReader::CapstoneReader(CodeMode mode) : state_(std::make_unique<State>()) {
    state_->mode = mode;
    if (cs_open(CS_ARCH_X86, capstone_mode(mode), &state_->handle) != CS_ERR_OK) std::abort();
    if (cs_option(state_->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK) std::abort();
    state_->insn = cs_malloc(state_->handle);
}

CapstoneReader::~CapstoneReader() {
    cs_free(state_->insn, 1);
    cs_close(&state_->handle);
}

CapstoneReading CapstoneReader::read(std::span<const uint8_t> bytes) {
    const uint8_t* code = bytes.data();
    size_t size = bytes.size();
    uint64_t address = 0;
    CapstoneReading reading;
    if (!cs_disasm_iter(state_->handle, &code, &size, &address, state_->insn)) return reading;
    reading.text = std::string(state_->insn->mnemonic) + " " + state_->insn->op_str;
    reading.expected = expectation(*state_->insn, state_->mode);
    return reading;
}

}  // namespace vtless::tests
