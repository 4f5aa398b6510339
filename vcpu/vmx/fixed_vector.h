// SPDX-License-Identifier: MIT
// A list of at most N elements, without allocation.
#pragma once

#include <array>
#include <cstddef>

namespace vtless::vmx {

template <class T, size_t N>
class FixedVector {
  public:
    constexpr FixedVector() = default;

    static constexpr size_t capacity() { return N; }
    constexpr size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr const T* begin() const { return elements_.data(); }
    constexpr const T* end() const { return elements_.data() + size_; }
    constexpr const T& operator[](size_t index) const { return elements_[index]; }

    // False, and nothing is added, when the list is full.
    constexpr bool push_back(const T& value) {
        if (size_ == N) return false;
        elements_[size_++] = value;
        return true;
    }
    constexpr void pop_front() {
        for (size_t i = 1; i < size_; ++i) elements_[i - 1] = elements_[i];
        --size_;
    }
    constexpr void clear() { size_ = 0; }

  private:
    std::array<T, N> elements_{};
    size_t size_ = 0;
};

}  // namespace vtless::vmx
