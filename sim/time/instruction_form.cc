// SPDX-License-Identifier: MIT
// SDM Vol. 2A "Instruction Format" (2.1) and Vol. 2D "Opcode Map" (A).
#include "sim/time/instruction_form.h"

#include <array>
#include <initializer_list>

namespace vtless::sim {
namespace {

struct Range {
    unsigned first;
    unsigned last;
};

class OpcodeSet {
  public:
    constexpr OpcodeSet(std::initializer_list<Range> ranges) {
        for (const Range& range : ranges)
            for (unsigned opcode = range.first; opcode <= range.last; ++opcode)
                words_[opcode / 64] |= uint64_t{1} << (opcode % 64);
    }
    constexpr bool has(uint8_t opcode) const { return (words_[opcode / 64] >> (opcode % 64) & 1) != 0; }

  private:
    std::array<uint64_t, 4> words_{};
};

constexpr OpcodeSet kOneModRm{{0x00, 0x03}, {0x08, 0x0b}, {0x10, 0x13}, {0x18, 0x1b}, {0x20, 0x23},
                              {0x28, 0x2b}, {0x30, 0x33}, {0x38, 0x3b}, {0x62, 0x63}, {0x69, 0x69},
                              {0x6b, 0x6b}, {0x80, 0x8f}, {0xc0, 0xc1}, {0xc4, 0xc7}, {0xd0, 0xd3},
                              {0xd8, 0xdf}, {0xf6, 0xf7}, {0xfe, 0xff}};
constexpr OpcodeSet kOneGroups{{0x80, 0x83}, {0x8c, 0x8c}, {0x8e, 0x8f}, {0xc0, 0xc1}, {0xc6, 0xc7},
                               {0xd0, 0xd3}, {0xd8, 0xdf}, {0xf6, 0xf7}, {0xfe, 0xff}};
constexpr OpcodeSet kOneX87{{0xd8, 0xdf}};
constexpr OpcodeSet kOneLow{{0x40, 0x5f}, {0x90, 0x97}, {0xb0, 0xbf}};
// Opcodes that exist, or are what they are, only outside 64-bit mode.
constexpr OpcodeSet kLegacy{{0x06, 0x07}, {0x0e, 0x0e}, {0x16, 0x17}, {0x1e, 0x1f},
                            {0x27, 0x27}, {0x2f, 0x2f}, {0x37, 0x37}, {0x3f, 0x3f},
                            {0x40, 0x4f}, {0x60, 0x63}, {0x82, 0x82}, {0x9a, 0x9a},
                            {0xc4, 0xc5}, {0xce, 0xce}, {0xd4, 0xd6}, {0xea, 0xea}};
constexpr OpcodeSet kTwoNoModRm{{0x04, 0x0c}, {0x0e, 0x0f}, {0x24, 0x27}, {0x30, 0x3f}, {0x77, 0x77},
                                {0x80, 0x8f}, {0xa0, 0xa2}, {0xa6, 0xaa}, {0xc8, 0xcf}};
constexpr OpcodeSet kTwoGroups{{0x00, 0x01}, {0x0d, 0x0d}, {0x18, 0x18}, {0x71, 0x73},
                               {0xae, 0xae}, {0xba, 0xba}, {0xc7, 0xc7}};
// Where 66H is the size of operands in general registers, and no part of the opcode.
constexpr OpcodeSet kTwoSized{{0x00, 0x0f}, {0x18, 0x27}, {0x30, 0x4f}, {0x80, 0xc1}, {0xc7, 0xcf}};

class Decoder {
  public:
    Decoder(std::span<const std::byte> bytes, unsigned bits) : bytes_(bytes), bits_(bits) {}

    InstructionForm decode() {
        read_prefixes();
        read_opcode();
        if (short_) form_ = {};
        return form_;
    }

  private:
    uint8_t peek(size_t ahead = 0) const {
        return at_ + ahead < bytes_.size() ? std::to_integer<uint8_t>(bytes_[at_ + ahead]) : uint8_t{0};
    }
    uint8_t next() {
        if (at_ >= bytes_.size()) short_ = true;
        const uint8_t byte = peek();
        ++at_;
        return byte;
    }

    void read_prefixes() {
        while (at_ < bytes_.size()) {
            switch (const uint8_t byte = peek()) {
                case 0x66:
                    operand_prefix_ = true;
                    break;
                case 0x67:
                    address_prefix_ = true;
                    break;
                case 0xf2:
                case 0xf3:
                    repeat_ = byte == 0xf3 ? 2 : 3;
                    break;
                case 0x26:
                case 0x2e:
                case 0x36:
                case 0x3e:
                case 0x64:
                case 0x65:
                case 0xf0:
                    break;
                default:
                    if (bits_ == 64 && (byte & 0xf0) == 0x40) {
                        rex_ = byte;
                        form_.rex = true;
                        form_.wide = (byte & 8) != 0;
                        ++at_;
                    }
                    return;
            }
            ++at_;
        }
    }

    bool is_vex(uint8_t opcode) const {
        return (opcode == 0xc4 || opcode == 0xc5) && (bits_ == 64 || (peek() & 0xc0) == 0xc0);
    }

    void read_opcode() {
        const uint8_t opcode = next();
        if (opcode == 0x0f) return read_two_byte();
        if (is_vex(opcode)) return read_vex(opcode);
        if (opcode == 0x62 && bits_ == 64) return;  // EVEX
        form_.opcode = opcode;
        form_.map = bits_ != 64 && kLegacy.has(opcode) ? FormMap::Legacy : FormMap::One;
        form_.prefix = opcode == 0x90 && repeat_ == 2 ? repeat_ : operand_16() ? uint8_t{1} : uint8_t{0};
        if (kOneLow.has(opcode)) form_.low = low_register(opcode);
        if (kOneModRm.has(opcode)) read_modrm(kOneGroups.has(opcode), kOneX87.has(opcode));
    }

    void read_two_byte() {
        uint8_t opcode = next();
        form_.map = FormMap::Two;
        if (opcode == 0x38 || opcode == 0x3a) {
            form_.map = opcode == 0x38 ? FormMap::Map38 : FormMap::Map3A;
            opcode = next();
        }
        form_.opcode = opcode;
        const bool sized = form_.map == FormMap::Two     ? kTwoSized.has(opcode)
                           : form_.map == FormMap::Map38 ? opcode == 0xf0 || opcode == 0xf1
                                                         : false;
        const bool short_operands = sized ? operand_16() : operand_prefix_;
        form_.prefix = repeat_ != 0 ? repeat_ : short_operands ? uint8_t{1} : uint8_t{0};
        if (form_.map != FormMap::Two) return read_modrm(false, false);
        if ((opcode & 0xf8) == 0xc8) form_.low = low_register(opcode);
        if (!kTwoNoModRm.has(opcode)) read_modrm(kTwoGroups.has(opcode), opcode == 0x01);
    }

    void read_vex(uint8_t escape) {
        const uint8_t first = next();
        if (escape == 0xc5) return;  // none of the tables' forms
        const uint8_t second = next();
        rex_ = static_cast<uint8_t>(~first >> 5 & 7);
        form_.rex = true;
        form_.wide = (second & 0x80) != 0;
        form_.vvvv = static_cast<uint8_t>(~second >> 3 & 15);
        form_.prefix = second & 3;
        form_.opcode = next();
        const unsigned map = first & 0x1f;
        if ((map != 2 && map != 3) || (second & 4) != 0) return;
        form_.map = map == 2 ? FormMap::Vex38 : FormMap::Vex3A;
        read_modrm(map == 2 && form_.opcode == 0xf3, false);
    }

    void read_modrm(bool group, bool both_fields) {
        const uint8_t modrm = next();
        const unsigned mod = modrm >> 6;
        const uint8_t reg = modrm >> 3 & 7;
        const uint8_t rm = modrm & 7;
        form_.reg = static_cast<uint8_t>(reg | (rex_ & 4) << 1);
        if (group) form_.extension = static_cast<uint8_t>(reg << 3);
        if (both_fields) form_.extension = static_cast<uint8_t>(reg << 3 | (mod == 3 ? rm : 0));
        if (mod == 3) {
            form_.rm = static_cast<uint8_t>(rm | (rex_ & 1) << 3);
            const bool same = form_.rm == form_.reg && !group && !both_fields;
            form_.operand = same ? FormOperand::Same : FormOperand::Register;
            return;
        }
        if (bits_ == 16 ? !address_prefix_ : bits_ == 32 && address_prefix_) {
            read_memory_16(mod, rm);
        } else {
            read_memory(mod, rm);
        }
        const bool is_lea = form_.map == FormMap::One && form_.opcode == 0x8d;
        const bool three =
            form_.base != InstructionForm::kNoRegister && form_.index != InstructionForm::kNoRegister;
        if (is_lea && three && mod != 0) form_.extension = 1;
    }

    void read_memory(unsigned mod, uint8_t rm) {
        if (rm == 4) {
            const uint8_t sib = next();
            const auto index = static_cast<uint8_t>((sib >> 3 & 7) | (rex_ & 2) << 2);
            if (index != 4) form_.index = index;
            rm = sib & 7;
        }
        if (rm != 5 || mod != 0) form_.base = static_cast<uint8_t>(rm | (rex_ & 1) << 3);
    }

    void read_memory_16(unsigned mod, uint8_t rm) {
        constexpr uint8_t kBases[] = {3, 3, 5, 5, 6, 7, 5, 3};
        if (rm != 6 || mod != 0) form_.base = kBases[rm];
        if (rm < 4) form_.index = rm % 2 == 0 ? 6 : 7;
    }

    bool operand_16() const { return (bits_ == 16) != operand_prefix_ && !form_.wide; }
    uint8_t low_register(uint8_t opcode) const {
        return static_cast<uint8_t>((opcode & 7) | (rex_ & 1) << 3);
    }

    std::span<const std::byte> bytes_;
    unsigned bits_;
    size_t at_ = 0;
    bool short_ = false;
    bool operand_prefix_ = false;
    bool address_prefix_ = false;
    uint8_t repeat_ = 0;
    uint8_t rex_ = 0;
    InstructionForm form_;
};

}  // namespace

InstructionForm instruction_form(std::span<const std::byte> instruction, unsigned bits) {
    return Decoder(instruction, bits).decode();
}

}  // namespace vtless::sim
