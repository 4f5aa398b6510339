// SPDX-License-Identifier: MIT
#include "sim/cpu/text_comparison.h"

#include <algorithm>
#include <bit>

#include "isa/x86/rflags.h"

namespace vtless::sim {
namespace {

enum class Aggregation : uint8_t { EqualAny, Ranges, EqualEach, EqualOrdered };

Aggregation aggregation(uint8_t control) { return static_cast<Aggregation>(control >> 2 & 3); }

// With its sign, if the control byte says so.
int32_t element(const TextBits& text, unsigned index, uint8_t control) {
    const bool is_signed = (control & 2) != 0;
    if ((control & 1) != 0) {
        const auto word = static_cast<uint16_t>(text[index / 4] >> 16 * (index % 4));
        return is_signed ? static_cast<int16_t>(word) : word;
    }
    const auto byte = static_cast<uint8_t>(text[index / 8] >> 8 * (index % 8));
    return is_signed ? static_cast<int8_t>(byte) : byte;
}

uint32_t all_elements(uint8_t control) { return (1u << text_elements(control)) - 1; }

class Comparison {
  public:
    Comparison(const Text& first, const Text& second, uint8_t control)
        : first_(first), second_(second), control_(control), elements_(text_elements(control)) {}

    // IntRes1.
    uint32_t matches() const {
        uint32_t found = 0;
        for (unsigned j = 0; j < elements_; ++j) found |= uint32_t{match(j)} << j;
        return found;
    }

  private:
    int32_t first(unsigned i) const { return element(first_.bits, i, control_); }
    int32_t second(unsigned j) const { return element(second_.bits, j, control_); }

    bool match(unsigned j) const {
        switch (aggregation(control_)) {
            case Aggregation::EqualAny:
                return j < second_.length && in_set(second(j));
            case Aggregation::Ranges:
                return j < second_.length && in_ranges(second(j));
            case Aggregation::EqualEach:
                return equal_each(j);
            case Aggregation::EqualOrdered:
                break;
        }
        return begins_at(j);
    }
    bool in_set(int32_t value) const {
        for (unsigned i = 0; i < first_.length; ++i)
            if (first(i) == value) return true;
        return false;
    }
    // Pairs of bounds; an odd last one is a range that ends nowhere, and matches nothing.
    bool in_ranges(int32_t value) const {
        for (unsigned i = 0; i + 1 < first_.length; i += 2)
            if (value >= first(i) && value <= first(i + 1)) return true;
        return false;
    }
    // Beyond both ends is equal.
    bool equal_each(unsigned j) const {
        if (j >= first_.length || j >= second_.length) return j >= first_.length && j >= second_.length;
        return first(j) == second(j);
    }
    // All of the first text, or as much of it as the register has room for behind j.
    bool begins_at(unsigned j) const {
        const unsigned compared = std::min(first_.length, elements_ - j);
        for (unsigned i = 0; i < compared; ++i)
            if (i + j >= second_.length || first(i) != second(i + j)) return false;
        return true;
    }

    const Text& first_;
    const Text& second_;
    uint8_t control_;
    unsigned elements_;
};

// IntRes2.
uint32_t with_polarity(uint32_t matches, const Text& second, uint8_t control) {
    switch (control >> 4 & 3) {
        case 1:
            return matches ^ all_elements(control);
        case 3:
            return matches ^ ((1u << second.length) - 1);
        default:
            return matches;
    }
}

}  // namespace

unsigned explicit_length(uint64_t reg, bool wide, uint8_t control) {
    const int64_t value = wide ? static_cast<int64_t>(reg) : static_cast<int32_t>(reg);
    const uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    return static_cast<unsigned>(std::min<uint64_t>(magnitude, text_elements(control)));
}

unsigned implicit_length(const TextBits& text, uint8_t control) {
    unsigned length = 0;
    while (length < text_elements(control) && element(text, length, control) != 0) ++length;
    return length;
}

TextComparison compare_texts(const Text& first, const Text& second, uint8_t control) {
    namespace rf = x86::rflags;
    TextComparison result;
    result.matches = with_polarity(Comparison(first, second, control).matches(), second, control);
    if (result.matches != 0) result.flags |= rf::CF;
    if ((result.matches & 1) != 0) result.flags |= rf::OF;
    if (second.length < text_elements(control)) result.flags |= rf::ZF;
    if (first.length < text_elements(control)) result.flags |= rf::SF;
    return result;
}

uint32_t match_index(uint32_t matches, uint8_t control) {
    if (matches == 0) return text_elements(control);
    const bool last = (control & 0x40) != 0;
    return last ? static_cast<uint32_t>(std::bit_width(matches)) - 1
                : static_cast<uint32_t>(std::countr_zero(matches));
}

TextBits match_mask(uint32_t matches, uint8_t control) {
    if ((control & 0x40) == 0) return {matches, 0};
    const unsigned elements = text_elements(control);
    const unsigned width = 128 / elements;
    const uint64_t ones = (uint64_t{1} << width) - 1;
    TextBits mask{};
    for (unsigned i = 0; i < elements; ++i)
        if ((matches >> i & 1) != 0) mask[i * width / 64] |= ones << i * width % 64;
    return mask;
}

}  // namespace vtless::sim
