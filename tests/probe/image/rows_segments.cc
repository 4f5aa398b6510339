// SPDX-License-Identifier: MIT
// Segments of the guest, in 64-bit, virtual-8086 and real mode.
// SDM Vol. 3C "Checks on Guest Segment Registers" (27.3.1.2).
#include "tests/probe/image/probe.h"

#include "isa/x86/vmx_controls.h"

namespace probe {
namespace {

using vtless::x86::EntryControls;
using vtless::x86::SecondaryControls;

constexpr unsigned kSegments = 8;
constexpr unsigned kCs = 1;
constexpr unsigned kSs = 2;

Field nth(Field first, unsigned segment) {
    return static_cast<Field>(static_cast<uint32_t>(first) + 2 * segment);
}
Field selector(unsigned segment) { return nth(Field::GUEST_ES_SELECTOR, segment); }
Field base(unsigned segment) { return nth(Field::GUEST_ES_BASE, segment); }
Field limit(unsigned segment) { return nth(Field::GUEST_ES_LIMIT, segment); }
Field rights(unsigned segment) { return nth(Field::GUEST_ES_ACCESS_RIGHTS, segment); }

void access_rights_rows(unsigned segment) {
    const uint64_t upper = baseline(rights(segment)) & ~0x100ffull;
    for (unsigned low = 0; low < 0x100; ++low) {
        begin_row();
        set(rights(segment), upper | low);
        key("rights", segment, low);
        enter_and_report();
    }
    for (unsigned high = 0; high < 0x10; ++high) {  // AVL, L, D/B, G
        begin_row();
        set(rights(segment), (baseline(rights(segment)) & 0xfff) | uint64_t{high} << 12);
        key("rights-high", segment, high);
        enter_and_report();
    }
}

void limit_rows(unsigned segment) {
    constexpr uint32_t kLimits[] = {0,        1,        0xfff,      0xffff,     0x10000,   0xfffff,
                                    0x100000, 0x100fff, 0xfffff000, 0xfffffffe, 0xffffffff};
    for (const uint32_t value : kLimits) {
        for (unsigned granularity = 0; granularity < 2; ++granularity) {
            begin_row();
            set(limit(segment), value);
            uint64_t word = segment == 6 ? 0x82 : baseline(rights(segment));
            word = (word & ~0x8000ull) | granularity << 15;
            set(rights(segment), word);
            key("limit", segment, value, granularity);
            enter_and_report();
        }
    }
}

// Types and privileges of CS and SS that go together or do not.
void privilege_rows() {
    for (const unsigned type : {1u, 3u, 8u, 9u, 10u, 11u, 12u, 13u, 15u}) {
        for (unsigned dpls = 0; dpls < 16; ++dpls) {
            for (unsigned rpls = 0; rpls < 16; ++rpls) {
                const unsigned cs_dpl = dpls & 3;
                const unsigned ss_dpl = dpls >> 2;
                begin_row();
                set(rights(kCs), 0xa090 | type | cs_dpl << 5);
                set(rights(kSs), 0xc093 | ss_dpl << 5);
                set(selector(kCs), 0x18 | (rpls & 3));
                set(selector(kSs), 0x10 | rpls >> 2);
                key("privilege", type, dpls, rpls);
                enter_and_report();
            }
        }
    }
}

// Each bit of each segment's parts in a mode that `prepare` sets up.
void mode_rows(const char* group, void (*prepare)()) {
    begin_row();
    prepare();
    key(group, 0, 0);
    enter_and_report();
    for (unsigned segment = 0; segment < kSegments; ++segment) {
        const Field parts[] = {selector(segment), base(segment), limit(segment), rights(segment)};
        for (const Field part : parts) {
            for (unsigned bit = 0; bit < access_bits(part); ++bit) {
                begin_row();
                prepare();
                if (segment == kCs && part == base(segment) && bit < 30) continue;  // other code
                set(part, get(part) ^ 1ull << bit);
                key(group, static_cast<uint32_t>(part), bit);
                enter_and_report();
            }
        }
    }
}

void leave_long_mode(uint64_t cr0, uint64_t cr4) {
    set(Field::VM_ENTRY_CONTROLS,
        baseline(Field::VM_ENTRY_CONTROLS) & ~uint64_t{EntryControls::IA32E_MODE_GUEST});
    set(Field::GUEST_IA32_EFER, 0);
    set(Field::GUEST_CR0, cr0);
    set(Field::GUEST_CR4, cr4);
    set(Field::GUEST_CR3, tables_32());
    set(rights(7), 0x8b);
}

void real_mode_segments(uint32_t access_rights) {
    const uint64_t code = address(guest_vmcall) & ~uint64_t{0xffff};
    for (unsigned segment = 0; segment < 6; ++segment) {
        set(selector(segment), segment == kCs ? code >> 4 : 0);
        set(base(segment), segment == kCs ? code : 0);
        set(limit(segment), 0xffff);
        set(rights(segment), access_rights);
    }
    set(Field::GUEST_RIP, address(guest_vmcall) & 0xffff);
    set(Field::GUEST_RSP, 0x800);
}

void virtual_8086() {
    leave_long_mode(0x80000021, 0x2010);
    set(Field::GUEST_RFLAGS, 0x20002);
    real_mode_segments(0xf3);
}

void real_mode() {
    set_controls(Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
                 SecondaryControls::ENABLE_EPT | SecondaryControls::UNRESTRICTED_GUEST);
    leave_long_mode(0x20, 0x2000);
    real_mode_segments(0x93);
}

void protected_32() {
    leave_long_mode(0x80000021, 0x2010);
    set(rights(kCs), 0xc09b);
}

// PAE paging whose PDPTEs are memory's. SDM Vol. 3C 27.3.1.6.
void pae() {
    leave_long_mode(0x80000021, 0x2020);
    set(Field::GUEST_CR3, tables_pae());
    set(rights(kCs), 0xc09b);
}

void pae_rows() {
    for (unsigned bit = 0; bit < 64; ++bit) {
        begin_row();
        pae();
        auto* const pdptes = reinterpret_cast<uint64_t*>(tables_pae());
        pdptes[3] = (bit == 0 ? 0 : 1) ^ 1ull << bit;
        key("pdpte", 0, bit);
        enter_and_report();
        pdptes[3] = 0;
        begin_row();
        pae();
        set_controls(Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, SecondaryControls::ENABLE_EPT);
        set(Field::GUEST_PDPTE0, pdptes[0]);
        set(Field::GUEST_PDPTE1, (bit == 0 ? 0 : 1) ^ 1ull << bit);
        key("pdpte", 1, bit);
        enter_and_report();
    }
}

}  // namespace

void segment_rows() {
    for (unsigned segment = 0; segment < kSegments; ++segment) {
        access_rights_rows(segment);
        limit_rows(segment);
    }
    privilege_rows();
    mode_rows("v8086", virtual_8086);
    mode_rows("real", real_mode);
    mode_rows("protected", protected_32);
    mode_rows("pae", pae);
    pae_rows();
}

}  // namespace probe
