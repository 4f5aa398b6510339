// SPDX-License-Identifier: MIT
// A processor's state as uc_context holds it: opaque bytes whose offsets are found by sentinels.
#pragma once

#include <unicorn/unicorn.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <span>

#include "tests/engine/support/bare_machine.h"

namespace vtless::engine_test {

class Image {
  public:
    explicit Image(const BareMachine& machine) : uc_(machine.uc()), size_(uc_context_size(uc_)) {
        uc_context_alloc(uc_, &context_);
        save();
    }
    ~Image() { uc_context_free(context_); }
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;

    void save() { uc_context_save(uc_, context_); }
    void load() const { uc_context_restore(uc_, context_); }
    size_t size() const { return size_; }

    template <class T>
    T get(size_t at) const {
        T value;
        std::memcpy(&value, bytes() + at, sizeof value);
        return value;
    }
    template <class T>
    void set(size_t at, T value) {
        std::memcpy(bytes() + at, &value, sizeof value);
    }

    // Every 2-byte aligned offset that holds `value`.
    template <class T>
    std::set<size_t> find(T value) const {
        std::set<size_t> found;
        for (size_t at = 0; at + sizeof value <= size_; at += 2)
            if (std::memcmp(bytes() + at, &value, sizeof value) == 0) found.insert(at);
        return found;
    }

  private:
    uint8_t* bytes() const { return reinterpret_cast<uint8_t*>(context_); }

    uc_engine* uc_;
    size_t size_;
    uc_context* context_ = nullptr;
};

}  // namespace vtless::engine_test
