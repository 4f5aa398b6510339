// SPDX-License-Identifier: MIT
// Random guest tables on random EPT tables, most of them right and some of them not, through Mmu and through
// the rules written down one after the other.
#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "isa/x86/ept_walk.h"
#include "isa/x86/guest_walk.h"
#include "sim/mmu/usual_walk.h"
#include "tests/sim/mmu/page_tables.h"

namespace vtless::sim::test {
namespace {

namespace ept = x86::ept;
namespace pte = x86::pte;
using Qualification = x86::EptViolationQualification;

constexpr uint64_t kBytes = uint64_t{1} << 17;
constexpr Hpa kLog{kBytes - HostMemory::kFrameSize};

// A processor's configuration, registers and memory.
struct World {
    MmuConfig config;
    PagingState paging;
    uint64_t eptp = 0;
    bool user_execute = false;  // mode-based execute control for EPT
    bool logs = false;          // page-modification logging, in the last page
    uint64_t log_index = 0;
    std::array<uint64_t, kBytes / 8> memory{};
    Gva gva;
    Access access;
};

class Generator {
  public:
    explicit Generator(uint32_t seed) : random_(seed) {}

    World next() {
        World world;
        slots_.clear();
        frames_ = 1;
        world.config.physical_address_bits = std::array{36u, 40u, 46u, 52u}[below(4)];
        world.config.guest_1g_pages = !one_in(3);
        world.config.ept_execute_only = !one_in(2);
        world.config.ept_advanced_information = one_in(2);
        world.user_execute = one_in(4);
        world.logs = one_in(2);
        world.log_index = std::array{0u, 1u, 511u, 512u, 0xffffu}[below(5)];
        world.gva = Gva(static_cast<uint64_t>(static_cast<int64_t>(random_()) >> 16));
        world.access = {static_cast<AccessType>(below(3)), one_in(2), one_in(4), false};
        if (!world.access.user) world.access.implicit = one_in(8);
        make_tables(world);
        for (uint64_t harm = below(3); harm != 0; --harm) disturb(world.memory[slots_[below(slots_.size())]]);
        return world;
    }

  private:
    uint64_t below(uint64_t limit) { return random_() % limit; }
    bool one_in(unsigned n) { return below(n) == 0; }
    uint64_t frame() { return frames_++ << 12; }
    void put(World& world, uint64_t hpa, uint64_t entry) {
        world.memory[hpa / 8] = entry;
        slots_.push_back(hpa / 8);
    }

    void make_tables(World& world) {
        flags_ = !one_in(4);
        root_ = frame();
        world.eptp = x86::Eptp::make(root_, 4, flags_).raw;
        world.paging.cr0 = x86::cr0::PE | x86::cr0::PG | (one_in(2) ? x86::cr0::WP : 0);
        world.paging.cr4 = x86::cr4::PAE | (one_in(2) ? x86::cr4::PGE : 0) |
                           (one_in(3) ? x86::cr4::SMEP : 0) | (one_in(3) ? x86::cr4::SMAP : 0);
        world.paging.efer = x86::efer::LMA | x86::efer::LME | (one_in(3) ? 0 : x86::efer::NXE);

        const unsigned leaf = one_in(4) ? 2 : one_in(6) ? 3 : 1;
        const uint64_t offset = bit(ept::page_shift(leaf)) - 1;
        const uint64_t page = random_page(world) & ~offset;
        map(world, page | (world.gva.page().value() & offset), frame(), random_leaf());
        const uint64_t rights = pte::P | pte::A | pte::RW | (one_in(2) ? pte::US : 0);
        uint64_t entry = page | rights | pte::D | (leaf == 1 ? 0 : pte::PS) | (one_in(2) ? pte::G : 0);
        for (unsigned level = leaf; level <= 4; ++level) {
            const uint64_t hpa = frame();
            put(world, hpa + ept::table_index(level, world.gva.value()) * uint64_t{8}, entry);
            // In a large page of EPT, which starts at 0, the frame is where its address says.
            const unsigned nested_leaf = random_leaf();
            const uint64_t within = bit(ept::page_shift(nested_leaf)) - 1;
            uint64_t table = random_page(world);
            if (nested_leaf != 1) table = (table & ~within) | hpa;
            map(world, table, hpa, nested_leaf);
            entry = table | rights;
        }
        world.paging.cr3 = entry & pte::kAddress;
    }

    uint64_t random_page(const World& world) {
        const unsigned bits = std::min(world.config.physical_address_bits, 48u);
        return random_() & bit_range(bits - 1, 12);
    }
    unsigned random_leaf() { return one_in(8) ? 2 : one_in(16) ? 3 : 1; }

    void map(World& world, uint64_t gpa, uint64_t hpa, unsigned leaf) {
        const uint64_t rights = ept::RWX | (world.user_execute || one_in(2) ? ept::USER_EXECUTE : 0) |
                                (flags_ || one_in(2) ? ept::ACCESSED : 0);
        uint64_t table = root_;
        for (unsigned level = 4; level > leaf; --level) {
            const uint64_t slot = table + ept::table_index(level, gpa) * uint64_t{8};
            if (world.memory[slot / 8] == 0) put(world, slot, frame() | rights);
            table = world.memory[slot / 8] & bit_range(16, 12);
        }
        put(world, table + ept::table_index(leaf, gpa) * uint64_t{8},
            (leaf == 1 ? hpa : ept::LARGE) | rights | EptTables::kWriteBack | (flags_ ? ept::DIRTY : 0));
    }

    void disturb(uint64_t& entry) {
        switch (below(5)) {
            case 0:
                entry = 0;
                break;
            case 1:
                entry &= ~(pte::A | pte::D | ept::ACCESSED | ept::DIRTY);
                break;
            case 2:
                entry ^= bit(static_cast<unsigned>(below(12)));
                break;
            default:
                entry ^= bit(static_cast<unsigned>(below(64)));
        }
    }

    std::mt19937_64 random_;
    uint64_t frames_ = 1;
    uint64_t root_ = 0;            // of EPT
    bool flags_ = false;           // accessed and dirty flags for EPT
    std::vector<uint64_t> slots_;  // indices of the entries made
};

// The rules one by one, on a memory of its own.
class Rules {
  public:
    Rules(const World& world, const Mmu& mmu) : mmu_(mmu), world_(world), memory_(world.memory) {}

    MmuFault translate(Translation& out) {
        fault_.gva = world_.gva;
        const x86::GuestRoot root{x86::PagingMode::LEVEL4, world_.paging.cr3, nullptr};
        auto read = [this](unsigned level, Gpa gpa, uint64_t& entry) {
            return read_guest(level, gpa, entry);
        };
        const x86::GuestWalk walk = x86::guest_walk(root, world_.gva, mmu_.paging_features(), read);
        if (walk.end == x86::GuestWalk::End::UNREADABLE) return fault_;
        if (walk.end == x86::GuestWalk::End::NOT_PRESENT) return page_fault(0);
        if (walk.end == x86::GuestWalk::End::RESERVED)
            return page_fault(x86::page_fault::P | x86::page_fault::RSVD);
        if (!allowed(walk, world_.access.type)) return page_fault(x86::page_fault::P);

        const bool write = world_.access.type == AccessType::Write;
        bool dirty = write;
        for (unsigned level = 4; level >= walk.level; --level) {
            const uint64_t flags = pte::A | (level == walk.level && write ? pte::D : 0);
            if (level == walk.level) dirty |= (guest_[level].entry & pte::D) != 0;
            if ((guest_[level].entry & flags) == flags) continue;
            if ((guest_[level].rights & ept::WRITE) == 0) {
                violation(guest_[level].gpa, ept::WRITE, guest_[level].rights, false);
                fault_.suppress_ve = (guest_[level].leaf & ept::SUPPRESS_VE) != 0;
                return fault_;
            }
            set(guest_[level].hpa, flags);
        }
        x86::EptWalk page;
        if (!nested(walk.gpa, wanted_of(walk), true, page)) {
            if (fault_.kind == MmuFault::Kind::EptViolation && world_.config.ept_advanced_information) {
                fault_.qualification |=
                    (walk.user ? Qualification::USER_LINEAR_ADDRESS : 0) |
                    (walk.writable ? Qualification::LINEAR_ADDRESS_WRITABLE : 0) |
                    (walk.executable ? 0 : Qualification::LINEAR_ADDRESS_EXECUTE_DISABLED);
            }
            return fault_;
        }
        const bool ept_dirty = !flags() || write || (page.leaf & ept::DIRTY) != 0;
        out.hpa = page.hpa;
        out.gpa = walk.gpa;
        out.readable = (page.rights & ept::READ) != 0 && allowed(walk, AccessType::Read);
        out.writable =
            dirty && ept_dirty && (page.rights & ept::WRITE) != 0 && allowed(walk, AccessType::Write);
        out.executable = (page.rights & execute_of(walk)) != 0 && allowed(walk, AccessType::Fetch);
        out.user = walk.user;
        out.backed = page.hpa.value() < kBytes;
        out.page_size = bit(std::min(walk.page_shift, page.page_shift));
        return {};
    }
    uint64_t references() const { return references_; }
    uint64_t log_index() const { return log_index_; }
    const auto& memory() const { return memory_; }

  private:
    struct Step {
        uint64_t entry;
        Gpa gpa;
        Hpa hpa;
        uint64_t rights;
        uint64_t leaf;
    };

    uint64_t execute_of(const x86::GuestWalk& walk) const {
        return world_.user_execute && walk.user ? ept::USER_EXECUTE : ept::EXECUTE;
    }
    uint64_t wanted_of(const x86::GuestWalk& walk) const {
        if (world_.access.type == AccessType::Fetch) return execute_of(walk);
        return world_.access.type == AccessType::Write ? ept::WRITE : ept::READ;
    }
    bool flags() const { return x86::Eptp{world_.eptp}.accessed_dirty(); }
    uint64_t load(Hpa hpa) {
        ++references_;
        return hpa.value() < kBytes ? memory_[hpa.value() / 8] : ~uint64_t{0};
    }
    void set(Hpa hpa, uint64_t flags) {
        if (hpa.value() < kBytes) memory_[hpa.value() / 8] |= flags;
    }
    void violation(Gpa gpa, uint64_t want, uint64_t rights, bool final) {
        fault_.kind = MmuFault::Kind::EptViolation;
        fault_.gpa = gpa;
        fault_.qualification =
            ((want & ept::USER_EXECUTE) != 0 ? Qualification::FETCH : want) | (rights & ept::RWX) << 3 |
            ((rights & ept::USER_EXECUTE) != 0 ? Qualification::USER_EXECUTABLE : 0) |
            Qualification::LINEAR_ADDRESS_VALID | (final ? Qualification::FINAL_TRANSLATION : 0);
    }
    MmuFault page_fault(uint32_t code) {
        const bool fetch_reported =
            (world_.paging.cr4 & x86::cr4::SMEP) != 0 || (world_.paging.efer & x86::efer::NXE) != 0;
        if (world_.access.user) code |= x86::page_fault::US;
        if (world_.access.type == AccessType::Write) code |= x86::page_fault::WR;
        if (world_.access.type == AccessType::Fetch && fetch_reported) code |= x86::page_fault::ID;
        fault_.kind = MmuFault::Kind::PageFault;
        fault_.error_code = code;
        return fault_;
    }

    bool nested(Gpa gpa, uint64_t want, bool final, x86::EptWalk& walk) {
        std::array<Hpa, 5> slots;
        auto read = [&](unsigned level, Hpa hpa) { return load(slots[level] = hpa); };
        walk = x86::ept_walk(x86::Eptp{world_.eptp}, gpa, mmu_.ept_features(), read);
        if (walk.end == x86::EptWalk::End::MISCONFIGURED) {
            fault_.kind = MmuFault::Kind::EptMisconfiguration;
            fault_.gpa = gpa;
            return false;
        }
        if (walk.end == x86::EptWalk::End::NOT_PRESENT || (want & ~uint64_t{walk.rights}) != 0) {
            violation(gpa, want, walk.rights, final);
            fault_.suppress_ve = (walk.leaf & ept::SUPPRESS_VE) != 0;
            return false;
        }
        return !flags() || set_ept_flags(gpa, walk, slots, (want & ept::WRITE) != 0);
    }
    bool set_ept_flags(Gpa gpa, const x86::EptWalk& walk, const std::array<Hpa, 5>& slots, bool write) {
        const auto flags_of = [&](unsigned level) {
            return ept::ACCESSED | (level == walk.level && write ? ept::DIRTY : 0);
        };
        bool all_set = true;
        for (unsigned level = 4; level >= walk.level; --level) {
            const uint64_t entry =
                slots[level].value() < kBytes ? memory_[slots[level].value() / 8] : ~uint64_t{0};
            all_set = all_set && (entry & flags_of(level)) == flags_of(level);
        }
        if (world_.logs && !all_set && log_index_ > 511) {
            fault_.kind = MmuFault::Kind::PageModificationLogFull;
            fault_.gpa = gpa;
            return false;
        }
        for (unsigned level = 4; level >= walk.level; --level) set(slots[level], flags_of(level));
        if (world_.logs && write && (walk.leaf & ept::DIRTY) == 0) {
            memory_[(kLog.value() + log_index_ * 8) / 8] = gpa.page().value();
            log_index_ = (log_index_ - 1) & 0xffff;
        }
        return true;
    }
    bool read_guest(unsigned level, Gpa gpa, uint64_t& entry) {
        x86::EptWalk walk;
        if (!nested(gpa, flags() ? ept::READ | ept::WRITE : ept::READ, false, walk)) return false;
        entry = load(walk.hpa);
        guest_[level] = {entry, gpa, walk.hpa, walk.rights, walk.leaf};
        return true;
    }

    // SDM Vol. 3A "Determination of Access Rights" (4.6.1).
    bool allowed(const x86::GuestWalk& walk, AccessType type) const {
        const Access access = world_.access;
        const uint64_t cr4 = world_.paging.cr4;
        if (access.user && !walk.user) return false;
        const bool user_page_of_supervisor = walk.user && !access.user;
        if (type == AccessType::Fetch)
            return walk.executable && !(user_page_of_supervisor && (cr4 & x86::cr4::SMEP) != 0);
        if (user_page_of_supervisor && (cr4 & x86::cr4::SMAP) != 0 && (access.implicit || !access.ac_flag))
            return false;
        if (type == AccessType::Read || walk.writable) return true;
        return !access.user && (world_.paging.cr0 & x86::cr0::WP) == 0;
    }

    const Mmu& mmu_;
    const World& world_;
    std::array<uint64_t, kBytes / 8> memory_;
    uint64_t references_ = 0;
    uint64_t log_index_ = world_.log_index;
    MmuFault fault_;
    std::array<Step, 5> guest_{};
};

TEST(MmuRandomWalk, DoesWhatTheRulesSayOneByOne) {
    HostMemory memory = make_memory(kBytes);
    Generator generator(20);
    std::array<unsigned, 6> ends{};   // by MmuFault::Kind
    std::array<unsigned, 6> usual{};  // of these, those that were a usual walk
    for (unsigned trial = 0; trial < 10000; ++trial) {
        SCOPED_TRACE(trial);
        const World world = generator.next();
        std::memcpy(memory.base(), world.memory.data(), kBytes);
        Mmu mmu(memory, world.config);
        mmu.set_paging(world.paging);
        mmu.set_ept(world.eptp, world.user_execute);
        uint64_t log_index = world.log_index;
        if (world.logs) mmu.set_modification_log({kLog, &log_index});

        Rules rules(world, mmu);
        Translation expected;
        const MmuFault expected_fault = rules.translate(expected);
        const auto kind = static_cast<size_t>(expected_fault.kind);

        ASSERT_EQ(UsualWalk::applies(mmu), !world.user_execute);
        MmuFault usual_fault;
        TableCache tables;
        UsualWalk walk(mmu, tables, usual_fault);
        TlbEntry entry;
        if (!world.user_execute && walk.linear(world.gva, world.access, entry)) {
            ++usual[kind];
            ASSERT_EQ(std::memcmp(memory.base(), rules.memory().data(), kBytes), 0);
            MmuFault again_fault;
            UsualWalk again(mmu, tables, again_fault);  // which knows the tables
            ASSERT_TRUE(again.linear(world.gva, world.access, entry));
            ASSERT_EQ(again_fault, usual_fault);
            ASSERT_EQ(again.references(), walk.references());
        }
        ++ends[kind];

        Translation found;
        ASSERT_EQ(mmu.translate(world.gva, world.access, found), expected_fault);
        ASSERT_EQ(mmu.counters().references, rules.references());
        ASSERT_EQ(std::memcmp(memory.base(), rules.memory().data(), kBytes), 0);
        ASSERT_EQ(found.hpa, expected.hpa);
        ASSERT_EQ(found.gpa, expected.gpa);
        ASSERT_EQ(log_index, rules.log_index());
        ASSERT_EQ(found.readable, expected.readable);
        ASSERT_EQ(found.writable, expected.writable);
        ASSERT_EQ(found.executable, expected.executable);
        ASSERT_EQ(found.user, expected.user);
        ASSERT_EQ(found.backed, expected.backed);
        ASSERT_EQ(found.page_size, expected.page_size);
        for (uint64_t n = 2; expected_fault && n < 5; ++n) {  // until it is remembered
            ASSERT_EQ(mmu.translate(world.gva, world.access, found), expected_fault);
            ASSERT_EQ(mmu.counters().references, n * rules.references());
        }
    }
    // All ends are met, by usual walks and by others.
    for (const auto kind : {MmuFault::Kind::None, MmuFault::Kind::PageFault, MmuFault::Kind::EptViolation,
                            MmuFault::Kind::EptMisconfiguration}) {
        const auto at = static_cast<size_t>(kind);
        EXPECT_GT(usual[at], 200u) << at;
        EXPECT_GT(ends[at] - usual[at], 20u) << at;
    }
    EXPECT_GT(ends[static_cast<size_t>(MmuFault::Kind::PageModificationLogFull)], 20u);
}

}  // namespace
}  // namespace vtless::sim::test
