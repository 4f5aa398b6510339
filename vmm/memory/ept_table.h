// SPDX-License-Identifier: MIT
// A 4-level EPT in host-physical memory, with 2-MiB leaves where both addresses allow them.
// SDM Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3).
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "isa/addr.h"
#include "isa/x86/ept.h"
#include "isa/x86/vmx_hw.h"

namespace vtless::vmm {

struct EptMapping {
    Gpa guest;
    Hpa host;
    uint64_t size = 0;  // bytes; all three are multiples of 4 KiB
    uint64_t rights = x86::ept::RWX;
};

// The memory must outlive the table, which frees its frames when it goes.
template <x86::HostMemory M>
class EptTable {
  public:
    static constexpr uint64_t kPage = 4096;
    static constexpr uint64_t kLargePage = uint64_t{2} << 20;

    // Empty; nothing if the memory has no frame left.
    static std::optional<EptTable> create(M& memory) {
        EptTable table(memory);
        if (!table.allocate(table.root_)) return std::nullopt;
        return table;
    }
    EptTable(EptTable&& other) noexcept
        : memory_(other.memory_), root_(other.root_), frames_(std::exchange(other.frames_, {})) {}
    EptTable& operator=(EptTable&&) = delete;
    ~EptTable() {
        for (Hpa frame : frames_) memory_->free_frame(frame);
    }

    Hpa root() const { return root_; }

    // False if an address or the size is not a multiple of 4 KiB or lies above 2^48, if a page is mapped
    // already, or if the memory is full; what was mapped until then stays.
    [[nodiscard]] bool map(EptMapping mapping) {
        const uint64_t all = mapping.guest.value() | mapping.host.value() | mapping.size;
        if (all % kPage != 0 || all >> 48 != 0) return false;
        while (mapping.size != 0) {
            const uint64_t addresses = mapping.guest.value() | mapping.host.value();
            const bool large = addresses % kLargePage == 0 && mapping.size >= kLargePage;
            if (!map_leaf(mapping, large ? 2 : 1)) return false;
            const uint64_t step = large ? kLargePage : kPage;
            mapping.guest += step;
            mapping.host += step;
            mapping.size -= step;
        }
        return true;
    }

  private:
    explicit EptTable(M& memory) : memory_(&memory) {}

    bool allocate(Hpa& frame) {
        if (!memory_->allocate_frame(frame)) return false;
        frames_.push_back(frame);
        return true;
    }

    uint64_t load(Hpa table, unsigned index) const {
        uint64_t entry = 0;
        std::memcpy(&entry, memory_->map(table) + index * sizeof entry, sizeof entry);
        return entry;
    }
    void store(Hpa table, unsigned index, uint64_t entry) {
        std::memcpy(memory_->map(table) + index * sizeof entry, &entry, sizeof entry);
    }

    bool map_leaf(const EptMapping& mapping, unsigned leaf_level) {
        Hpa table = root_;
        for (unsigned level = 4; level > leaf_level; --level) {
            const unsigned index = x86::ept::table_index(level, mapping.guest.value());
            const uint64_t entry = load(table, index);
            if (entry != 0 && x86::ept::is_leaf(level, entry)) return false;
            Hpa next(x86::ept::table_address(entry));
            if (entry == 0) {
                if (!allocate(next)) return false;
                store(table, index, next.value() | x86::ept::RWX);
            }
            table = next;
        }
        const unsigned index = x86::ept::table_index(leaf_level, mapping.guest.value());
        if (load(table, index) != 0) return false;
        const auto type = x86::ept::MemoryTypeField::set(uint64_t{0}, x86::MemoryType::WB);
        const uint64_t large = leaf_level > 1 ? x86::ept::LARGE : 0;
        store(table, index, mapping.host.value() | mapping.rights | type | large);
        return true;
    }

    M* memory_;
    Hpa root_;
    std::vector<Hpa> frames_;
};

}  // namespace vtless::vmm
