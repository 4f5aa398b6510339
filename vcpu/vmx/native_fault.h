// SPDX-License-Identifier: MIT
// Instructions that may fault, in the hypervisor's own code: where each goes on instead, in a table that the
// hypervisor's handlers of #UD and #GP look things up in.
#pragma once

#include <cstdint>

#include "isa/x86/exception.h"
#include "isa/x86/vmx_status.h"

// TEXT, an instruction, with R11 = 0 behind it, or the fault that it raised, as NativeFault encodes it. Its
// flags are meaningless after a fault. The table's section goes where the function goes: out with it, if the
// linker has another copy.
#define VTLESS_MAY_FAULT(text)                               \
    "xor %%r11d, %%r11d\n"                                   \
    "771: " text                                             \
    "\n"                                                     \
    "772:\n"                                                 \
    ".pushsection vtless_native_faults, \"a?\", @progbits\n" \
    ".balign 4\n"                                            \
    ".long 771b - ., 772b - .\n"                             \
    ".popsection\n"

namespace vtless::vmx {

// How R11 holds a fault; 0 is none.
struct NativeFault {
    uint64_t raw = 0;

    static constexpr uint64_t kFaulted = uint64_t{1} << 63;
    static constexpr NativeFault make(x86::Vector vector, uint32_t error_code) {
        return {kFaulted | uint64_t{error_code} << 8 | static_cast<uint8_t>(vector)};
    }
    constexpr bool faulted() const { return raw != 0; }
    constexpr x86::VmxStatus status() const {
        return x86::VmxStatus::fault(static_cast<x86::Vector>(raw & 0xff), static_cast<uint32_t>(raw >> 8));
    }
};

// One entry: both addresses are relative to the word that holds them.
struct NativeFixup {
    int32_t at;
    int32_t resume;
};

extern "C" {
// The linker's names for the ends of a section. Null in a program without any.
[[gnu::weak, gnu::visibility("hidden")]] extern const NativeFixup __start_vtless_native_faults[];
[[gnu::weak, gnu::visibility("hidden")]] extern const NativeFixup __stop_vtless_native_faults[];
}

// To be called by the handlers of #UD and #GP with what the interrupted code's RIP and R11 are. True: the
// fault is one of NativeVmx's instructions'; both are changed, and the handler returns to there.
inline bool recover_native_fault(x86::Vector vector, uint32_t error_code, uint64_t& rip, uint64_t& r11) {
    const auto target = [](const int32_t& word) {
        return reinterpret_cast<uint64_t>(&word) + static_cast<uint64_t>(int64_t{word});
    };
    for (const NativeFixup* entry = __start_vtless_native_faults; entry != __stop_vtless_native_faults;
         ++entry) {
        if (target(entry->at) != rip) continue;
        rip = target(entry->resume);
        r11 = NativeFault::make(vector, error_code).raw;
        return true;
    }
    return false;
}

}  // namespace vtless::vmx
