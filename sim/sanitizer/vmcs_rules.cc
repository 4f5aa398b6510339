// SPDX-License-Identifier: MIT
// Which VMCS is active where, and what becomes of its memory meanwhile.
// SDM Vol. 3C "Software Use of Virtual-Machine Control Structures" (25.11.1).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

void VmxWatch::check_owner(const VmxView& view, Hpa region, VmcsRecord& record, const char* instruction) {
    const int other = record.active_on;
    if (other == VmcsRecord::kInactive || other == static_cast<int>(processor_)) return;
    sanitizer_.report(Rule::VmcsTwoProcessors, site(view, region), {processor_, 0}, [&] {
        return fmt::format("{} on processor {}, while it is active on processor {}.", instruction, processor_,
                           other);
    });
}

// Reports the first difference, and takes the region as it is from then on.
void VmxWatch::check_image(const VmxView& view, Hpa region, VmcsRecord& record) {
    const uint8_t* bytes = view.memory.map(region);
    if (record.image.empty()) record.image.assign(bytes, bytes + HostMemory::kFrameSize);
    const auto [kept, found] = std::mismatch(record.image.begin(), record.image.end(), bytes);
    if (kept == record.image.end()) return;
    const auto offset = static_cast<uint64_t>(found - bytes) & ~uint64_t{7};
    uint64_t before;
    uint64_t now;
    std::memcpy(&before, record.image.data() + offset, sizeof before);
    std::memcpy(&now, bytes + offset, sizeof now);
    record.image.assign(bytes, bytes + HostMemory::kFrameSize);
    sanitizer_.report(Rule::VmcsMemoryReused, site(view, region), {0, 0}, [&] {
        return fmt::format("Bytes from {:#x} on were {:#018x} and are {:#018x}.", region.value() + offset,
                           before, now);
    });
}

void VmxWatch::before_vmxoff(const VmxView& view) {
    if (view.vmcs == nullptr) return;
    VmcsRecord* record = sanitizer_.record(view.vmcs->address());
    if (record != nullptr && record->active_on == static_cast<int>(processor_))
        check_image(view, view.vmcs->address(), *record);
}

void VmxWatch::before_vmclear(const VmxView& view, Hpa region) {
    VmcsRecord* record = sanitizer_.record(region);
    if (record == nullptr) return;
    check_owner(view, region, *record, "VMCLEAR");
    if (record->active_on == static_cast<int>(processor_)) check_image(view, region, *record);
    record->active_on = VmcsRecord::kInactive;
    record->image.clear();
    record->injection_waits = false;
    record->owed.reset();
    record->last_exit.reset();
}

void VmxWatch::after_vmptrld(const VmxView& view) {
    const Hpa region = view.vmcs->address();
    VmcsRecord* record = sanitizer_.record(region);
    if (record == nullptr) return;
    check_owner(view, region, *record, "VMPTRLD");
    const bool was_active = record->active_on == static_cast<int>(processor_);
    record->active_on = static_cast<int>(processor_);
    if (!was_active) {
        record->image.clear();
        record->uses_unchecked = true;
        // Data that VMCLEAR has written elsewhere, and software has copied here, were written there.
        if (!view.vmcs->restored()) record->written.reset();
        if (view.vmcs->restored() && !record->known) record->written.set();
        record->known = true;
    }
    check_image(view, region, *record);
}

}  // namespace vtless::sim
