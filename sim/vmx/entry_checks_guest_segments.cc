// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Checks on Guest Segment Registers" (27.3.1.2).
#include <array>

#include "isa/x86/control_regs.h"
#include "isa/x86/segment.h"
#include "sim/vmx/entry_checks.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;
using x86::AccessRights;
using x86::SegmentRegister;

// The fields of one segment register, and its checks.
struct SegmentFields {
    SegmentRegister index;
    F selector, base, limit, rights;
    struct {
        CheckId base, type, code_or_data, present, reserved, granularity;
    } id;
};
struct DataSegment : SegmentFields {
    struct {
        CheckId dpl, v8086_base, v8086_limit, v8086_rights;
    } more;
};

#define VTLESS_SEGMENT(NAME, name)                                                                          \
    {                                                                                                       \
        SegmentRegister::NAME, F::GUEST_##NAME##_SELECTOR, F::GUEST_##NAME##_BASE, F::GUEST_##NAME##_LIMIT, \
            F::GUEST_##NAME##_ACCESS_RIGHTS, {                                                              \
            "guest." name ".base", "guest." name ".type", "guest." name ".s", "guest." name ".p",           \
                "guest." name ".reserved", "guest." name ".g"                                               \
        }                                                                                                   \
    }
#define VTLESS_DATA_SEGMENT(NAME, name)                                                      \
    {                                                                                        \
        VTLESS_SEGMENT(NAME, name), {                                                        \
            "guest." name ".dpl", "guest." name ".v8086_base", "guest." name ".v8086_limit", \
                "guest." name ".v8086_rights"                                                \
        }                                                                                    \
    }
constexpr std::array<DataSegment, 6> kSegments = {
    {VTLESS_DATA_SEGMENT(ES, "es"), VTLESS_DATA_SEGMENT(CS, "cs"), VTLESS_DATA_SEGMENT(SS, "ss"),
     VTLESS_DATA_SEGMENT(DS, "ds"), VTLESS_DATA_SEGMENT(FS, "fs"), VTLESS_DATA_SEGMENT(GS, "gs")}};
constexpr SegmentFields kLdtr = VTLESS_SEGMENT(LDTR, "ldtr");
constexpr SegmentFields kTr = VTLESS_SEGMENT(TR, "tr");
#undef VTLESS_DATA_SEGMENT
#undef VTLESS_SEGMENT

AccessRights rights_of(const EntryChecker& c, const SegmentFields& s) { return {c.get32(s.rights)}; }
bool usable(const EntryChecker& c, const SegmentFields& s) { return !rights_of(c, s).unusable(); }

bool check_selectors(EntryChecker& c) {
    const auto ss = c.get16(F::GUEST_SS_SELECTOR);
    const auto cs = c.get16(F::GUEST_CS_SELECTOR);
    return c.require(!x86::selector_is_ldt(c.get16(F::GUEST_TR_SELECTOR)), "guest.tr.selector",
                     F::GUEST_TR_SELECTOR) &&
           c.require(!usable(c, kLdtr) || !x86::selector_is_ldt(c.get16(F::GUEST_LDTR_SELECTOR)),
                     "guest.ldtr.selector", F::GUEST_LDTR_SELECTOR) &&
           c.require(c.v8086_guest() || c.unrestricted() || x86::selector_rpl(ss) == x86::selector_rpl(cs),
                     "guest.ss.selector", F::GUEST_SS_SELECTOR);
}

bool check_v8086_segment(EntryChecker& c, const DataSegment& s) {
    return c.require(c.get(s.base) == c.get(s.selector) << 4, s.more.v8086_base, s.base) &&
           c.require(c.get(s.limit) == 0xffff, s.more.v8086_limit, s.limit) &&
           c.require(c.get(s.rights) == 0xf3, s.more.v8086_rights, s.rights);
}

bool check_base(EntryChecker& c, const SegmentFields& s) {
    const uint64_t base = c.get(s.base);
    const bool wide = s.index == SegmentRegister::FS || s.index == SegmentRegister::GS;
    if (wide) {
        return c.require(is_canonical(base, c.capabilities.linear_bits), s.id.base, s.base);
    }
    const bool checked = s.index == SegmentRegister::CS || usable(c, s);
    return c.require(!checked || (base >> 32) == 0, s.id.base, s.base);
}

bool type_allowed(const EntryChecker& c, SegmentRegister index, AccessRights rights) {
    const unsigned type = rights.type();
    if (index == SegmentRegister::CS) return (type & 9) == 9 || (c.unrestricted() && type == 3);
    if (index == SegmentRegister::SS) return type == 3 || type == 7;
    const bool accessed = (type & x86::segment_type::ACCESSED) != 0;
    const bool code = (type & x86::segment_type::CODE) != 0;
    return accessed && (!code || (type & x86::segment_type::READABLE) != 0);
}

bool cs_dpl_allowed(const EntryChecker& c) {
    const AccessRights cs{c.get32(F::GUEST_CS_ACCESS_RIGHTS)};
    const AccessRights ss{c.get32(F::GUEST_SS_ACCESS_RIGHTS)};
    switch (cs.type()) {
        case 3:
            return cs.dpl() == 0;
        case 9:
        case 11:
            return cs.dpl() == ss.dpl();
        default:
            return cs.dpl() <= ss.dpl();
    }
}

bool ss_dpl_allowed(const EntryChecker& c) {
    const AccessRights cs{c.get32(F::GUEST_CS_ACCESS_RIGHTS)};
    const AccessRights ss{c.get32(F::GUEST_SS_ACCESS_RIGHTS)};
    const bool real_mode = (c.get(F::GUEST_CR0) & x86::cr0::PE) == 0;
    if (!c.unrestricted() && ss.dpl() != x86::selector_rpl(c.get16(F::GUEST_SS_SELECTOR))) return false;
    return (cs.type() != 3 && !real_mode) || ss.dpl() == 0;
}

// The rule for SS holds whether it is usable or not.
bool dpl_allowed(const EntryChecker& c, const SegmentFields& s) {
    if (s.index == SegmentRegister::CS) return cs_dpl_allowed(c);
    if (s.index == SegmentRegister::SS) return ss_dpl_allowed(c);
    const AccessRights rights = rights_of(c, s);
    if (c.unrestricted() || rights.unusable() || rights.type() > 11) return true;
    return rights.dpl() >= x86::selector_rpl(c.get16(s.selector));
}

bool granularity_allowed(uint64_t limit, AccessRights rights) {
    if ((limit & 0xfff) != 0xfff && rights.granularity()) return false;
    return (limit >> 20) == 0 || rights.granularity();
}

bool check_rights(EntryChecker& c, const DataSegment& s) {
    const AccessRights rights = rights_of(c, s);
    const bool checked = s.index == SegmentRegister::CS || !rights.unusable();
    return c.require(!checked || type_allowed(c, s.index, rights), s.id.type, s.rights) &&
           c.require(!checked || rights.code_or_data(), s.id.code_or_data, s.rights) &&
           c.require(dpl_allowed(c, s), s.more.dpl, s.rights) &&
           c.require(!checked || rights.present(), s.id.present, s.rights) &&
           c.require(!checked || (rights.raw & AccessRights::kReserved) == 0, s.id.reserved, s.rights) &&
           c.require(!checked || granularity_allowed(c.get(s.limit), rights), s.id.granularity, s.rights);
}

bool check_cs_size(EntryChecker& c) {
    const AccessRights cs{c.get32(F::GUEST_CS_ACCESS_RIGHTS)};
    return c.require(!c.ia32e_guest() || !cs.long_mode() || !cs.default_big(), "guest.cs.l_and_d",
                     F::GUEST_CS_ACCESS_RIGHTS);
}

bool check_system_segment(EntryChecker& c, const SegmentFields& s, bool type_ok) {
    const AccessRights rights = rights_of(c, s);
    return c.require(is_canonical(c.get(s.base), c.capabilities.linear_bits), s.id.base, s.base) &&
           c.require(type_ok, s.id.type, s.rights) &&
           c.require(!rights.code_or_data(), s.id.code_or_data, s.rights) &&
           c.require(rights.present(), s.id.present, s.rights) &&
           c.require((rights.raw & AccessRights::kReserved) == 0, s.id.reserved, s.rights) &&
           c.require(granularity_allowed(c.get(s.limit), rights), s.id.granularity, s.rights);
}

bool check_tr(EntryChecker& c) {
    const AccessRights rights = rights_of(c, kTr);
    const bool busy16 = rights.type() == static_cast<unsigned>(x86::SystemType::TSS16_BUSY);
    const bool busy = rights.type() == static_cast<unsigned>(x86::SystemType::TSS32_BUSY);
    return c.require(!rights.unusable(), "guest.tr.unusable", F::GUEST_TR_ACCESS_RIGHTS) &&
           check_system_segment(c, kTr, busy || (busy16 && !c.ia32e_guest()));
}

bool check_ldtr(EntryChecker& c) {
    const AccessRights rights = rights_of(c, kLdtr);
    if (rights.unusable()) return true;
    return check_system_segment(c, kLdtr, rights.type() == static_cast<unsigned>(x86::SystemType::LDT));
}

}  // namespace

bool check_guest_segments(EntryChecker& c) {
    if (!check_selectors(c)) return false;
    for (const DataSegment& segment : kSegments) {
        const bool ok = c.v8086_guest() ? check_v8086_segment(c, segment)
                                        : check_base(c, segment) && check_rights(c, segment);
        if (!ok) return false;
    }
    return (c.v8086_guest() || check_cs_size(c)) && check_tr(c) && check_ldtr(c);
}

}  // namespace vtless::sim
