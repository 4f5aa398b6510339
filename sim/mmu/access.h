// SPDX-License-Identifier: MIT
// What an access to a linear address wants, what it got, and why it did not get it.
#pragma once

#include <array>
#include <cstdint>

#include "isa/addr.h"

namespace vtless::sim {

enum class AccessType : uint8_t { Read, Write, Fetch };

// SDM Vol. 3A "Determination of Access Rights" (4.6).
struct Access {
    AccessType type = AccessType::Read;
    bool user = false;      // user-mode access: explicit, and CPL = 3
    bool ac_flag = false;   // RFLAGS.AC, which suspends SMAP for explicit supervisor-mode accesses
    bool implicit = false;  // implicit supervisor-mode access (descriptor tables, TSS): SMAP ignores AC

    static constexpr Access supervisor(AccessType type) { return {type, false, false, false}; }
    static constexpr Access implicit_supervisor(AccessType type) { return {type, false, false, true}; }

    friend constexpr bool operator==(const Access&, const Access&) = default;
};

// The registers that select and control linear-address translation.
struct PagingState {
    uint64_t cr0 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    uint64_t efer = 0;
    std::array<uint64_t, 4> pdptes{};  // PAE paging: the PDPTE registers, not memory

    friend constexpr bool operator==(const PagingState&, const PagingState&) = default;
};

// Of one 4 KiB page, for the privilege of the access that asked.
struct Translation {
    Hpa hpa;  // of the byte asked for
    Gpa gpa;
    bool readable = false;    // loads need no walk: not so of code that EPT or SMAP lets run only
    bool writable = false;    // stores need no walk: permitted, and dirty at both levels already
    bool executable = false;  // fetches need no walk
    bool user = false;        // a user-mode page
    bool backed = false;      // hpa is RAM
    uint64_t page_size = 0;   // bytes: the smaller of the guest's and EPT's page, at least 4 KiB
};

struct MmuFault {
    enum class Kind : uint8_t {
        None,
        NonCanonical,
        PageFault,
        EptViolation,
        EptMisconfiguration,
        PageModificationLogFull,
        ApicAccess,
    };

    Kind kind = Kind::None;
    bool suppress_ve = false;    // EptViolation: bit 63 of the EPT entry that ended the walk
    uint32_t error_code = 0;     // PageFault
    Gva gva;                     // the exact address; undefined where the access has no linear address
    Gpa gpa;                     // what EPT does
    uint64_t qualification = 0;  // EptViolation, ApicAccess: as the VMCS holds it, SDM Vol. 3C 28.2.1

    constexpr explicit operator bool() const { return kind != Kind::None; }
    constexpr bool of_ept() const { return kind >= Kind::EptViolation; }
    friend constexpr bool operator==(const MmuFault&, const MmuFault&) = default;
};

}  // namespace vtless::sim
