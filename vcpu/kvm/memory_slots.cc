// SPDX-License-Identifier: MIT
// SDM Vol. 3C "The Extended Page Table Mechanism (EPT)" (29.3).
#include "vcpu/kvm/memory_slots.h"

#include <cstring>
#include <utility>

#include "isa/x86/msr.h"

namespace vtless::kvm {

namespace {

namespace ept = x86::ept;

constexpr uint64_t kPage = 4096;
constexpr unsigned kTopLevel = 4;

class Layout {
  public:
    Layout(const HostMemoryMap& memory, const SlotLimits& limits) : memory_(memory), limits_(limits) {}

    // rights: of the entries that lead here.
    Result<void> add_table(unsigned level, Hpa table, Gpa first, uint64_t rights) {
        const uint8_t* bytes = memory_(table);
        if (bytes == nullptr) return refuse_layout(LayoutRefusal::NoHostMemory, first);
        for (unsigned i = 0; i < ept::kEntriesPerTable; ++i) {
            uint64_t entry = 0;
            std::memcpy(&entry, bytes + i * sizeof entry, sizeof entry);
            const Gpa gpa = first + (uint64_t{i} << ept::page_shift(level));
            if (const auto added = add_entry(level, entry, gpa, rights); !added) return added;
        }
        return {};
    }
    std::vector<MemorySlot> take() { return std::move(slots_); }

  private:
    Result<void> add_entry(unsigned level, uint64_t entry, Gpa gpa, uint64_t rights) {
        if (!ept::is_present(entry, limits_.features)) return {};
        if ((entry & (ept::READ | ept::WRITE)) == ept::WRITE)
            return refuse_layout(LayoutRefusal::WriteWithoutRead, gpa);
        if ((entry & (ept::READ | ept::EXECUTE)) == ept::EXECUTE)
            return refuse_layout(LayoutRefusal::ExecuteOnly, gpa);
        if (ept::is_misconfigured(level, entry, limits_.features))
            return refuse_layout(LayoutRefusal::Misconfigured, gpa);
        if (!ept::is_leaf(level, entry))
            return add_table(level - 1, Hpa(ept::table_address(entry)), gpa, rights & entry);
        return add_leaf(level, entry, gpa, rights & entry);
    }

    Result<void> add_leaf(unsigned level, uint64_t entry, Gpa gpa, uint64_t rights) {
        if (!ept::is_present(rights, limits_.features)) return {};  // the tables above take all rights away
        if (const auto why = why_not(rights)) return refuse_layout(*why, gpa);
        if (ept::MemoryTypeField::get(entry) != x86::MemoryType::WB)
            return refuse_layout(LayoutRefusal::MemoryType, gpa);
        const Hpa hpa(ept::leaf_address(level, entry));
        const bool read_only = (rights & ept::WRITE) == 0;
        for (uint64_t offset = 0; offset >> ept::page_shift(level) == 0; offset += kPage) {
            uint8_t* host = memory_(hpa + offset);
            if (const auto added = add_page(gpa + offset, host, read_only); !added) return added;
        }
        return {};
    }

    std::optional<LayoutRefusal> why_not(uint64_t rights) const {
        const bool user = limits_.features.mode_based_execute && (rights & ept::USER_EXECUTE) != 0;
        const bool execute = (rights & ept::EXECUTE) != 0;
        if (limits_.features.mode_based_execute && user != execute) return LayoutRefusal::SupervisorUserSplit;
        if ((rights & ept::READ) == 0) return LayoutRefusal::ExecuteOnly;
        if (!execute) return LayoutRefusal::NoExecute;
        if ((rights & ept::WRITE) == 0 && !limits_.read_only) return LayoutRefusal::ReadOnlyUnsupported;
        return std::nullopt;
    }

    Result<void> add_page(Gpa gpa, uint8_t* host, bool read_only) {
        if (limits_.kernel_apics && gpa == Gpa(x86::apic_base::kDefaultAddress))
            return refuse_layout(LayoutRefusal::ApicPage, gpa);
        if (host == nullptr) return refuse_layout(LayoutRefusal::NoHostMemory, gpa);
        if (reinterpret_cast<uintptr_t>(host) % kPage != 0)
            return refuse_layout(LayoutRefusal::Unaligned, gpa);
        if (!slots_.empty()) {
            MemorySlot& last = slots_.back();
            if (last.read_only == read_only && last.guest + last.bytes == gpa &&
                last.host + last.bytes == host) {
                last.bytes += kPage;
                return {};
            }
        }
        if (slots_.size() == limits_.slots) return refuse_layout(LayoutRefusal::TooManySlots, gpa);
        slots_.push_back({gpa, kPage, host, read_only});
        return {};
    }

    const HostMemoryMap& memory_;
    const SlotLimits& limits_;
    std::vector<MemorySlot> slots_;
};

}  // namespace

Result<std::vector<MemorySlot>> memory_slots(Hpa ept_root, const HostMemoryMap& memory,
                                             const SlotLimits& limits) {
    Layout layout(memory, limits);
    const uint64_t all = ept::RWX | (limits.features.mode_based_execute ? ept::USER_EXECUTE : 0);
    if (const auto added = layout.add_table(kTopLevel, ept_root, Gpa(0), all); !added)
        return Unexpected(added.error());
    return layout.take();
}

}  // namespace vtless::kvm
