// SPDX-License-Identifier: MIT
// Why a processor refused to enter a guest, for the caller of VCpu::run.
#pragma once

#include <cstdint>

namespace vtless {

// The check that failed. All texts are the processor's, good until it enters a guest again. On silicon, which
// says no more than a number, there is none.
struct EntryExplanation {
    const char* id = "";        // stable, like "guest.rflags.if"
    const char* section = "";   // of the manual that states the check: title and number
    const char* sentence = "";  // what the check asks for
    const char* field = "";     // by the manual's name
    uint64_t value = 0;         // what the field held
    const char* allowed = "";   // which values it could hold instead, the other fields being as they are
};

}  // namespace vtless
