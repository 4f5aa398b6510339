// SPDX-License-Identifier: MIT
// Addresses that cannot be mixed up: guest-virtual (linear), guest-physical, host-physical.
#pragma once

#include <compare>
#include <cstdint>

namespace vtless {

// An address of one kind. Construction is explicit; the only arithmetic is an offset in bytes and the
// difference of two addresses of the same kind.
template <class Kind>
class Address {
  public:
    constexpr Address() = default;
    constexpr explicit Address(uint64_t value) : value_(value) {}

    constexpr uint64_t value() const { return value_; }
    constexpr uint64_t page_offset() const { return value_ & 0xfff; }
    constexpr uint64_t frame_number() const { return value_ >> 12; }
    constexpr Address page() const { return Address(value_ & ~uint64_t{0xfff}); }

    constexpr Address& operator+=(uint64_t bytes) {
        value_ += bytes;
        return *this;
    }
    friend constexpr Address operator+(Address a, uint64_t bytes) { return Address(a.value_ + bytes); }
    friend constexpr uint64_t operator-(Address a, Address b) { return a.value_ - b.value_; }
    // clang-tidy 14 takes the 0 of the generated comparisons for one of ours.
    friend constexpr auto operator<=>(Address, Address) = default;  // NOLINT(modernize-use-nullptr)

  private:
    uint64_t value_ = 0;
};

using Gva = Address<struct GvaKind>;  // guest-virtual, after segmentation: what the SDM calls linear
using Gpa = Address<struct GpaKind>;  // guest-physical: what EPT translates
using Hpa = Address<struct HpaKind>;  // host-physical

}  // namespace vtless
