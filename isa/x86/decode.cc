// SPDX-License-Identifier: MIT
#include "isa/x86/decode.h"

namespace vtless::x86 {
namespace {

// Bytes of one instruction; reading past the end, or past 15, sticks as failure.
class ByteReader {
  public:
    explicit ByteReader(std::span<const uint8_t> bytes)
        : bytes_(bytes.first(bytes.size() < kMaxInstructionBytes ? bytes.size() : kMaxInstructionBytes)) {}

    uint8_t peek() {
        if (at_ < bytes_.size()) return bytes_[at_];
        failed_ = true;
        return 0;
    }
    uint8_t next() {
        const uint8_t value = peek();
        ++at_;
        return value;
    }
    uint64_t little_endian(unsigned count) {
        uint64_t value = 0;
        for (unsigned i = 0; i < count; ++i) value |= uint64_t{next()} << (i * 8);
        return value;
    }
    int64_t signed_value(unsigned count) {
        return static_cast<int64_t>(sign_extend(little_endian(count), count * 8));
    }

    bool failed() const { return failed_; }
    uint8_t position() const { return static_cast<uint8_t>(at_); }

  private:
    std::span<const uint8_t> bytes_;
    size_t at_ = 0;
    bool failed_ = false;
};

struct Prefixes {
    bool operand_size = false;
    bool address_size = false;
    bool lock = false;
    bool contradictory = false;
    Repeat repeat = Repeat::NONE;
    std::optional<SegmentRegister> segment;
    uint8_t rex = 0;

    bool rex_w() const { return (rex & 8) != 0; }
    unsigned rex_r() const { return (rex & 4u) << 1; }
    unsigned rex_x() const { return (rex & 2u) << 2; }
    unsigned rex_b() const { return (rex & 1u) << 3; }
};

class Decoder {
  public:
    Decoder(std::span<const uint8_t> bytes, CodeMode mode) : reader_(bytes), mode_(mode) {}

    std::optional<MemoryInstruction> run() {
        read_prefixes();
        const uint8_t opcode = reader_.next();
        const bool known = opcode == 0x0f ? two_byte(reader_.next()) : one_byte(opcode);
        if (!known || reader_.failed() || prefixes_.contradictory) return std::nullopt;
        if (prefixes_.lock && !lockable()) return std::nullopt;
        out_.lock = prefixes_.lock;
        out_.length = reader_.position();
        return out_;
    }

  private:
    bool is_64() const { return mode_ == CodeMode::BITS64; }

    void read_prefixes() {
        while (!reader_.failed()) {
            const uint8_t byte = reader_.peek();
            if (is_64() && (byte & 0xf0) == 0x40) {
                prefixes_.rex = byte;
            } else if (legacy_prefix(byte)) {
                prefixes_.rex = 0;  // REX counts only directly before the opcode
            } else {
                return;
            }
            reader_.next();
        }
    }

    // The last prefix of a group decides.
    bool legacy_prefix(uint8_t byte) {
        switch (byte) {
            case 0x66:
                prefixes_.operand_size = true;
                return true;
            case 0x67:
                prefixes_.address_size = true;
                return true;
            case 0xf0:
                prefixes_.lock = true;
                return true;
            case 0xf2:
                prefixes_.repeat = Repeat::REPNE;
                return true;
            case 0xf3:
                prefixes_.repeat = Repeat::REPE;
                return true;
            case 0x26:
                segment_prefix(SegmentRegister::ES);
                return true;
            case 0x2e:
                segment_prefix(SegmentRegister::CS);
                return true;
            case 0x36:
                segment_prefix(SegmentRegister::SS);
                return true;
            case 0x3e:
                segment_prefix(SegmentRegister::DS);
                return true;
            case 0x64:
                segment_prefix(SegmentRegister::FS);
                return true;
            case 0x65:
                segment_prefix(SegmentRegister::GS);
                return true;
            default:
                return false;
        }
    }

    // 64-bit mode ignores all but FS and GS; which of "FS, then DS" it obeys is written nowhere.
    void segment_prefix(SegmentRegister segment) {
        if (!is_64() || segment >= SegmentRegister::FS) {
            prefixes_.segment = segment;
        } else if (prefixes_.segment) {
            prefixes_.contradictory = true;
        }
    }

    uint8_t operand_bytes() const {
        if (prefixes_.rex_w()) return 8;
        const bool default_16 = mode_ == CodeMode::BITS16;
        return prefixes_.operand_size != default_16 ? 2 : 4;
    }
    // Opcodes come in pairs: even ones move bytes.
    uint8_t operand_bytes(uint8_t opcode) const { return (opcode & 1) != 0 ? operand_bytes() : uint8_t{1}; }
    uint8_t address_bytes() const {
        switch (mode_) {
            case CodeMode::BITS16:
                return prefixes_.address_size ? 4 : 2;
            case CodeMode::BITS32:
                return prefixes_.address_size ? 2 : 4;
            case CodeMode::BITS64:
                break;
        }
        return prefixes_.address_size ? 4 : 8;
    }

    bool one_byte(uint8_t opcode) {
        if (opcode < 0x40) return arithmetic(opcode);
        switch (opcode) {
            case 0x63:
                return move_sign_extended_doubleword();
            case 0x80:
            case 0x81:
            case 0x82:
            case 0x83:
                return arithmetic_immediate(opcode);
            case 0x84:
            case 0x85:
                return with_register(MemoryOp::TEST, OperandForm::MEMORY_REGISTER, operand_bytes(opcode));
            case 0x86:
            case 0x87:
                return with_register(MemoryOp::XCHG, OperandForm::MEMORY_REGISTER, operand_bytes(opcode));
            case 0x88:
            case 0x89:
                return with_register(MemoryOp::MOV, OperandForm::MEMORY_REGISTER, operand_bytes(opcode));
            case 0x8a:
            case 0x8b:
                return with_register(MemoryOp::MOV, OperandForm::REGISTER_MEMORY, operand_bytes(opcode));
            case 0xa0:
            case 0xa1:
            case 0xa2:
            case 0xa3:
                return move_direct_offset(opcode);
            case 0xa4:
            case 0xa5:
                return string(MemoryOp::MOVS, opcode);
            case 0xa6:
            case 0xa7:
                return string(MemoryOp::CMPS, opcode);
            case 0xaa:
            case 0xab:
                return string(MemoryOp::STOS, opcode);
            case 0xac:
            case 0xad:
                return string(MemoryOp::LODS, opcode);
            case 0xae:
            case 0xaf:
                return string(MemoryOp::SCAS, opcode);
            case 0xc6:
            case 0xc7:
                return mod_rm() && reg_ == 0 && with_immediate(MemoryOp::MOV, operand_bytes(opcode));
            case 0xf6:
            case 0xf7:
                return unary_group_3(opcode);
            case 0xfe:
            case 0xff:
                return mod_rm() && reg_ < 2 && unary(reg_ == 0 ? MemoryOp::INC : MemoryOp::DEC, opcode);
            default:
                return false;
        }
    }

    bool two_byte(uint8_t opcode) {
        constexpr auto kToMemory = OperandForm::MEMORY_REGISTER;
        switch (opcode) {
            case 0xa3:
                return with_register(MemoryOp::BT, kToMemory, operand_bytes());
            case 0xab:
                return with_register(MemoryOp::BTS, kToMemory, operand_bytes());
            case 0xb3:
                return with_register(MemoryOp::BTR, kToMemory, operand_bytes());
            case 0xbb:
                return with_register(MemoryOp::BTC, kToMemory, operand_bytes());
            case 0xba:
                return bit_immediate();
            case 0xb0:
            case 0xb1:
                return with_register(MemoryOp::CMPXCHG, kToMemory, operand_bytes(opcode));
            case 0xc0:
            case 0xc1:
                return with_register(MemoryOp::XADD, kToMemory, operand_bytes(opcode));
            case 0xb6:
                return extending_load(MemoryOp::MOVZX, 1);
            case 0xb7:
                return extending_load(MemoryOp::MOVZX, 2);
            case 0xbe:
                return extending_load(MemoryOp::MOVSX, 1);
            case 0xbf:
                return extending_load(MemoryOp::MOVSX, 2);
            default:
                return false;
        }
    }

    bool arithmetic(uint8_t opcode) {
        if ((opcode & 7) >= 4) return false;
        const auto op = static_cast<MemoryOp>(opcode >> 3);
        const auto form = (opcode & 2) == 0 ? OperandForm::MEMORY_REGISTER : OperandForm::REGISTER_MEMORY;
        return with_register(op, form, operand_bytes(opcode));
    }

    bool arithmetic_immediate(uint8_t opcode) {
        if (opcode == 0x82 && is_64()) return false;
        if (!mod_rm()) return false;
        const auto op = static_cast<MemoryOp>(reg_);
        return with_immediate(op, operand_bytes(opcode), opcode == 0x83 ? 1u : 4u);
    }

    // ARPL outside 64-bit mode. With a 16-bit register, manuals disagree on how much memory is read.
    bool move_sign_extended_doubleword() {
        return is_64() && operand_bytes() != 2 && extending_load(MemoryOp::MOVSX, 4);
    }

    bool extending_load(MemoryOp op, uint8_t memory_bytes) {
        if (!with_register(op, OperandForm::REGISTER_MEMORY, operand_bytes())) return false;
        out_.memory_bytes = memory_bytes;
        return true;
    }

    // /1 does what /0 does on all processors known, but no manual says so.
    bool unary_group_3(uint8_t opcode) {
        if (!mod_rm()) return false;
        switch (reg_) {
            case 0:
                return with_immediate(MemoryOp::TEST, operand_bytes(opcode));
            case 2:
                return unary(MemoryOp::NOT, opcode);
            case 3:
                return unary(MemoryOp::NEG, opcode);
            default:
                return false;
        }
    }

    bool bit_immediate() {
        if (!mod_rm() || reg_ < 4) return false;
        constexpr MemoryOp kOps[] = {MemoryOp::BT, MemoryOp::BTS, MemoryOp::BTR, MemoryOp::BTC};
        describe(kOps[reg_ - 4], OperandForm::MEMORY_IMMEDIATE, operand_bytes());
        out_.immediate = reader_.next();
        return true;
    }

    bool unary(MemoryOp op, uint8_t opcode) {
        describe(op, OperandForm::MEMORY, operand_bytes(opcode));
        return true;
    }

    bool with_register(MemoryOp op, OperandForm form, uint8_t bytes) {
        if (!mod_rm()) return false;
        describe(op, form, bytes);
        out_.register_bytes = bytes;
        out_.high_byte = bytes == 1 && prefixes_.rex == 0 && reg_ >= 4;
        out_.gpr = static_cast<Gpr>(out_.high_byte ? reg_ - 4 : reg_ | prefixes_.rex_r());
        return true;
    }

    bool with_immediate(MemoryOp op, uint8_t bytes, unsigned immediate_max = 4) {
        describe(op, OperandForm::MEMORY_IMMEDIATE, bytes);
        const unsigned count = bytes < immediate_max ? bytes : immediate_max;
        out_.immediate = static_cast<uint64_t>(reader_.signed_value(count)) & bit_range(bytes * 8u - 1, 0);
        return true;
    }

    bool move_direct_offset(uint8_t opcode) {
        const bool store = (opcode & 2) != 0;
        describe(MemoryOp::MOV, store ? OperandForm::MEMORY_REGISTER : OperandForm::REGISTER_MEMORY,
                 operand_bytes(opcode));
        out_.register_bytes = out_.memory_bytes;
        out_.memory.address_bytes = address_bytes();
        out_.memory.displacement = static_cast<int64_t>(reader_.little_endian(address_bytes()));
        out_.memory.segment = prefixes_.segment.value_or(SegmentRegister::DS);
        return true;
    }

    bool string(MemoryOp op, uint8_t opcode) {
        describe(op, OperandForm::STRING, operand_bytes(opcode));
        out_.repeat = prefixes_.repeat;
        const bool two_addresses = op == MemoryOp::MOVS || op == MemoryOp::CMPS;
        if (!two_addresses) out_.register_bytes = out_.memory_bytes;
        out_.memory.address_bytes = address_bytes();
        if (two_addresses || op == MemoryOp::LODS) {
            out_.memory.base = Gpr::RSI;
            out_.memory.segment = prefixes_.segment.value_or(SegmentRegister::DS);
        } else {
            out_.memory.base = Gpr::RDI;
            out_.memory.segment = SegmentRegister::ES;
        }
        return true;
    }

    void describe(MemoryOp op, OperandForm form, uint8_t bytes) {
        out_.op = op;
        out_.form = form;
        out_.memory_bytes = bytes;
    }

    // Reads ModR/M, SIB and displacement; false for a register operand.
    bool mod_rm() {
        const uint8_t byte = reader_.next();
        const unsigned mod = byte >> 6;
        reg_ = (byte >> 3) & 7u;
        if (mod == 3) return false;
        out_.memory.address_bytes = address_bytes();
        if (address_bytes() == 2) {
            address_16(mod, byte & 7u);
        } else {
            address_32_or_64(mod, byte & 7u);
        }
        const bool on_stack = out_.memory.base == Gpr::RSP || out_.memory.base == Gpr::RBP;
        const auto usual = on_stack ? SegmentRegister::SS : SegmentRegister::DS;
        out_.memory.segment = prefixes_.segment.value_or(usual);
        return true;
    }

    // SDM Vol. 2A table 2-1.
    void address_16(unsigned mod, unsigned rm) {
        constexpr Gpr kBase[] = {Gpr::RBX, Gpr::RBX, Gpr::RBP, Gpr::RBP,
                                 Gpr::RSI, Gpr::RDI, Gpr::RBP, Gpr::RBX};
        const bool displacement_only = mod == 0 && rm == 6;
        if (!displacement_only) out_.memory.base = kBase[rm];
        if (rm < 4) out_.memory.index = (rm & 1) != 0 ? Gpr::RDI : Gpr::RSI;
        const unsigned count = displacement_only ? 2 : mod;
        if (count != 0) out_.memory.displacement = reader_.signed_value(count);
    }

    // SDM Vol. 2A tables 2-2, 2-3 and "RIP-Relative Addressing" (2.2.1.6).
    void address_32_or_64(unsigned mod, unsigned rm) {
        unsigned base = rm;
        if (rm == 4) {
            const uint8_t sib = reader_.next();
            base = sib & 7u;
            const unsigned index = ((sib >> 3) & 7u) | prefixes_.rex_x();
            if (index != 4) {
                out_.memory.index = static_cast<Gpr>(index);
                out_.memory.scale = static_cast<uint8_t>(1u << (sib >> 6));
            }
        }
        const bool no_base = mod == 0 && base == 5;
        if (!no_base) out_.memory.base = static_cast<Gpr>(base | prefixes_.rex_b());
        out_.memory.rip_relative = no_base && rm == 5 && is_64();
        if (no_base || mod == 2) {
            out_.memory.displacement = reader_.signed_value(4);
        } else if (mod == 1) {
            out_.memory.displacement = reader_.signed_value(1);
        }
    }

    // SDM Vol. 2A "LOCK": any other instruction raises #UD.
    bool lockable() const {
        if (out_.form == OperandForm::REGISTER_MEMORY || out_.form == OperandForm::STRING) return false;
        switch (out_.op) {
            case MemoryOp::MOV:
            case MemoryOp::CMP:
            case MemoryOp::TEST:
            case MemoryOp::BT:
                return false;
            default:
                return true;
        }
    }

    ByteReader reader_;
    CodeMode mode_;
    Prefixes prefixes_;
    unsigned reg_ = 0;  // ModR/M reg, without REX.R
    MemoryInstruction out_;
};

}  // namespace

std::optional<MemoryInstruction> decode_memory_instruction(std::span<const uint8_t> bytes, CodeMode mode) {
    return Decoder(bytes, mode).run();
}

bool reads_memory(const MemoryInstruction& instruction) {
    switch (instruction.op) {
        case MemoryOp::MOV:
            return instruction.form == OperandForm::REGISTER_MEMORY;
        case MemoryOp::STOS:
            return false;
        default:
            return true;
    }
}

bool writes_memory(const MemoryInstruction& instruction) {
    if (instruction.form == OperandForm::STRING) return instruction.op == MemoryOp::STOS;
    if (instruction.form == OperandForm::REGISTER_MEMORY) return false;
    switch (instruction.op) {
        case MemoryOp::CMP:
        case MemoryOp::TEST:
        case MemoryOp::BT:
            return false;
        default:
            return true;
    }
}

MemoryOperand string_destination(const MemoryInstruction& instruction) {
    MemoryOperand operand;
    operand.segment = SegmentRegister::ES;
    operand.base = Gpr::RDI;
    operand.address_bytes = instruction.memory.address_bytes;
    return operand;
}

}  // namespace vtless::x86
