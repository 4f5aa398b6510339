// SPDX-License-Identifier: MIT
// Where a VMCS field lives and how it may be accessed: tables built at compile time from the encodings, so
// that VMREAD of a stored field is one table look-up and one load.
#pragma once

#include <array>
#include <cstdint>

#include "isa/x86/vmcs_field.h"

namespace vtless::sim {

// Width (2 bits), type (2 bits) and index (6 bits: no field of the SDM has a higher one) of the encoding.
inline constexpr unsigned kVmcsSlots = 1024;
constexpr unsigned vmcs_slot(x86::VmcsField field) {
    const uint32_t raw = x86::encoding(field);
    return ((raw >> 5) & 0x300) | ((raw >> 4) & 0xc0) | ((raw >> 1) & 0x3f);
}

// Bits of an encoding that no field uses: a set one means that there is no such component.
inline constexpr uint32_t kVmcsEncodingReserved = ~uint32_t{0x6c7f};
inline constexpr uint32_t kVmcsEncodingHigh = 1;

// Guest state that stays in the engine between a VM exit and the next entry. The order is that of
// live_fields.cc's table.
enum class LiveField : uint8_t {
    RIP,
    RSP,
    RFLAGS,  // single registers of the engine: cheap
    ES_SELECTOR,
    CS_SELECTOR,
    SS_SELECTOR,
    DS_SELECTOR,
    FS_SELECTOR,
    GS_SELECTOR,
    LDTR_SELECTOR,
    TR_SELECTOR,
    ES_BASE,
    CS_BASE,
    SS_BASE,
    DS_BASE,
    FS_BASE,
    GS_BASE,
    LDTR_BASE,
    TR_BASE,
    ES_LIMIT,
    CS_LIMIT,
    SS_LIMIT,
    DS_LIMIT,
    FS_LIMIT,
    GS_LIMIT,
    LDTR_LIMIT,
    TR_LIMIT,
    ES_RIGHTS,
    CS_RIGHTS,
    SS_RIGHTS,
    DS_RIGHTS,
    FS_RIGHTS,
    GS_RIGHTS,
    LDTR_RIGHTS,
    TR_RIGHTS,
    GDTR_BASE,
    GDTR_LIMIT,
    IDTR_BASE,
    IDTR_LIMIT,
    CR0,
    CR3,
    CR4,
    EFER,
    SYSENTER_CS,
    SYSENTER_ESP,
    SYSENTER_EIP,
    INTERRUPTIBILITY,  // not in the state image: Engine and GuestState know it
};
inline constexpr unsigned kLiveFields = 47;
inline constexpr uint8_t kNotLive = 0xff;

using LiveMask = uint64_t;
constexpr LiveMask live_bit(LiveField field) { return LiveMask{1} << static_cast<unsigned>(field); }
inline constexpr LiveMask kAllLive = (LiveMask{1} << kLiveFields) - 1;
inline constexpr LiveMask kCheapLive =
    live_bit(LiveField::RIP) | live_bit(LiveField::RSP) | live_bit(LiveField::RFLAGS);

// What VM entry has to look at again after a field was written.
enum class CheckGroup : uint8_t {
    ExecutionControls,
    ExitControls,
    EntryControls,
    EventInjection,
    Host,
    GuestRegisters,
    GuestSegments,
    GuestTables,
    GuestRip,
    GuestNonRegister,
    GuestPdptes,
    TprThreshold,
};
inline constexpr unsigned kCheckGroups = 12;
using CheckGroups = uint32_t;
constexpr CheckGroups group_bit(CheckGroup group) {
    return static_cast<CheckGroups>(1u << static_cast<unsigned>(group));
}
inline constexpr CheckGroups kAllCheckGroups = (1u << kCheckGroups) - 1;

struct VmcsFieldInfo {
    bool supported = false;
    bool stored = false;  // supported, and the VMCS itself always holds the value
    bool read_only = false;
    uint8_t live = kNotLive;  // LiveField
    CheckGroups groups = 0;   // check groups that a VMWRITE makes stale
};

extern const std::array<VmcsFieldInfo, kVmcsSlots> kVmcsFieldInfo;
// Every supported field, HIGH accesses left out, in ascending order of encoding.
extern const x86::VmcsField* const kSupportedFields;
extern const unsigned kSupportedFieldCount;
x86::VmcsField live_field_encoding(LiveField field);

inline const VmcsFieldInfo& vmcs_field_info(x86::VmcsField field) { return kVmcsFieldInfo[vmcs_slot(field)]; }

// IA32_VMX_VMCS_ENUM bits 9:1: the highest index of a supported field.
unsigned highest_vmcs_index();

}  // namespace vtless::sim
