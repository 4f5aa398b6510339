// SPDX-License-Identifier: MIT
// Host memory with a guest in it: identity EPT of 2-MiB pages, and, below 16 MiB, identity page tables of
// 4-KiB pages; a GDT, an IDT whose gates all go to one handler, and a TSS.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "bench/support/guest_layout.h"
#include "isa/check.h"
#include "sim/mmu/host_memory.h"
#include "vmm/memory/ept_table.h"

namespace vtless::bench {

class GuestMemory {
  public:
    static constexpr uint64_t kHostMemory = GuestLayout::kMemory + (16u << 20);

    explicit GuestMemory(std::span<const uint8_t> code)
        : memory_(memory_with_ram()), ept_(vmm::EptTable<sim::HostMemory>::create(memory_)) {
        VTLESS_CHECK(ept_ && ept_->map({Gpa(0), Hpa(0), GuestLayout::kMissingPage}));
        const Gpa above(GuestLayout::kMissingPage + 0x1000);
        VTLESS_CHECK(ept_->map({above, Hpa(above.value()), GuestLayout::kMemory - above.value()}));
        make_page_tables();
        make_descriptors();
        put(GuestLayout::kCode, code);
    }

    sim::HostMemory& host() { return memory_; }
    Hpa ept_root() const { return ept_->root(); }

    template <class T>
    void put(uint64_t at, T value) {
        std::memcpy(memory_.base() + at, &value, sizeof value);
    }
    void put(uint64_t at, std::span<const uint8_t> bytes) {
        std::memcpy(memory_.base() + at, bytes.data(), bytes.size());
    }
    // All gates of the IDT, 64-bit interrupt gates that user code may call.
    void set_handler(uint64_t at) {
        for (uint64_t vector = 0; vector < 256; ++vector) {
            put(GuestLayout::kIdt + 16 * vector,
                (at & 0xffff) | 0x08 << 16 | 0xee00'0000'0000 | (at >> 16 & 0xffff) << 48);
            put(GuestLayout::kIdt + 16 * vector + 8, at >> 32);
        }
    }

  private:
    // The guest's RAM is the first of it.
    static sim::HostMemory memory_with_ram() {
        sim::HostMemory memory = sim::HostMemory::create(kHostMemory).value();
        Hpa ram;
        VTLESS_CHECK(memory.allocate_frames((GuestLayout::kMemory >> 12) - 1, 4096, ram));
        return memory;
    }
    void make_page_tables() {
        constexpr uint64_t kOpen = 0x67;  // present, writable, user, accessed, dirty
        constexpr uint64_t kRoot = GuestLayout::kPageTables;
        put(kRoot, (kRoot + 0x1000) | kOpen);
        put(kRoot + 0x1000, (kRoot + 0x2000) | kOpen);
        for (uint64_t table = 0; table < 8; ++table) {
            const uint64_t at = kRoot + 0x3000 + 0x1000 * table;
            put(kRoot + 0x2000 + 8 * table, at | kOpen);
            for (uint64_t i = 0; i < 512; ++i) put(at + 8 * i, (table << 21 | i << 12) | kOpen);
        }
    }
    void make_descriptors() {
        // Selectors: 08 code64, 10 data, 18 user code32 (for SYSRET's base), 23 user data, 2b user code64, 30
        // TSS.
        constexpr std::array<uint64_t, 8> kGdt = {0,
                                                  0x00af9b000000ffff,
                                                  0x00cf93000000ffff,
                                                  0x00cffb000000ffff,
                                                  0x00cff3000000ffff,
                                                  0x00affb000000ffff,
                                                  0x00008b0000000067 | GuestLayout::kTss << 16,
                                                  0};
        put(GuestLayout::kGdt, kGdt);
        put(GuestLayout::kTss + 4, GuestLayout::kStack);  // RSP0
        set_handler(GuestLayout::kCode);
    }

    sim::HostMemory memory_;
    std::optional<vmm::EptTable<sim::HostMemory>> ept_;
};

}  // namespace vtless::bench
