// SPDX-License-Identifier: MIT
// The bitmaps that decide which I/O and MSR accesses exit. SDM Vol. 3C "I/O-Bitmap Addresses" (25.6.4),
// "MSR-Bitmap Address" (25.6.9).
#pragma once

#include <algorithm>
#include <cstdint>

#include "vcpu/vmx/config.h"
#include "vcpu/vmx/failure.h"

namespace vtless::vmx {

namespace bitmap_detail {

inline void assign(uint8_t* bitmap, unsigned index, bool set) {
    const auto mask = static_cast<uint8_t>(1u << (index % 8));
    uint8_t& byte = bitmap[index / 8];
    byte = static_cast<uint8_t>(set ? byte | mask : byte & ~mask);
}

}  // namespace bitmap_detail

// a: ports 0 to 7FFF, b: 8000 to FFFF; 4096 bytes each. A set bit exits.
inline void fill_io_bitmaps(const SetupConfig& config, uint8_t* a, uint8_t* b) {
    const uint8_t fill = config.pass_all_ports ? 0x00 : 0xff;
    std::fill_n(a, 4096, fill);
    std::fill_n(b, 4096, fill);
    const auto assign = [a, b](unsigned port, bool exits) {
        bitmap_detail::assign(port < 0x8000 ? a : b, port % 0x8000, exits);
    };
    for (const PortRange& range : config.passed_ports)
        for (unsigned port = range.first; port <= range.last; ++port) assign(port, false);
    if (config.power_off.enabled) assign(config.power_off.port, true);
}

inline MsrPassThroughList without(const MsrPassThroughList& list, x86::Msr msr) {
    MsrPassThroughList kept;
    for (const MsrPassThrough& item : list)
        if (item.msr != msr) kept.push_back(item);
    return kept;
}

// Reads of MSRs 0 to 1FFF, of C0000000 to C0001FFF, then the same for writes; 1024 bytes each.
// InvalidInput names an MSR that no bitmap covers: it always exits.
inline Result<void> fill_msr_bitmap(const MsrPassThroughList& passed, uint8_t* bitmap) {
    std::fill_n(bitmap, 4096, uint8_t{0xff});
    for (const MsrPassThrough& item : passed) {
        const auto msr = static_cast<uint32_t>(item.msr);
        const bool high = msr >= 0xc0000000;
        if ((high ? msr - 0xc0000000 : msr) > 0x1fff) return fail(VCpuErrc::InvalidInput, msr);
        uint8_t* reads = bitmap + (high ? 1024 : 0);
        if (item.read) bitmap_detail::assign(reads, msr & 0x1fff, false);
        if (item.write) bitmap_detail::assign(reads + 2048, msr & 0x1fff, false);
    }
    return {};
}

}  // namespace vtless::vmx
