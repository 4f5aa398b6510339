// SPDX-License-Identifier: MIT
// From an offset in a segment to a linear address. SDM Vol. 3A "Limit Checking" (5.3), "Type Checking" (5.5),
// Vol. 1 "Canonical Addressing" (3.3.7.1).
#pragma once

#include <cstdint>
#include <optional>

#include "isa/bits.h"
#include "isa/x86/exception.h"
#include "isa/x86/segment.h"

namespace vtless::vmx {

struct LinearAddress {
    uint64_t address = 0;
    std::optional<x86::Vector> fault;  // #GP(0), or #SS(0) through SS
};

// Whether `size` bytes at `offset` lie within the limit.
constexpr bool within_limit(const x86::Segment& segment, uint64_t offset, uint64_t size) {
    const uint64_t last = offset + size - 1;
    const uint64_t limit = segment.limit;
    if (!segment.rights.is_expand_down()) return last <= limit;
    const uint64_t top = segment.rights.default_big() ? 0xffffffff : 0xffff;
    return offset > limit && last <= top;
}

constexpr bool segment_permits(const x86::Segment& segment, bool write, bool protected_mode) {
    if (!protected_mode) return true;
    if (segment.rights.unusable()) return false;
    return write ? segment.rights.writable() : segment.rights.readable();
}

// In 64-bit mode only the bases of FS and GS count and the address must be canonical.
constexpr LinearAddress linear_address_64(x86::SegmentRegister which, uint64_t base, uint64_t offset,
                                          unsigned width) {
    const bool based = which == x86::SegmentRegister::FS || which == x86::SegmentRegister::GS;
    const uint64_t address = based ? base + offset : offset;
    if (is_canonical(address, width)) return {address, std::nullopt};
    return {address, which == x86::SegmentRegister::SS ? x86::Vector::SS : x86::Vector::GP};
}

constexpr LinearAddress linear_address(const x86::Segment& segment, x86::SegmentRegister which,
                                       uint64_t offset, uint64_t size, bool write, bool protected_mode) {
    const uint64_t address = (segment.base + offset) & 0xffffffff;
    if (segment_permits(segment, write, protected_mode) && within_limit(segment, offset, size))
        return {address, std::nullopt};
    return {address, which == x86::SegmentRegister::SS ? x86::Vector::SS : x86::Vector::GP};
}

}  // namespace vtless::vmx
