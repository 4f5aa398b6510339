// SPDX-License-Identifier: MIT
// Tables for the tests: guest paging of every mode, and EPT, built in host memory by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "isa/x86/ept.h"
#include "isa/x86/exception.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/paging.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim::test {

inline HostMemory make_memory(uint64_t size = uint64_t{64} << 20) {
    auto memory = HostMemory::create(size);
    return std::move(memory).value();
}

template <class T>
T peek(const HostMemory& memory, Hpa hpa) {
    T value;
    std::memcpy(&value, memory.base() + hpa.value(), sizeof(value));
    return value;
}
template <class T>
void poke(const HostMemory& memory, Hpa hpa, T value) {
    std::memcpy(memory.base() + hpa.value(), &value, sizeof(value));
}

inline constexpr uint64_t kUserPage = x86::pte::P | x86::pte::RW | x86::pte::US;
inline constexpr uint64_t kKernelPage = x86::pte::P | x86::pte::RW;

// Guest tables. Their physical addresses are host-physical plus `offset`, for EPT that is not the identity.
class GuestTables {
  public:
    GuestTables(HostMemory& memory, x86::PagingMode mode, uint64_t offset = 0)
        : memory_(memory), mode_(mode), offset_(offset) {
        EXPECT_TRUE(memory.allocate_frame(root_));
    }

    uint64_t cr3() const { return root_.value() + offset_; }

    // Where the entry of the level for gva is; makes the tables above it, open to all.
    Hpa entry(Gva gva, unsigned level = 1) {
        Hpa table = root_;
        for (unsigned at = x86::levels(mode_); at > level; --at) {
            const Hpa slot = table + index(at, gva) * x86::entry_bytes(mode_);
            uint64_t value = read(slot);
            if ((value & x86::pte::P) == 0) {
                Hpa next;
                EXPECT_TRUE(memory_.allocate_frame(next));
                const bool pdpte = mode_ == x86::PagingMode::PAE && at == 3;
                value = (next.value() + offset_) | (pdpte ? x86::pte::P : kUserPage);
                write(slot, value);
            }
            table = Hpa((value & x86::pte::kAddress) - offset_);
        }
        return table + index(level, gva) * x86::entry_bytes(mode_);
    }
    void map(Gva gva, uint64_t value, unsigned level = 1) { write(entry(gva, level), value); }

    uint64_t read(Hpa slot) const {
        return x86::entry_bytes(mode_) == 4 ? peek<uint32_t>(memory_, slot) : peek<uint64_t>(memory_, slot);
    }
    void write(Hpa slot, uint64_t value) {
        if (x86::entry_bytes(mode_) == 4) {
            poke(memory_, slot, static_cast<uint32_t>(value));
        } else {
            poke(memory_, slot, value);
        }
    }

    // The registers that select this mode.
    PagingState paging() const {
        PagingState state;
        state.cr3 = cr3();
        if (mode_ == x86::PagingMode::NONE) return state;
        state.cr0 = x86::cr0::PE | x86::cr0::PG | x86::cr0::WP;
        state.cr4 = x86::cr4::PSE | x86::cr4::PGE;
        if (mode_ == x86::PagingMode::BITS32) return state;
        state.cr4 |= x86::cr4::PAE;
        state.efer = x86::efer::NXE;
        if (mode_ == x86::PagingMode::PAE) {
            std::memcpy(state.pdptes.data(), memory_.base() + root_.value(), sizeof(state.pdptes));
            return state;
        }
        state.efer |= x86::efer::LMA | x86::efer::LME;
        if (mode_ == x86::PagingMode::LEVEL5) state.cr4 |= x86::cr4::LA57;
        return state;
    }

  private:
    uint64_t index(unsigned level, Gva gva) const { return x86::table_index(mode_, level, gva.value()); }

    HostMemory& memory_;
    x86::PagingMode mode_;
    uint64_t offset_;
    Hpa root_;
};

class EptTables {
  public:
    explicit EptTables(HostMemory& memory, bool accessed_dirty = false, unsigned levels = 4)
        : memory_(memory), levels_(levels), accessed_dirty_(accessed_dirty) {
        EXPECT_TRUE(memory.allocate_frame(root_));
    }

    uint64_t eptp() const { return x86::Eptp::make(root_.value(), levels_, accessed_dirty_).raw; }
    Hpa entry(Gpa gpa, unsigned level = 1) {
        Hpa table = root_;
        for (unsigned at = levels_; at > level; --at) {
            const Hpa slot = table + x86::ept::table_index(at, gpa.value()) * uint64_t{8};
            auto value = peek<uint64_t>(memory_, slot);
            if ((value & x86::ept::RWX) == 0) {
                Hpa next;
                EXPECT_TRUE(memory_.allocate_frame(next));
                value = next.value() | x86::ept::RWX;
                poke(memory_, slot, value);
            }
            table = Hpa(value & x86::ept::kAddress);
        }
        return table + x86::ept::table_index(level, gpa.value()) * uint64_t{8};
    }
    void map(Gpa gpa, uint64_t value, unsigned level = 1) { poke(memory_, entry(gpa, level), value); }
    // [first, first + bytes) to host-physical address - offset, by 4 KiB pages, write-back.
    void map_range(Gpa first, uint64_t bytes, uint64_t offset, uint64_t rights = x86::ept::RWX) {
        for (uint64_t at = first.value(); at < first.value() + bytes; at += 4096)
            map(Gpa(at), (at - offset) | rights | kWriteBack);
    }

    static constexpr uint64_t kWriteBack = 6 << 3;

  private:
    HostMemory& memory_;
    unsigned levels_;
    bool accessed_dirty_;
    Hpa root_;
};

inline constexpr Access kRead = Access::supervisor(AccessType::Read);
inline constexpr Access kWrite = Access::supervisor(AccessType::Write);
inline constexpr Access kFetch = Access::supervisor(AccessType::Fetch);
inline constexpr Access kUserRead{AccessType::Read, true, false, false};
inline constexpr Access kUserWrite{AccessType::Write, true, false, false};
inline constexpr Access kUserFetch{AccessType::Fetch, true, false, false};

}  // namespace vtless::sim::test
