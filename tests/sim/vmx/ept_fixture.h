// SPDX-License-Identifier: MIT
// The guest of GuestFixture, whose EPT entries tests change.
#pragma once

#include "isa/x86/ept.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/vmx_hw.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {

class EptFixture : public GuestFixture {
  protected:
    using GuestFixture::GuestFixture;
    using Qualification = x86::EptViolationQualification;

    static constexpr uint64_t kData = 0x400000;  // guest-physical, and linear: a page of its own
    static constexpr uint64_t kLeaf = x86::ept::RWX | 6u << 3;

    void set_secondary(uint32_t bits) {
        write(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, values.secondary | bits);
    }
    uint64_t host(Hpa at) {
        uint64_t value;
        std::memcpy(&value, memory.map(at), sizeof value);
        return value;
    }
    Hpa frame() {
        Hpa allocated;
        EXPECT_TRUE(memory.allocate_frame(allocated));
        std::memset(memory.map(allocated), 0, HostMemory::kFrameSize);
        return allocated;
    }
    // Where the entry is that maps the address.
    Hpa entry_of(uint64_t gpa) { return entry_of(gpa, eptp); }
    Hpa entry_of(uint64_t gpa, uint64_t pointer) {
        unsigned level = x86::Eptp{pointer}.walk_length();
        Hpa at(x86::Eptp{pointer}.root() + x86::ept::table_index(level, gpa) * uint64_t{8});
        while (!x86::ept::is_leaf(level, host(at)) && host(at) != 0) {
            --level;
            at = Hpa(x86::ept::table_address(host(at)) + x86::ept::table_index(level, gpa) * uint64_t{8});
        }
        return at;
    }
    // Maps the 2 MiB around it by 4-KiB pages.
    void split(uint64_t gpa) {
        const Hpa large = entry_of(gpa);
        const uint64_t first = x86::ept::leaf_address(2, host(large));
        const Hpa table = frame();
        for (uint64_t i = 0; i < x86::ept::kEntriesPerTable; ++i) {
            put_host(table + i * 8, first + i * 4096 + kLeaf);
        }
        put_host(large, table.value() | x86::ept::RWX);
    }
    void set_entry(uint64_t gpa, uint64_t clear, uint64_t set = 0) {
        const Hpa at = entry_of(gpa);
        put_host(at, (host(at) & ~clear) | set);
        EXPECT_TRUE(hw->invept(x86::InveptType::ALL_CONTEXT, {}).ok());
    }
    // A copy of the whole EPT, whose tables are its own, down to those of 2 MiB.
    uint64_t copy_of_ept() { return (copy_table(Hpa(x86::Eptp{eptp}.root()), 4).value()) | (eptp & 0xfff); }

    Qualification qualification() { return Qualification::decode(read(F::EXIT_QUALIFICATION)); }

  private:
    Hpa copy_table(Hpa table, unsigned level) {
        const Hpa copy = frame();
        for (uint64_t i = 0; i < x86::ept::kEntriesPerTable; ++i) {
            uint64_t entry = host(table + i * 8);
            if (entry != 0 && !x86::ept::is_leaf(level, entry)) {
                const Hpa below = copy_table(Hpa(x86::ept::table_address(entry)), level - 1);
                entry = below.value() | (entry & ~x86::ept::kAddress);
            }
            put_host(copy + i * 8, entry);
        }
        return copy;
    }
};

}  // namespace vtless::sim
