// SPDX-License-Identifier: MIT
// Host-physical memory of a test, with an EPT in it.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "isa/addr.h"
#include "isa/x86/ept.h"
#include "vmm/memory/ept_table.h"

namespace vtless::kvm {

// An x86::HostMemory. Frames are handed out from the end.
class TestMemory {
  public:
    static constexpr uint64_t kBytes = 4 << 20;

    uint8_t* map(Hpa hpa) { return hpa.value() < kBytes ? first() + hpa.value() : nullptr; }
    bool allocate_frame(Hpa& frame) {
        if (next_ == 0) return false;
        frame = Hpa(next_ -= kFrame);
        std::memset(map(frame), 0, kFrame);
        return true;
    }
    void free_frame(Hpa) {}

    template <class T>
    void store(uint64_t address, T value) {
        std::memcpy(map(Hpa(address)), &value, sizeof value);
    }
    template <class T>
    T load(uint64_t address) {
        T value{};
        std::memcpy(&value, map(Hpa(address)), sizeof value);
        return value;
    }
    void store_bytes(uint64_t address, std::initializer_list<uint8_t> bytes) {
        std::memcpy(map(Hpa(address)), std::data(bytes), bytes.size());
    }

  private:
    static constexpr uint64_t kFrame = 4096;

    uint8_t* first() {
        const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
        return bytes_.data() + ((kFrame - address % kFrame) % kFrame);
    }

    std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kBytes + kFrame);
    uint64_t next_ = kBytes;
};

inline constexpr uint64_t kWriteBack = uint64_t{6} << 3;

// EPT's entry for the page, for a test to change.
inline uint64_t ept_entry(TestMemory& memory, Hpa root, uint64_t gpa) {
    uint64_t table = root.value();
    for (unsigned level = 4;; --level) {
        const uint64_t where = table + x86::ept::table_index(level, gpa) * uint64_t{8};
        if (x86::ept::is_leaf(level, memory.load<uint64_t>(where))) return where;
        table = x86::ept::table_address(memory.load<uint64_t>(where));
    }
}

}  // namespace vtless::kvm
