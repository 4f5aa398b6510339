// SPDX-License-Identifier: MIT
// Where each field of the processor's state lies in an Image, found by loading sentinels and looking for
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/engine/support/image.h"

namespace vtless::engine_test {

// QEMU's cached translation flags, as far as a state load must set them.
enum HFlags : uint32_t {
    kHfCplMask = 3,
    kHfInhibitIrq = 1u << 3,
    kHfCs32 = 1u << 4,
    kHfSs32 = 1u << 5,
    kHfAddSeg = 1u << 6,
    kHfPe = 1u << 7,
    kHfLma = 1u << 14,
    kHfCs64 = 1u << 15,
    kHfSvme = 1u << 20,
    kHfGuest = 1u << 21,
    kHfOsfxsr = 1u << 22,
    kHfSmap = 1u << 23,
};

struct ImageLayout {
    // A segment is: selector u32, padding, base u64, limit u32, flags u32.
    static constexpr size_t kSelector = 0, kBase = 8, kLimit = 16, kFlags = 20, kSegmentSize = 24;

    size_t rax, rip, rflags, cc_src, cc_op, df, hflags;
    size_t es, cs, ss, ds, fs, gs, ldtr, tr, gdtr, idtr;
    size_t cr0, cr2, cr3, cr4, efer;
    size_t sysenter_cs, sysenter_esp, sysenter_eip, star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, pat;
    size_t error_code, dr0, dr6, dr7;
    size_t intercept, intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write;
    size_t intercept_exceptions;

    // Probes once. Empty `problem` when each field was found exactly once.
    static const ImageLayout& get();
    std::string problem;

    // What hflags must be for the segments, control registers and RFLAGS that the image holds.
    uint32_t hflags_for(const Image& image) const;
};

}  // namespace vtless::engine_test
