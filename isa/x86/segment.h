// SPDX-License-Identifier: MIT
// Segments as the VMCS holds them, and the descriptors they are loaded from.
// SDM Vol. 3A "Segment Descriptors" (3.4.5), "System Descriptor Types" (3.5), "IDT Descriptors"
// (6.11, 6.14.1), Vol. 3C "Guest Register State" (25.4.1).
#pragma once

#include <cstdint>

#include "isa/bits.h"

namespace vtless::x86 {

// Selector parts.
constexpr unsigned selector_rpl(uint16_t selector) { return selector & 3u; }
constexpr bool selector_is_ldt(uint16_t selector) { return (selector & 4u) != 0; }
// Offset of the descriptor in its table, in bytes.
constexpr unsigned selector_offset(uint16_t selector) { return selector & 0xfff8u; }
constexpr bool selector_is_null(uint16_t selector) { return (selector & 0xfffcu) == 0; }

// Type of a system segment or gate (S = 0). 64-bit mode knows the 32-bit names only, as 64-bit objects.
enum class SystemType : uint8_t {
    TSS16_AVAILABLE = 1,
    LDT = 2,
    TSS16_BUSY = 3,
    CALL_GATE16 = 4,
    TASK_GATE = 5,
    INTERRUPT_GATE16 = 6,
    TRAP_GATE16 = 7,
    TSS32_AVAILABLE = 9,
    TSS32_BUSY = 11,
    CALL_GATE32 = 12,
    INTERRUPT_GATE32 = 14,
    TRAP_GATE32 = 15,
};

// Bits of the type field of code and data segments (S = 1).
namespace segment_type {
inline constexpr unsigned ACCESSED = 1;
inline constexpr unsigned WRITABLE = 2;     // data
inline constexpr unsigned EXPAND_DOWN = 4;  // data
inline constexpr unsigned READABLE = 2;     // code
inline constexpr unsigned CONFORMING = 4;   // code
inline constexpr unsigned CODE = 8;
inline constexpr unsigned TSS_BUSY = 2;  // system types 1, 3, 9, 11
}  // namespace segment_type

// Access rights in the format of the VMCS.
struct AccessRights {
    uint32_t raw = 0;

    static constexpr uint32_t kUnusable = uint32_t{1} << 16;
    static constexpr uint32_t kReserved = 0xfffe0f00;

    constexpr unsigned type() const { return Field<3, 0, unsigned>::get(raw); }
    constexpr bool code_or_data() const { return Field<4, 4, bool>::get(raw); }  // S
    constexpr unsigned dpl() const { return Field<6, 5, unsigned>::get(raw); }
    constexpr bool present() const { return Field<7, 7, bool>::get(raw); }
    constexpr bool available() const { return Field<12, 12, bool>::get(raw); }    // AVL
    constexpr bool long_mode() const { return Field<13, 13, bool>::get(raw); }    // L
    constexpr bool default_big() const { return Field<14, 14, bool>::get(raw); }  // D/B
    constexpr bool granularity() const { return Field<15, 15, bool>::get(raw); }  // G
    constexpr bool unusable() const { return (raw & kUnusable) != 0; }

    constexpr bool is_code() const { return code_or_data() && (type() & segment_type::CODE) != 0; }
    constexpr bool is_data() const { return code_or_data() && (type() & segment_type::CODE) == 0; }
    constexpr bool is_conforming_code() const {
        return is_code() && (type() & segment_type::CONFORMING) != 0;
    }
    constexpr bool is_expand_down() const { return is_data() && (type() & segment_type::EXPAND_DOWN) != 0; }
    constexpr bool readable() const {
        return is_data() || (is_code() && (type() & segment_type::READABLE) != 0);
    }
    constexpr bool writable() const { return is_data() && (type() & segment_type::WRITABLE) != 0; }
    constexpr bool is_system(SystemType wanted) const {
        return !code_or_data() && type() == static_cast<unsigned>(wanted);
    }

    constexpr AccessRights with_type(unsigned value) const {
        return {Field<3, 0, unsigned>::set(raw, value)};
    }
    constexpr AccessRights with_dpl(unsigned value) const { return {Field<6, 5, unsigned>::set(raw, value)}; }

    friend constexpr bool operator==(AccessRights, AccessRights) = default;
};

struct Segment {
    uint16_t selector = 0;
    uint64_t base = 0;
    uint32_t limit = 0;  // in bytes: last valid offset
    AccessRights rights;

    friend constexpr bool operator==(const Segment&, const Segment&) = default;
};

// GDTR or IDTR.
struct DescriptorTable {
    uint64_t base = 0;
    uint16_t limit = 0;

    friend constexpr bool operator==(const DescriptorTable&, const DescriptorTable&) = default;
};

// The segment that an 8-byte descriptor describes; `hi` is the second quadword of a 16-byte system
// descriptor.
constexpr Segment segment_from_descriptor(uint16_t selector, uint64_t lo, uint64_t hi = 0) {
    const uint64_t base =
        Field<39, 16>::get(lo) | (Field<63, 56>::get(lo) << 24) | (Field<31, 0>::get(hi) << 32);
    const AccessRights rights{static_cast<uint32_t>((lo >> 40) & 0xf0ff)};
    const auto units = static_cast<uint32_t>(Field<15, 0>::get(lo) | (Field<51, 48>::get(lo) << 16));
    return {selector, base, rights.granularity() ? (units << 12) | 0xfff : units, rights};
}

// The low quadword of the descriptor of a segment; the limit is cut to what G can express.
constexpr uint64_t descriptor_from_segment(const Segment& segment) {
    const uint64_t units = segment.rights.granularity() ? segment.limit >> 12 : segment.limit;
    uint64_t lo = uint64_t{segment.rights.raw & 0xf0ffu} << 40;
    lo = Field<15, 0>::set(lo, units);
    lo = Field<51, 48>::set(lo, units >> 16);
    lo = Field<39, 16>::set(lo, segment.base);
    return Field<63, 56>::set(lo, segment.base >> 24);
}

// A call, interrupt, trap or task gate.
struct Gate {
    uint16_t selector = 0;
    uint64_t offset = 0;
    SystemType type{};
    unsigned dpl = 0;
    bool present = false;
    bool code_or_data = false;  // S: must be clear in a gate
    unsigned ist = 0;           // 16-byte gates of the IDT
    unsigned parameters = 0;    // 8-byte call gates

    constexpr bool is_16bit() const { return (static_cast<unsigned>(type) & 8) == 0; }
    constexpr bool clears_interrupt_flag() const {
        return type == SystemType::INTERRUPT_GATE16 || type == SystemType::INTERRUPT_GATE32;
    }
};

// `hi` is the second quadword of a 16-byte gate. The upper offset half of a 16-bit gate is dropped.
constexpr Gate gate_from_descriptor(uint64_t lo, uint64_t hi = 0) {
    Gate gate;
    gate.selector = Field<31, 16, uint16_t>::get(lo);
    gate.type = Field<43, 40, SystemType>::get(lo);
    gate.code_or_data = Field<44, 44, bool>::get(lo);
    gate.dpl = Field<46, 45, unsigned>::get(lo);
    gate.present = Field<47, 47, bool>::get(lo);
    gate.ist = Field<34, 32, unsigned>::get(lo);
    gate.parameters = Field<36, 32, unsigned>::get(lo);
    gate.offset = Field<15, 0>::get(lo);
    if (!gate.is_16bit()) gate.offset |= (Field<63, 48>::get(lo) << 16) | (Field<31, 0>::get(hi) << 32);
    return gate;
}

}  // namespace vtless::x86
