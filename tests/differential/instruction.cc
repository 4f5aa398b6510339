// SPDX-License-Identifier: MIT
#include "tests/differential/instruction.h"

#include "tests/differential/layout.h"

namespace vtless::differential {

namespace {

constexpr unsigned kSp = 4;  // register 4 is left alone: RSP, and with it AH and SPL

struct Memory {
    bool used = false;
    bool rip_relative = false;
    uint8_t modrm = 0;  // mod and r/m
    bool has_sib = false;
    uint8_t sib = 0;
    uint64_t displacement = 0;
    unsigned displacement_bytes = 0;
    uint64_t address = 0;
    bool other_address_size = false;
    uint8_t rex = 0;  // X and B
};

class Instruction {
  public:
    Instruction(Code& code, Mode mode, Random& random, const Form& form)
        : code_(code), mode_(mode), random_(random), form_(form) {}

    size_t append() {
        draw_size();
        if (has(kModRm)) draw_operands();
        if (has(kInOpcode)) reg_ = general_register();
        if (has(kString)) set_up_string();
        prefixes();
        opcode();
        if (has(kModRm)) modrm();
        const size_t displacement = has(kSkipsNext) ? code_.size() : 0;
        if (has(kSkipsNext)) code_.byte(0);
        immediate();
        if (memory_.rip_relative)
            code_.patch(displacement_at_, memory_.address - (layout::kCode + code_.size()), 4);
        if (form_.undefined != 0) clear_undefined_flags();
        return displacement;
    }

  private:
    bool has(uint32_t what) const { return (form_.operands & what) != 0; }
    bool is_long() const { return mode_ == Mode::Long64; }
    unsigned registers() const { return is_long() && !has(kVector) ? 16 : 8; }

    unsigned general_register() {
        unsigned index = random_.below(is_long() ? 16 : 8);
        while (index == kSp) index = random_.below(8);
        return index;
    }
    unsigned operand_register() { return has(kVector) ? random_.below(8) : general_register(); }

    // In bytes.
    void draw_size() {
        const unsigned natural = mode_ == Mode::Real16 ? 2 : 4;
        size_ = natural;
        if (has(kByte)) size_ = 1;
        if (has(kByte | kFixedSize)) return;
        if (has(kStackSize)) {
            size_ = is_long() ? 8 : natural;
            if (random_.one_in(8)) size_ = 2;
        } else if (is_long()) {
            constexpr unsigned kSizes[] = {4, 8, 2, 8};
            size_ = kSizes[random_.below(4)];
        } else if (random_.one_in(3)) {
            size_ = 6 - natural;
        }
        if (has(kNoWord) && size_ == 2) size_ = 4;
        if (has(kWordOnly)) size_ = 2;
    }
    bool size_prefix() const {
        if (has(kByte | kFixedSize)) return false;
        return size_ == 2 ? mode_ != Mode::Real16 : size_ == 4 && mode_ == Mode::Real16;
    }

    uint64_t data_address() {
        uint64_t address = layout::kData + random_.below(layout::kDataEnd - layout::kData - 64);
        // Across the end of what is mapped; a segment's limit is not the engine's to see (D11).
        if (mode_ != Mode::Real16 && random_.one_in(32)) address = layout::kDataEnd - 1 - random_.below(8);
        return has(kVector) ? address & ~uint64_t{15} : address;
    }

    void draw_operands() {
        reg_ = form_.digit >= 0 ? static_cast<unsigned>(form_.digit) : operand_register();
        if (has(kRegisterOnly) || (!has(kMemoryOnly) && random_.one_in(2))) {
            rm_ = operand_register();
            return;
        }
        memory_.used = true;
        memory_.address = data_address();
        if (random_.one_in(3)) {
            draw_absolute();
        } else if (mode_ == Mode::Real16) {
            draw_base_16();
        } else {
            draw_base();
        }
    }

    void draw_absolute() {
        memory_.displacement = memory_.address;
        memory_.displacement_bytes = mode_ == Mode::Real16 ? 2 : 4;
        memory_.modrm = mode_ == Mode::Real16 ? 6 : 5;
        if (mode_ == Mode::Real16 && random_.one_in(2)) {
            memory_.other_address_size = true;
            memory_.modrm = 5;
            memory_.displacement_bytes = 4;
        }
        if (is_long() && random_.one_in(2)) {
            memory_.modrm = 4;
            memory_.has_sib = true;
            memory_.sib = 0x25;
        } else if (is_long()) {
            memory_.rip_relative = true;
        }
    }

    void move_address(unsigned index, uint64_t value) {
        if (index >= 8) code_.byte(0x41);
        code_.byte(0xb8 | (index & 7));
        code_.number(value, mode_ == Mode::Real16 ? 2 : 4);
    }

    int8_t draw_displacement() {
        const auto displacement = static_cast<int8_t>(random_.next());
        memory_.displacement = static_cast<uint64_t>(int64_t{displacement});
        memory_.displacement_bytes = 1;
        return displacement;
    }

    // SDM Vol. 2A table 2-1.
    void draw_base_16() {
        constexpr struct {
            uint8_t base, index;
        } kForms[] = {{3, 6}, {3, 7}, {5, 6}, {5, 7}, {6, kSp}, {7, kSp}, {5, kSp}, {3, kSp}};
        const unsigned form = random_.below(8);
        memory_.modrm = static_cast<uint8_t>(0x40 | form);
        uint64_t rest = memory_.address - static_cast<uint64_t>(int64_t{draw_displacement()});
        if (kForms[form].index != kSp) {
            const uint64_t index = random_.next() & 0xffff;
            move_address(kForms[form].index, index);
            rest -= index;
        }
        move_address(kForms[form].base, rest);
    }

    void draw_base() {
        const unsigned base = general_register();
        unsigned index = kSp;
        memory_.modrm = 0x44;
        memory_.has_sib = true;
        uint64_t rest = memory_.address - static_cast<uint64_t>(int64_t{draw_displacement()});
        const unsigned scale = random_.below(4);
        if (random_.one_in(2)) index = general_register();
        if (index == base) index = kSp;
        if (index != kSp) {
            const uint64_t value = random_.below(0x100);
            move_address(index, value);
            rest -= value << scale;
        }
        move_address(base, rest);
        memory_.sib = static_cast<uint8_t>(scale << 6 | (index & 7) << 3 | (base & 7));
        memory_.rex = static_cast<uint8_t>((index >= 8 ? 2 : 0) | (base >= 8 ? 1 : 0));
    }

    void set_up_string() {
        constexpr unsigned kCx = 1, kSi = 6, kDi = 7;
        constexpr uint64_t kRoom = 128;  // either way
        for (const unsigned index : {kSi, kDi})
            move_address(index,
                         layout::kData + kRoom + random_.below(layout::kDataEnd - layout::kData - 2 * kRoom));
        move_address(kCx, random_.below(6));
        const unsigned repeat = random_.below(3);
        if (repeat == 1) repeat_ = 0xf3;
        if (repeat == 2 && has(kRepeatWhile)) repeat_ = 0xf2;
    }

    void prefixes() {
        const bool locks = has(kLockable) && random_.one_in(memory_.used ? 4 : 64);
        if (locks) code_.byte(0xf0);
        if (repeat_ != 0) code_.byte(repeat_);
        if (memory_.other_address_size) code_.byte(0x67);
        if (size_prefix()) code_.byte(0x66);
        if (form_.prefix != 0) code_.byte(form_.prefix);
        uint8_t rex = memory_.rex;
        if (size_ == 8 && !has(kStackSize | kFixedSize)) rex |= 8;
        if (has(kModRm) && reg_ >= 8) rex |= 4;
        if ((has(kModRm) && !memory_.used && rm_ >= 8) || (has(kInOpcode) && reg_ >= 8)) rex |= 1;
        if (rex != 0) code_.byte(0x40 | rex);
    }

    void opcode() {
        for (unsigned i = 0; i < form_.opcode_bytes; ++i) {
            const bool last = i + 1u == form_.opcode_bytes;
            code_.byte(form_.opcode[i] | (last && has(kInOpcode) ? reg_ & 7 : 0));
        }
    }

    void modrm() {
        const uint64_t reg = (reg_ & 7) << 3;
        if (!memory_.used) return code_.byte(0xc0 | reg | (rm_ & 7));
        code_.byte(memory_.modrm | reg);
        if (memory_.has_sib) code_.byte(memory_.sib);
        displacement_at_ = code_.size();
        code_.number(memory_.displacement, memory_.displacement_bytes);
    }

    void immediate() {
        const unsigned most = size_ > 4 ? 4 : size_;
        if (has(kImmediate8)) code_.byte(random_.next() & (has(kPredicate) ? 7 : 0xff));
        if (has(kImmediate)) code_.number(random_.next(), most);
        if (has(kImmediateFull)) code_.number(random_.next(), size_);
    }

    // PUSHF, AND of the stack's top, POPF.
    void clear_undefined_flags() {
        code_.byte(0x9c);
        if (mode_ == Mode::Real16) code_.byte(0x67);
        if (is_long()) code_.byte(0x48);
        code_.put({0x81, 0x24, 0x24});
        code_.number(~form_.undefined, mode_ == Mode::Real16 ? 2 : 4);
        code_.byte(0x9d);
    }

    Code& code_;
    const Mode mode_;
    Random& random_;
    const Form& form_;
    unsigned size_ = 0;
    unsigned reg_ = 0, rm_ = 0;
    uint8_t repeat_ = 0;
    size_t displacement_at_ = 0;
    Memory memory_;
};

}  // namespace

size_t append_random_instruction(Code& code, Mode mode, Random& random) {
    const auto all = forms();
    for (;;) {
        const Form& form = all[random.below(static_cast<unsigned>(all.size()))];
        if (exists(form, mode)) return Instruction(code, mode, random, form).append();
    }
}

}  // namespace vtless::differential
