// SPDX-License-Identifier: MIT
#include "sim/vmx/vmcs_store.h"

#include <cstring>

#include "isa/check.h"

namespace vtless::sim {
namespace {

constexpr unsigned kAbortIndicatorOffset = 4;
constexpr unsigned kDigestOffset = 8;
constexpr unsigned kDataOffset = 16;

uint64_t load(const uint8_t* bytes) {
    uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}
void store(uint8_t* bytes, uint64_t value) { std::memcpy(bytes, &value, sizeof value); }

// Tells data that VMCLEAR wrote from whatever else a region may hold.
uint64_t digest(const uint8_t* data) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < kSupportedFieldCount; ++i) {
        hash = (hash ^ load(data + i * 8)) * 0x100000001b3;
        hash ^= hash >> 29;
    }
    return hash;
}

}  // namespace

Vmcs& VmcsStore::activate(Hpa region) {
    auto& entry = active_[region.value()];
    if (entry != nullptr) return *entry;
    entry = std::make_unique<Vmcs>(region);
    const uint8_t* bytes = memory_->map(region);
    VTLESS_CHECK(bytes != nullptr);
    VTLESS_CHECK(kDataOffset + kSupportedFieldCount * 8 <= HostMemory::kFrameSize);
    if (digest(bytes + kDataOffset) != load(bytes + kDigestOffset)) return *entry;
    entry->set_restored();
    for (size_t i = 0; i < kSupportedFieldCount; ++i) {
        entry->set(kSupportedFields[i], load(bytes + kDataOffset + i * 8));
    }
    return *entry;
}

Vmcs* VmcsStore::find(Hpa region) {
    const auto found = active_.find(region.value());
    return found == active_.end() ? nullptr : found->second.get();
}

void VmcsStore::clear(Hpa region) {
    const auto found = active_.find(region.value());
    if (found == active_.end()) return;  // inactive VMCSs are always clear
    uint8_t* bytes = memory_->map(region);
    for (size_t i = 0; i < kSupportedFieldCount; ++i) {
        store(bytes + kDataOffset + i * 8, found->second->get(kSupportedFields[i]));
    }
    store(bytes + kDigestOffset, digest(bytes + kDataOffset));
    memory_->note_write(region, HostMemory::kFrameSize);
    active_.erase(found);
}

uint32_t VmcsStore::header(Hpa region) const {
    uint32_t value = ~uint32_t{0};  // what reads outside RAM give
    if (const uint8_t* bytes = memory_->map(region)) std::memcpy(&value, bytes, sizeof value);
    return value;
}

void VmcsStore::set_abort_indicator(Hpa region, uint32_t value) {
    std::memcpy(memory_->map(region) + kAbortIndicatorOffset, &value, sizeof value);
    memory_->note_write(region + kAbortIndicatorOffset, sizeof value);
}

}  // namespace vtless::sim
