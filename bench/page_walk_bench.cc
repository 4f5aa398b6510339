// SPDX-License-Identifier: MIT
// A walk through four levels of guest paging, each of whose entries four levels of EPT translate: 24
// references. The floor is 24 loads, each from the address that the one before gave.
#include <array>
#include <cstring>

#include "bench/support/versus.h"
#include "isa/check.h"
#include "isa/x86/control_regs.h"
#include "isa/x86/ept.h"
#include "isa/x86/paging.h"
#include "sim/mmu/mmu.h"

namespace {

using namespace vtless;
using namespace vtless::bench;

constexpr uint64_t kReferences = 24;
constexpr uint64_t kWalks = 200;
constexpr Gva kAddress{0x7f3456789abc};

// The guest's tables share no EPT table below the top, and entries do not all fall into one set of the cache.
constexpr Gpa far_apart(uint64_t n) {
    return Gpa(n << 39 | (67 * n & 0x1ff) << 30 | (131 * n & 0x1ff) << 21 | (29 * n & 0x1ff) << 12);
}

class Walk {
  public:
    Walk() : memory_(sim::HostMemory::create(4 << 20).value()), mmu_(memory_, {.physical_address_bits = 46}) {
        const Hpa root = frame();
        uint64_t below = far_apart(5).value();  // the page that the walk is for
        (void)map(root, far_apart(5));
        for (unsigned level = 1; level <= 4; ++level) {
            const Gpa table = far_apart(level);
            put(map(root, table) + uint64_t{8} * x86::ept::table_index(level, kAddress.value()),
                below | 0x67);
            below = table.value();
        }
        mmu_.set_ept(x86::Eptp::make(root.value(), 4, true).raw);
        mmu_.set_paging({0x80010001, below, x86::cr4::PAE, x86::efer::LME | x86::efer::LMA, {}});
    }

    sim::Mmu& mmu() { return mmu_; }

  private:
    Hpa frame() {
        Hpa hpa;
        VTLESS_CHECK(memory_.allocate_frame(hpa));
        return hpa;
    }
    void put(Hpa at, uint64_t value) { std::memcpy(memory_.map(at), &value, sizeof value); }
    uint64_t get(Hpa at) {
        uint64_t value;
        std::memcpy(&value, memory_.map(at), sizeof value);
        return value;
    }
    Hpa map(Hpa root, Gpa page) {
        Hpa table = root;
        for (unsigned level = 4; level != 0; --level) {
            const Hpa slot = table + uint64_t{8} * x86::ept::table_index(level, page.value());
            if (get(slot) == 0)
                put(slot, frame().value() | x86::ept::RWX | x86::ept::ACCESSED | x86::ept::DIRTY |
                              (level == 1 ? uint64_t{6} << 3 : 0));
            table = Hpa(get(slot) & x86::ept::kAddress);
        }
        return table;
    }

    sim::HostMemory memory_;
    sim::Mmu mmu_;
};

void cold_walk(benchmark::State& state) {
    Walk walk;
    // One cache line each, on pages of their own, as table entries are.
    std::vector<std::array<void*, 512 + 8>> pages(kReferences);
    for (size_t i = 0; i < kReferences; ++i) pages[i][0] = &pages[(i + 1) % kReferences][0];
    const auto chase = [&] {
        void* at = &pages[0][0];
        for (uint64_t i = 0; i < kWalks * kReferences; ++i) {
            at = *static_cast<void**>(at);
            benchmark::DoNotOptimize(at);
        }
    };
    const auto translate = [&] {
        for (uint64_t i = 0; i < kWalks; ++i) {
            walk.mmu().flush_all();
            sim::Translation out;
            const auto fault =
                walk.mmu().translate(kAddress, sim::Access::supervisor(sim::AccessType::Read), out);
            VTLESS_CHECK(!fault);
            benchmark::DoNotOptimize(out);
        }
    };
    const uint64_t before = walk.mmu().counters().references;
    translate();
    VTLESS_CHECK(walk.mmu().counters().references - before == kReferences * kWalks);
    versus(state, "cold 2-D walk, 24 references / 24 dependent loads", Target::at_most_times(3),
           {{[&] { return ns_per(kWalks, chase); }, [&] { return ns_per(kWalks, translate); }}});
}

const bool registered = add("mmu/cold_walk", cold_walk);

}  // namespace
