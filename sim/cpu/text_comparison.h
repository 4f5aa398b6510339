// SPDX-License-Identifier: MIT
// What PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM compute. SDM Vol. 2B "Imm8 Control Byte Operation for
// PCMPESTRI/PCMPESTRM/PCMPISTRI/PCMPISTRM" (4.1).
#pragma once

#include <array>
#include <cstdint>

namespace vtless::sim {

// An XMM register: element 0 is in the low bits of the first word.
using TextBits = std::array<uint64_t, 2>;

// The operands' elements are 16 bytes or 8 words, as the control byte says.
constexpr unsigned text_elements(uint8_t control) { return (control & 1) != 0 ? 8 : 16; }

// Lengths in elements: of a register (EAX, EDX, or with REX.W RAX, RDX), whose magnitude saturates; and up to
// the first element that is 0.
unsigned explicit_length(uint64_t reg, bool wide, uint8_t control);
unsigned implicit_length(const TextBits& text, uint8_t control);

struct Text {
    TextBits bits{};
    unsigned length = 0;  // elements; at most text_elements()
};

struct TextComparison {
    uint32_t matches = 0;  // IntRes2, a bit for each element of the second text
    uint64_t flags = 0;    // all six arithmetic flags
};

// `first` is the first source operand, the one that is always a register.
TextComparison compare_texts(const Text& first, const Text& second, uint8_t control);
// What the I forms put in ECX, and what the M forms put in XMM0.
uint32_t match_index(uint32_t matches, uint8_t control);
TextBits match_mask(uint32_t matches, uint8_t control);

}  // namespace vtless::sim
