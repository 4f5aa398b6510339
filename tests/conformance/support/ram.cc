// SPDX-License-Identifier: MIT
#include "tests/conformance/support/ram.h"

#include <stdexcept>

#include "isa/x86/ept.h"
#include "tests/conformance/support/layout.h"

namespace vtless::conformance {
namespace {

constexpr uint64_t kHostBytes = 16 << 20;
constexpr uint64_t kPage = 4096;

sim::HostMemory create_memory() {
    auto created = sim::HostMemory::create(kHostBytes);
    require(created.has_value(), "host memory");
    return std::move(*created);
}

vmm::EptTable<sim::HostMemory> create_ept(sim::HostMemory& memory) {
    auto created = vmm::EptTable<sim::HostMemory>::create(memory);
    require(created.has_value(), "EPT root");
    return std::move(*created);
}

}  // namespace

void require(bool good, const char* what) {
    if (!good) throw std::runtime_error(what);
}

Ram::Ram() : host_(create_memory()), ept_(create_ept(host_)) {
    Hpa ram;
    require(host_.allocate_frames(layout::kRamBytes / kPage, layout::kSmallPages, ram), "guest memory");
    require(guest_.add({Gpa(0), layout::kRamBytes, ram, host_.map(ram)}), "guest memory");
    guest_.set_write_listener([this](Hpa first, uint64_t bytes) { host_.note_write(first, bytes); });
    for (uint64_t page = 0; page < layout::kSmallPages; page += kPage)
        require(ept_.map({Gpa(page), ram + page, kPage}), "EPT");
    const uint64_t rest = layout::kRamBytes - layout::kSmallPages;
    require(ept_.map({Gpa(layout::kSmallPages), ram + layout::kSmallPages, rest}), "EPT");
}

uint64_t& Ram::ept_entry(Gpa page) {
    Hpa table = ept_.root();
    for (unsigned level = 4;; --level) {
        auto* entries = reinterpret_cast<uint64_t*>(host_.map(table));
        uint64_t& entry = entries[x86::ept::table_index(level, page.value())];
        if (level == 1 || x86::ept::is_leaf(level, entry)) return entry;
        table = Hpa(x86::ept::table_address(entry));
    }
}

}  // namespace vtless::conformance
