// SPDX-License-Identifier: MIT
// Machine code as it grows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace vtless::differential {

class Code {
  public:
    void byte(uint64_t value) {
        if (size_ < bytes_.size()) bytes_[size_++] = static_cast<uint8_t>(value);
    }
    void put(std::initializer_list<uint8_t> values) {
        for (const uint8_t value : values) byte(value);
    }
    // Little-endian.
    void number(uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) byte(value >> (8 * i));
    }
    void patch(size_t at, uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_[at + i] = static_cast<uint8_t>(value >> (8 * i));
    }

    const uint8_t* data() const { return bytes_.data(); }
    size_t size() const { return size_; }

  private:
    std::array<uint8_t, 2048> bytes_{};
    size_t size_ = 0;
};

}  // namespace vtless::differential
