// SPDX-License-Identifier: MIT
// The guest's memory as its instructions see it: segmentation, paging, EPT. For instructions that the backend
// executes in the guest's place. SDM Vol. 3A "Paging" (4), Vol. 3C "EPT" (29.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "isa/x86/ept_walk.h"
#include "isa/x86/guest_walk.h"
#include "vcpu/vmx/core.h"

namespace vtless::vmx {

enum class AccessKind : uint8_t { Read, Write, Fetch };

struct Access {
    AccessKind kind = AccessKind::Read;
    bool user = false;
    bool track = false;  // set accessed and dirty bits, as the instruction itself would
};

// Where a guest-virtual address leads, or what stops it.
struct Located {
    enum class End : uint8_t {
        Ok,
        PageFault,    // error_code; address is the one to put in CR2
        NestedFault,  // EPT does not map gpa for this access
        NoMemory,     // EPT leads outside host memory
    };
    End end = End::Ok;
    uint32_t error_code = 0;
    Gva gva;
    Gpa gpa;
    Hpa hpa;

    bool ok() const { return end == End::Ok; }
};

// A snapshot of the guest's paging state; use within one exit.
template <x86::VmxHw Hw>
class GuestMemory {
  public:
    explicit GuestMemory(Core<Hw>& core) : core_(core) {
        using x86::VmcsField;
        Vmcs<Hw>& vmcs = core.vmcs;
        cr0_ = vmcs.read(VmcsField::GUEST_CR0);
        cr4_ = vmcs.read(VmcsField::GUEST_CR4);
        efer_ = vmcs.read(VmcsField::GUEST_IA32_EFER);
        rflags_ = vmcs.read(VmcsField::GUEST_RFLAGS);
        root_ = {x86::paging_mode(cr0_, cr4_, efer_), vmcs.read(VmcsField::GUEST_CR3), pdptes_.data()};
        user_ = core.cpl() == 3;
        if (root_.mode == x86::PagingMode::PAE) read_pdptes();
    }

    bool user() const { return user_; }
    uint64_t cr0() const { return cr0_; }
    uint64_t rflags() const { return rflags_; }

    Located locate(Gva gva, Access access) {
        const Features& found = core_.features;
        const x86::PagingFeatures features{found.physical_bits, (efer_ & x86::efer::NXE) != 0,
                                           (cr4_ & x86::cr4::PSE) != 0, true, found.page_1g};
        Located nested;
        unsigned used = 0;
        std::array<Entry, 5> entries{};
        auto read_entry = [&](unsigned, Gpa address, uint64_t& value) {
            nested = locate_physical(address, {AccessKind::Read, false, access.track});
            if (!nested.ok()) return false;
            value = load(nested.hpa, x86::entry_bytes(root_.mode));
            entries[used++] = {nested.hpa, address, value};
            return true;
        };
        const x86::GuestWalk walk = x86::guest_walk(root_, gva, features, read_entry);
        if (walk.end == x86::GuestWalk::End::UNREADABLE) {
            nested.gva = gva;
            return nested;
        }
        if (walk.end != x86::GuestWalk::End::MAPPED || !permits(walk, access))
            return {Located::End::PageFault, error_code(walk, access), gva, Gpa(), Hpa()};
        Located result = locate_physical(walk.gpa, access);
        result.gva = gva;
        if (result.ok() && access.track)
            mark(std::span(entries.data(), used), access.kind == AccessKind::Write);
        return result;
    }

    // EPT alone. NestedFault when EPT does not grant the access.
    Located locate_physical(Gpa gpa, Access access) {
        if (core_.is_apic_page(gpa)) return {Located::End::NestedFault, 0, Gva(), gpa, Hpa()};
        std::array<Hpa, 5> entries{};
        unsigned used = 0;
        auto read_entry = [&](unsigned, Hpa address) -> uint64_t {
            const uint8_t* bytes = map(address);
            if (bytes == nullptr) return 0;  // not present: an EPT that leads nowhere maps nothing
            entries[used++] = address;
            return load(address, 8);
        };
        const x86::EptFeatures features{core_.features.physical_bits,
                                        core_.features.ept_vpid.has(x86::EptVpidCapability::kExecuteOnly),
                                        true, true, false};
        const x86::EptWalk walk = x86::ept_walk(core_.eptp, gpa, features, read_entry);
        constexpr uint64_t kNeeded[] = {x86::ept::READ, x86::ept::WRITE, x86::ept::EXECUTE};
        const bool mapped = walk.end == x86::EptWalk::End::MAPPED;
        if (!mapped || (walk.rights & kNeeded[static_cast<unsigned>(access.kind)]) == 0)
            return {Located::End::NestedFault, 0, Gva(), gpa, Hpa()};
        if (map(walk.hpa) == nullptr) return {Located::End::NoMemory, 0, Gva(), gpa, walk.hpa};
        if (access.track && core_.eptp.accessed_dirty())
            mark_ept(std::span(entries.data(), used), access.kind == AccessKind::Write);
        return {Located::End::Ok, 0, Gva(), gpa, walk.hpa};
    }

    // Moves data.size() bytes at gva, all or nothing across a page boundary.
    Located read(Gva gva, std::span<uint8_t> data, Access access) {
        return copy(gva, data.size(), access, [&](uint8_t* guest, size_t offset, size_t count) {
            std::copy_n(guest, count, data.data() + offset);
        });
    }
    Located write(Gva gva, std::span<const uint8_t> data, Access access) {
        access.kind = AccessKind::Write;
        return copy(gva, data.size(), access, [&](uint8_t* guest, size_t offset, size_t count) {
            std::copy_n(data.data() + offset, count, guest);
        });
    }
    // Whether size bytes can be accessed.
    Located probe(Gva gva, size_t size, Access access) {
        return copy(gva, size, access, [](uint8_t*, size_t, size_t) {});
    }

    // A field of 4 or 8 bytes inside one frame, little-endian.
    uint64_t load(Hpa address, unsigned bytes) {
        const uint8_t* source = map(address);
        uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= uint64_t{source[i]} << (8 * i);
        return value;
    }

  private:
    struct Entry {
        Hpa hpa;
        Gpa gpa;
        uint64_t value = 0;
    };

    uint8_t* map(Hpa address) {
        uint8_t* frame = core_.hw->memory().map(address.page());
        return frame == nullptr ? nullptr : frame + address.page_offset();
    }
    void note_write(Hpa address, size_t bytes) {
        // Silicon snoops; a simulator's translated code must be told.
        if constexpr (requires { core_.hw->memory().note_write(address, bytes); })
            core_.hw->memory().note_write(address, bytes);
    }
    void set_bits(Hpa address, uint64_t value, uint64_t bits, unsigned bytes) {
        if ((value & bits) == bits) return;
        uint8_t* target = map(address);
        for (unsigned i = 0; i < bytes; ++i) target[i] = static_cast<uint8_t>((value | bits) >> (8 * i));
        note_write(address, bytes);
    }
    void mark(std::span<const Entry> entries, bool dirty) {
        for (const Entry& entry : entries) {
            if (!locate_physical(entry.gpa, {AccessKind::Write, false, true}).ok()) continue;
            const bool leaf = &entry == &entries.back();
            const uint64_t bits = x86::pte::A | (leaf && dirty ? x86::pte::D : 0);
            set_bits(entry.hpa, entry.value, bits, x86::entry_bytes(root_.mode));
        }
    }
    void mark_ept(std::span<const Hpa> entries, bool dirty) {
        for (const Hpa& entry : entries) {
            const bool leaf = &entry == &entries.back();
            set_bits(entry, load(entry, 8), x86::ept::ACCESSED | (leaf && dirty ? x86::ept::DIRTY : 0), 8);
        }
    }

    void read_pdptes() {
        using x86::VmcsField;
        constexpr VmcsField kFields[] = {VmcsField::GUEST_PDPTE0, VmcsField::GUEST_PDPTE1,
                                         VmcsField::GUEST_PDPTE2, VmcsField::GUEST_PDPTE3};
        for (unsigned i = 0; i < 4; ++i) pdptes_[i] = core_.vmcs.read(kFields[i]);
    }

    // SDM Vol. 3A "Determination of Access Rights" (4.6.1), for explicit accesses.
    bool permits(const x86::GuestWalk& walk, Access access) const {
        if (root_.mode == x86::PagingMode::NONE) return true;
        if (access.user && !walk.user) return false;
        if (access.kind == AccessKind::Fetch) {
            if (!walk.executable) return false;
            return access.user || !walk.user || (cr4_ & x86::cr4::SMEP) == 0;
        }
        const bool smap = (cr4_ & x86::cr4::SMAP) != 0 && (rflags_ & x86::rflags::AC) == 0;
        if (!access.user && walk.user && smap) return false;
        const bool write_protect = access.user || (cr0_ & x86::cr0::WP) != 0;
        return access.kind == AccessKind::Read || walk.writable || !write_protect;
    }
    uint32_t error_code(const x86::GuestWalk& walk, Access access) const {
        using namespace x86;
        uint32_t code = access.kind == AccessKind::Write ? page_fault::WR : 0;
        if (access.user) code |= page_fault::US;
        if (walk.end != GuestWalk::End::NOT_PRESENT) code |= page_fault::P;
        if (walk.end == GuestWalk::End::RESERVED) code |= page_fault::RSVD;
        const bool fetch_reported = (efer_ & efer::NXE) != 0 || (cr4_ & cr4::SMEP) != 0;
        if (access.kind == AccessKind::Fetch && fetch_reported) code |= page_fault::ID;
        return code;
    }

    template <class Move>
    Located copy(Gva gva, size_t size, Access access, Move&& move) {
        const size_t first = std::min<size_t>(size, 0x1000 - gva.page_offset());
        const Located low = locate(gva, access);
        if (!low.ok()) return low;
        Located high;
        if (first != size && !(high = locate(gva + first, access)).ok()) return high;
        move_piece(low.hpa, 0, first, access, move);
        if (first != size) move_piece(high.hpa, first, size - first, access, move);
        return low;
    }
    template <class Move>
    void move_piece(Hpa hpa, size_t offset, size_t count, Access access, Move& move) {
        move(map(hpa), offset, count);
        if (access.kind == AccessKind::Write) note_write(hpa, count);
    }

    Core<Hw>& core_;
    uint64_t cr0_, cr4_, efer_, rflags_;
    std::array<uint64_t, 4> pdptes_{};
    x86::GuestRoot root_;
    bool user_;
};

}  // namespace vtless::vmx
