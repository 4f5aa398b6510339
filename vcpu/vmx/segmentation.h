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

struct SegmentAccess {
    x86::SegmentRegister segment = x86::SegmentRegister::DS;
    uint64_t offset = 0;
    uint64_t size = 1;
    bool write = false;

    constexpr x86::Vector fault() const {
        return segment == x86::SegmentRegister::SS ? x86::Vector::SS : x86::Vector::GP;
    }
};

// In 64-bit mode only the bases of FS and GS count and the address must be canonical. width: 48 or 57.
constexpr LinearAddress linear_address_64(uint64_t base, const SegmentAccess& access, unsigned width) {
    using x86::SegmentRegister;
    const bool based = access.segment == SegmentRegister::FS || access.segment == SegmentRegister::GS;
    const uint64_t address = based ? base + access.offset : access.offset;
    if (is_canonical(address, width)) return {address, std::nullopt};
    return {address, access.fault()};
}

constexpr LinearAddress linear_address(const x86::Segment& segment, const SegmentAccess& access,
                                       bool protected_mode) {
    const uint64_t address = (segment.base + access.offset) & 0xffffffff;
    if (segment_permits(segment, access.write, protected_mode) &&
        within_limit(segment, access.offset, access.size))
        return {address, std::nullopt};
    return {address, access.fault()};
}

}  // namespace vtless::vmx
