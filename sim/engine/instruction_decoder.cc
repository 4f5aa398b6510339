// SPDX-License-Identifier: MIT
// Opcode maps: SDM Vol. 2D "Opcode Map" (A).
#include "sim/engine/instruction_decoder.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SegmentRegister;

class Decoder {
  public:
    Decoder(std::span<const std::byte> bytes, CodeSize size) : bytes_(bytes), size_(size) {}

    StoppedInstruction decode() {
        prefixes();
        const unsigned opcode = next();
        if (opcode == 0x0f) {
            two_byte(next());
        } else {
            one_byte(opcode);
        }
        if (truncated_) return {};
        if (out_.id == Instruction::None) out_.id = Instruction::UNDEFINED;
        out_.length = static_cast<uint8_t>(at_);
        return out_;
    }

  private:
    unsigned next() {
        if (at_ >= bytes_.size()) {
            truncated_ = true;
            return 0;
        }
        return std::to_integer<unsigned>(bytes_[at_++]);
    }

    int64_t next_signed(unsigned count) {
        uint64_t value = 0;
        for (unsigned i = 0; i < count; ++i) value |= uint64_t{next()} << (8 * i);
        const unsigned unused = 64 - 8 * count;
        return static_cast<int64_t>(value << unused) >> unused;
    }

    // A REX prefix counts only right before the opcode. SDM Vol. 2A "REX Prefixes" (2.2.1).
    void prefixes() {
        for (; at_ < bytes_.size() && at_ < 14; ++at_) {
            const auto byte = std::to_integer<unsigned>(bytes_[at_]);
            const bool rex = size_ == CodeSize::Bits64 && (byte & 0xf0) == 0x40;
            if (!rex && !legacy_prefix(byte)) break;
            rex_ = rex ? byte : 0;
        }
        out_.rep = repeat_ != 0;
        out_.operand_size = operand_size();
        out_.memory.address_bytes = address_size();
    }

    bool legacy_prefix(unsigned byte) {
        switch (byte) {
            case 0x66:
                operand_prefix_ = true;
                return true;
            case 0x67:
                address_prefix_ = true;
                return true;
            case 0xf2:
            case 0xf3:
                repeat_ = byte;
                return true;
            case 0xf0:
                lock_ = true;
                return true;
            case 0x26:
                segment_ = SegmentRegister::ES;
                return true;
            case 0x2e:
                segment_ = SegmentRegister::CS;
                return true;
            case 0x36:
                segment_ = SegmentRegister::SS;
                return true;
            case 0x3e:
                segment_ = SegmentRegister::DS;
                return true;
            case 0x64:
                segment_ = SegmentRegister::FS;
                return true;
            case 0x65:
                segment_ = SegmentRegister::GS;
                return true;
            default:
                return false;
        }
    }

    uint8_t operand_size() const {
        if (rex_ & 8) return 8;
        const bool wide = size_ != CodeSize::Bits16;
        return wide != operand_prefix_ ? 4 : 2;
    }
    uint8_t address_size() const {
        if (size_ == CodeSize::Bits64) return address_prefix_ ? 4 : 8;
        const bool wide = size_ == CodeSize::Bits32;
        return wide != address_prefix_ ? 4 : 2;
    }

    void set(Instruction id) { out_.id = id; }
    Gpr gpr(unsigned number, unsigned rex_bit) const {
        return static_cast<Gpr>(number | ((rex_ & rex_bit) ? 8u : 0u));
    }

    struct ModRm {
        unsigned mod, reg, rm;
        bool memory() const { return mod != 3; }
    };
    ModRm modrm() {
        const unsigned byte = next();
        return {byte >> 6, byte >> 3 & 7, byte & 7};
    }
    // Reads what follows the ModRM byte.
    void operand(const ModRm& m) {
        if (!m.memory()) {
            out_.gpr = gpr(m.rm, 1);
            return;
        }
        out_.has_memory = true;
        out_.memory.segment = SegmentRegister::DS;
        if (out_.memory.address_bytes == 2) {
            memory16(m);
        } else {
            memory32(m);
        }
        if (segment_) out_.memory.segment = *segment_;
    }
    void memory16(const ModRm& m) {
        struct Form {
            Gpr base;
            std::optional<Gpr> index;
            bool stack;
        };
        static constexpr Form kForms[] = {{Gpr::RBX, Gpr::RSI, false},     {Gpr::RBX, Gpr::RDI, false},
                                          {Gpr::RBP, Gpr::RSI, true},      {Gpr::RBP, Gpr::RDI, true},
                                          {Gpr::RSI, std::nullopt, false}, {Gpr::RDI, std::nullopt, false},
                                          {Gpr::RBP, std::nullopt, true},  {Gpr::RBX, std::nullopt, false}};
        x86::MemoryOperand& memory = out_.memory;
        if (m.mod == 0 && m.rm == 6) {
            memory.displacement = next_signed(2);
            return;
        }
        const Form& form = kForms[m.rm];
        memory.base = form.base;
        memory.index = form.index;
        if (form.stack) memory.segment = SegmentRegister::SS;
        if (m.mod != 0) memory.displacement = next_signed(m.mod == 1 ? 1 : 2);
    }
    void memory32(const ModRm& m) {
        x86::MemoryOperand& memory = out_.memory;
        unsigned base = m.rm;
        bool no_base = false;
        if (m.rm == 4) {
            const unsigned sib = next();
            base = sib & 7;
            if (const Gpr index = gpr(sib >> 3 & 7, 2); index != Gpr::RSP) memory.index = index;
            memory.scale = static_cast<uint8_t>(1u << (sib >> 6));
            no_base = m.mod == 0 && base == 5;
        } else if (m.mod == 0 && m.rm == 5) {
            no_base = true;
            memory.rip_relative = size_ == CodeSize::Bits64;
        }
        if (!no_base) {
            memory.base = gpr(base, 1);
            if (base == 4 || base == 5) {
                if (memory.base == Gpr::RSP || memory.base == Gpr::RBP) memory.segment = SegmentRegister::SS;
            }
        }
        if (m.mod == 1) {
            memory.displacement = next_signed(1);
        } else if (m.mod == 2 || no_base) {
            memory.displacement = next_signed(4);
        }
    }

    void port_io(unsigned opcode) {
        const bool string = opcode < 0x70;
        const bool out = string ? (opcode & 2) != 0 : (opcode & 2) != 0;
        set(string ? (out ? Instruction::OUTS : Instruction::INS)
                   : (out ? Instruction::OUT : Instruction::IN));
        if (!(opcode & 1)) {
            out_.operand_size = 1;
        } else if (out_.operand_size == 8) {
            out_.operand_size = 4;
        }
        if (!string && opcode < 0xe8) {
            out_.has_immediate = true;
            out_.number = static_cast<uint8_t>(next());
        }
        if (string) {
            out_.memory.segment = out ? segment_.value_or(SegmentRegister::DS) : SegmentRegister::ES;
        } else {
            out_.rep = false;
        }
    }

    void far_immediate(Instruction id) {
        if (size_ == CodeSize::Bits64) return set(Instruction::UNDEFINED);
        set(id);
        const auto offset = static_cast<uint64_t>(next_signed(out_.operand_size));
        out_.far_offset = static_cast<uint32_t>(out_.operand_size == 2 ? offset & 0xffff : offset);
        out_.far_selector = static_cast<uint16_t>(next_signed(2));
        out_.has_immediate = true;
    }

    void one_byte(unsigned opcode) {
        switch (opcode) {
            case 0x6c:
            case 0x6d:
            case 0x6e:
            case 0x6f:
            case 0xe4:
            case 0xe5:
            case 0xe6:
            case 0xe7:
            case 0xec:
            case 0xed:
            case 0xee:
            case 0xef:
                return port_io(opcode);
            case 0x86:
            case 0x87:
                return undefined_if_locked_register();  // XCHG
            case 0x90:
                return set(repeat_ == 0xf3 ? Instruction::PAUSE : Instruction::UNDEFINED);
            case 0x9c:
                return set_stack_width(Instruction::PUSHF);
            case 0x9d:
                return set_stack_width(Instruction::POPF);
            case 0xcf:
                return set(Instruction::IRET);
            case 0xcc:
                return set(Instruction::INT3);
            case 0xcd:
                set(Instruction::INT_N);
                out_.number = static_cast<uint8_t>(next());
                return;
            case 0xce:
                return set(Instruction::INTO);
            case 0xf1:
                return set(Instruction::INT1);
            case 0xf4:
                return set(Instruction::HLT);
            case 0x9a:
                return far_immediate(Instruction::FAR_CALL_SYSTEM);
            case 0xea:
                return far_immediate(Instruction::FAR_JMP_SYSTEM);
            case 0xc4:
            case 0xc5:
                return vex(opcode == 0xc5);
            case 0xd9:
                return x87();
            case 0xf6:
                out_.operand_size = 1;
                return group3();
            case 0xf7:
                return group3();
            case 0xff:
                return group5();
            default:
                return set(Instruction::UNDEFINED);
        }
    }
    // PUSHF and POPF move 8 bytes in 64-bit mode, with or without REX.W.
    void set_stack_width(Instruction id) {
        set(id);
        if (size_ == CodeSize::Bits64 && !operand_prefix_) out_.operand_size = 8;
    }
    void group3() {
        const ModRm m = modrm();
        if (m.reg == 3 && m.memory() && lock_) {
            set(Instruction::LOCK_NEG);
            return operand(m);
        }
        if (m.reg != 7 || out_.operand_size != 4) return set(Instruction::UNDEFINED);
        set(Instruction::IDIV32);
        operand(m);
        out_.undefined = lock_;
    }
    void group5() {
        const ModRm m = modrm();
        if (!m.memory() || (m.reg != 3 && m.reg != 5)) return set(Instruction::UNDEFINED);
        set(m.reg == 3 ? Instruction::FAR_CALL_SYSTEM : Instruction::FAR_JMP_SYSTEM);
        operand(m);
    }
    // F2XM1 FYL2X FPTAN FPATAN, FYL2XP1, FSINCOS, FSIN FCOS.
    void x87() {
        const unsigned byte = next();
        const bool transcendental =
            (byte >= 0xf0 && byte <= 0xf3) || byte == 0xf9 || byte == 0xfb || byte == 0xfe || byte == 0xff;
        set(transcendental ? Instruction::X87_TRANSCENDENTAL : Instruction::UNDEFINED);
    }

    void two_byte(unsigned opcode) {
        switch (opcode) {
            case 0x00:
                return group6();
            case 0x01:
                return group7();
            case 0x05:
                return set(Instruction::SYSCALL);
            case 0x06:
                return set(Instruction::CLTS);
            case 0x07:
                return set(Instruction::SYSRET);
            case 0x08:
                return set(Instruction::INVD);
            case 0x09:
                return set(Instruction::WBINVD);
            case 0x20:
                return move_special(Instruction::MOV_FROM_CR);
            case 0x21:
                return move_special(Instruction::MOV_FROM_DR);
            case 0x22:
                return move_special(Instruction::MOV_TO_CR);
            case 0x23:
                return move_special(Instruction::MOV_TO_DR);
            case 0x30:
                return set(Instruction::WRMSR);
            case 0x31:
                return set(Instruction::RDTSC);
            case 0x32:
                return set(Instruction::RDMSR);
            case 0x33:
                return set(Instruction::RDPMC);
            case 0x34:
                return set(Instruction::SYSENTER);
            case 0x35:
                return set(Instruction::SYSEXIT);
            case 0x37:
                return set(Instruction::GETSEC);
            case 0x38:
                return three_byte_38();
            case 0x3a:
                return three_byte_3a();
            case 0x78:
                return with_operands(repeat_ || operand_prefix_ ? Instruction::UNDEFINED
                                                                : Instruction::VMREAD);
            case 0x79:
                return with_operands(repeat_ || operand_prefix_ ? Instruction::UNDEFINED
                                                                : Instruction::VMWRITE);
            case 0xa2:
                return set(Instruction::CPUID);
            case 0xa4:
                return double_shift(Instruction::SHLD);
            case 0xaa:
                return set(Instruction::RSM);
            case 0xac:
                return double_shift(Instruction::SHRD);
            case 0xb1:
                return exchange_registers();
            case 0xa3:
            case 0xab:
            case 0xb3:
            case 0xba:
            case 0xbb:
                return bit_test(opcode == 0xba);
            case 0xc0:
            case 0xc1:
                return undefined_if_locked_register();  // XADD
            case 0xc7:
                return group9();
            default:
                return set(Instruction::UNDEFINED);
        }
    }
    void undefined_if_locked_register() {
        const ModRm m = modrm();
        set(lock_ && !m.memory() ? Instruction::UNTRANSLATABLE : Instruction::UNDEFINED);
    }
    void bit_test(bool group) {
        const ModRm m = modrm();
        const bool known = lock_ && !m.memory() && (!group || m.reg >= 4);
        set(known ? Instruction::UNTRANSLATABLE : Instruction::UNDEFINED);
    }
    // MOV to and from CRn and DRn: ModRM.mod is ignored.
    void move_special(Instruction id) {
        const ModRm m = modrm();
        set(id);
        out_.gpr = gpr(m.rm, 1);
        out_.number = static_cast<uint8_t>(m.reg | ((rex_ & 4) ? 8u : 0u));
        out_.operand_size = size_ == CodeSize::Bits64 ? 8 : 4;
    }
    void with_operands(Instruction id) {
        const ModRm m = modrm();
        set(id);
        operand(m);
        out_.gpr2 = gpr(m.reg, 4);
        out_.operand_size = size_ == CodeSize::Bits64 ? 8 : 4;
    }
    void group6() {
        static constexpr Instruction kById[8] = {
            Instruction::SLDT,      Instruction::STR,       Instruction::LLDT,      Instruction::LTR,
            Instruction::UNDEFINED, Instruction::UNDEFINED, Instruction::UNDEFINED, Instruction::UNDEFINED};
        const ModRm m = modrm();
        set(kById[m.reg]);
        operand(m);
    }
    void group7() {
        static constexpr Instruction kMemory[8] = {
            Instruction::SGDT, Instruction::SIDT,      Instruction::LGDT, Instruction::LIDT,
            Instruction::SMSW, Instruction::UNDEFINED, Instruction::LMSW, Instruction::INVLPG};
        const ModRm m = modrm();
        if (m.memory() || m.reg == 4 || m.reg == 6) {
            set(kMemory[m.reg]);
            operand(m);
            return;
        }
        switch (m.reg << 3 | m.rm) {
            case 0x01:
                return set(Instruction::VMCALL);
            case 0x02:
                return set(Instruction::VMLAUNCH);
            case 0x03:
                return set(Instruction::VMRESUME);
            case 0x04:
                return set(Instruction::VMXOFF);
            case 0x08:
                out_.memory.segment = segment_.value_or(SegmentRegister::DS);
                return set(Instruction::MONITOR);
            case 0x09:
                return set(Instruction::MWAIT);
            case 0x0f:
                return set(Instruction::ENCLS);
            case 0x11:
                return set(Instruction::XSETBV);
            case 0x14:
                return set(repeat_ || operand_prefix_ || lock_ ? Instruction::UNDEFINED
                                                               : Instruction::VMFUNC);
            case 0x39:
                return set(Instruction::RDTSCP);
            default:
                return set(Instruction::UNDEFINED);
        }
    }
    void group9() {
        const ModRm m = modrm();
        if (m.memory()) {
            if (m.reg == 1) exchange();
            if (m.reg == 3) set(Instruction::XRSTORS);
            if (m.reg == 5) set(Instruction::XSAVES);
            if (m.reg == 6) {
                set(repeat_ == 0xf3   ? Instruction::VMXON
                    : operand_prefix_ ? Instruction::VMCLEAR
                                      : Instruction::VMPTRLD);
            }
            if (m.reg == 7) set(Instruction::VMPTRST);
        } else {
            if (m.reg == 7 && repeat_ == 0xf3) set(Instruction::RDPID);
            if (repeat_ == 0 && !lock_ && m.reg >= 6) {
                set(m.reg == 6 ? Instruction::RDRAND : Instruction::RDSEED);
            }
        }
        operand(m);
    }
    void double_shift(Instruction id) {
        const ModRm m = modrm();
        const bool relative = size_ == CodeSize::Bits64 && m.mod == 0 && m.rm == 5;
        if (!relative || lock_) return set(Instruction::UNDEFINED);
        set(id);
        operand(m);
        out_.gpr2 = gpr(m.reg, 4);
        out_.number = static_cast<uint8_t>(next());
    }
    void exchange_registers() {
        const ModRm m = modrm();
        const bool mistaken = size_ == CodeSize::Bits64 && out_.operand_size == 4 && !m.memory() && !lock_;
        if (!mistaken) return set(Instruction::UNDEFINED);
        set(Instruction::CMPXCHG32);
        operand(m);
        out_.gpr2 = gpr(m.reg, 4);
    }
    void horizontal(unsigned opcode) {
        const ModRm m = modrm();
        if (m.memory() || gpr(m.rm, 1) != gpr(m.reg, 4)) return set(Instruction::UNDEFINED);
        set(Instruction::PHADD_OF_ITSELF);
        operand(m);
        out_.number = static_cast<uint8_t>(opcode);
        out_.undefined = lock_ || repeat_ != 0;
    }
    // By REX.W of two halves of 8 bytes, whatever the operand size is otherwise.
    void exchange() {
        set(Instruction::CMPXCHG8B);
        out_.operand_size = (rex_ & 8) != 0 ? 8 : 4;
    }
    void three_byte_38() {
        const unsigned opcode = next();
        if (operand_prefix_ && opcode >= 1 && opcode <= 7 && opcode != 4) return horizontal(opcode);
        if (!operand_prefix_ || opcode < 0x80 || opcode > 0x82) return set(Instruction::UNDEFINED);
        with_operands(opcode == 0x80   ? Instruction::INVEPT
                      : opcode == 0x81 ? Instruction::INVVPID
                                       : Instruction::INVPCID);
    }

    void three_byte_3a() {
        const unsigned opcode = next();
        if (!operand_prefix_) return set(Instruction::UNDEFINED);
        compares_text(opcode);
        out_.undefined = lock_ || repeat_ != 0;
    }
    void compares_text(unsigned opcode) {
        static constexpr Instruction kByOpcode[] = {Instruction::PCMPESTRM, Instruction::PCMPESTRI,
                                                    Instruction::PCMPISTRM, Instruction::PCMPISTRI};
        if (opcode < 0x60 || opcode > 0x63) return set(Instruction::UNDEFINED);
        with_operands(kByOpcode[opcode - 0x60]);
        out_.operand_size = (rex_ & 8) != 0 ? 8 : 4;
        out_.number = static_cast<uint8_t>(next());
    }
    // Of what the engine's processor has, only BMI1 and BMI2.
    void vex(bool two_bytes) {
        const unsigned first = next();
        if (size_ != CodeSize::Bits64 && (first & 0xc0) != 0xc0) return set(Instruction::UNDEFINED);  // LxS
        if (two_bytes) return set(Instruction::UNTRANSLATABLE);
        next();
        const unsigned opcode = next();
        const unsigned map = first & 0x1f;
        const bool bmi = (map == 2 && opcode >= 0xf2 && opcode <= 0xf7) || (map == 3 && opcode == 0xf0);
        set(bmi ? Instruction::UNDEFINED : Instruction::UNTRANSLATABLE);
    }

    std::span<const std::byte> bytes_;
    CodeSize size_;
    size_t at_ = 0;
    bool truncated_ = false;
    bool lock_ = false;
    bool operand_prefix_ = false;
    bool address_prefix_ = false;
    unsigned repeat_ = 0;
    unsigned rex_ = 0;
    std::optional<SegmentRegister> segment_;
    StoppedInstruction out_;
};

}  // namespace

StoppedInstruction decode_stopped_instruction(std::span<const std::byte> bytes, CodeSize size) {
    return Decoder(bytes, size).decode();
}

// MOV Sreg, POP Sreg, LES to LGS, far RET, IRET, LAR, LSL, VERR, VERW.
bool loads_segment(std::span<const std::byte> bytes, bool code64) {
    const auto at = [&](size_t i) { return i < bytes.size() ? std::to_integer<unsigned>(bytes[i]) : 0u; };
    size_t i = 0;
    static constexpr unsigned kPrefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    while (std::ranges::find(kPrefixes, at(i)) != std::end(kPrefixes)) ++i;
    if (code64 && (at(i) & 0xf0) == 0x40) ++i;
    if (at(i) == 0x0f) {
        static constexpr unsigned kTwoByte[] = {0x02, 0x03, 0xa1, 0xa9, 0xb2, 0xb4, 0xb5};
        const bool verify = at(i + 1) == 0x00 && ((at(i + 2) >> 3 & 7) == 4 || (at(i + 2) >> 3 & 7) == 5);
        return verify || std::ranges::find(kTwoByte, at(i + 1)) != std::end(kTwoByte);
    }
    static constexpr unsigned kOneByte[] = {0x8e, 0x07, 0x17, 0x1f, 0xc4, 0xc5, 0xca, 0xcb, 0xcf};
    return std::ranges::find(kOneByte, at(i)) != std::end(kOneByte);
}

bool addresses_stack(std::span<const std::byte> bytes, CodeSize size) {
    static constexpr cs_mode kModes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    csh handle;
    if (cs_open(CS_ARCH_X86, kModes[static_cast<size_t>(size)], &handle) != CS_ERR_OK) return false;
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    cs_insn* found = nullptr;
    bool stack = false;
    if (cs_disasm(handle, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), 0, 1, &found) == 1) {
        const cs_x86& x86 = found->detail->x86;
        const cs_x86_op* operands = x86.operands;
        const auto* memory = std::find_if(operands, operands + x86.op_count,
                                          [](const cs_x86_op& op) { return op.type == X86_OP_MEM; });
        static constexpr unsigned kStackBases[] = {X86_REG_RSP, X86_REG_ESP, X86_REG_RBP, X86_REG_EBP,
                                                   X86_REG_BP};
        static constexpr unsigned kStackPointers[] = {X86_REG_RSP, X86_REG_ESP, X86_REG_SP};
        if (memory != operands + x86.op_count) {
            const bool base =
                std::ranges::find(kStackBases, unsigned{memory->mem.base}) != std::end(kStackBases);
            stack = memory->mem.segment == X86_REG_SS || (memory->mem.segment == X86_REG_INVALID && base);
        } else {
            for (const unsigned pointer : kStackPointers)
                stack = stack || cs_reg_read(handle, found, pointer);
        }
        cs_free(found, 1);
    }
    cs_close(&handle);
    return stack;
}

bool needs_hook(const StoppedInstruction& instruction) {
    switch (instruction.id) {
        case Instruction::IN:
        case Instruction::OUT:
        case Instruction::INS:
        case Instruction::OUTS:
        case Instruction::XSETBV:
        case Instruction::RDRAND:
        case Instruction::RDSEED:
        case Instruction::SYSEXIT:
        case Instruction::SYSRET:
        case Instruction::FAR_JMP_SYSTEM:
        case Instruction::FAR_CALL_SYSTEM:
        case Instruction::PCMPESTRI:
        case Instruction::PCMPESTRM:
        case Instruction::PHADD_OF_ITSELF:
        case Instruction::CMPXCHG8B:
        case Instruction::CMPXCHG32:
        case Instruction::LOCK_NEG:
        case Instruction::SHLD:
        case Instruction::SHRD:
        case Instruction::IDIV32:
            return true;
        case Instruction::PCMPISTRI:
        case Instruction::PCMPISTRM:
            return !compares_right(instruction);
        default:
            return false;
    }
}

// It mistakes "equal ordered" where a text ends before its register does.
bool compares_right(const StoppedInstruction& instruction) {
    return !instruction.undefined && (instruction.number & 0xc) != 0xc;
}

}  // namespace vtless::sim
