// SPDX-License-Identifier: MIT
// Rows that change one field of the baseline: each bit, and the values at the edges of what is canonical or
// fits.
#include "tests/probe/image/probe.h"

#include "isa/x86/vmx_controls.h"

namespace probe {
namespace {

using vtless::x86::EntryControls;
using vtless::x86::ExitControls;
using vtless::x86::PrimaryControls;
using vtless::x86::SecondaryControls;
namespace x86 = vtless::x86;

bool is_canonical(uint64_t value) { return (value + (1ull << 47)) >> 48 == 0; }

// Values that would make the probe itself, or a guest, run where nobody can tell what happens. Other entries
// of these are covered where they cannot be accepted.
bool is_safe(Field field, uint64_t value) {
    const uint64_t frame = ((1ull << physical_bits()) - 1) & ~0xfffull;
    switch (field) {
        case Field::HOST_RIP:
            return !is_canonical(value);
        case Field::GUEST_RIP:
            return (value >> 30) != 0;
        case Field::HOST_CR3:
        case Field::GUEST_CR3:
            return ((value ^ baseline(field)) & frame) == 0;
        case Field::VM_EXIT_MSR_STORE_COUNT:
        case Field::VM_EXIT_MSR_LOAD_COUNT:
            return value == 0;  // a VMX abort is the end
        case Field::GUEST_ACTIVITY_STATE:
            return value != 3;  // wait-for-SIPI: nobody sends one
        default:
            return true;
    }
}

void row(const char* group, Field field, uint64_t value, uint64_t number) {
    if (!is_safe(field, value)) return;
    set(field, value);
    key(group, static_cast<uint32_t>(field), number);
    enter_and_report();
}

void bits_of(Field field) {
    for (unsigned bit = 0; bit < access_bits(field); ++bit) {
        begin_row();
        row("bit", field, baseline(field) ^ 1ull << bit, bit);
    }
}

// Both sides of each boundary that an address or a word can have.
void edges_of(Field field) {
    const uint64_t width = 1ull << physical_bits();
    const uint64_t edges[] = {0,
                              1,
                              0xfff,
                              0x1000,
                              0xffff,
                              0x10000,
                              0xfffff,
                              0x100000,
                              0x7fffffff,
                              0x80000000,
                              0xfffffff0,
                              0xfffff000,
                              0xffffffff,
                              0x100000000,
                              width - 0x1000,
                              width - 16,
                              width - 1,
                              width,
                              0x7fffffffffff,
                              0x800000000000,
                              0xffff7fffffffffff,
                              0xffff800000000000,
                              0x7fffffffffffffff,
                              0x8000000000000000,
                              0xfffffffffffff000,
                              ~0ull};
    unsigned number = 0;
    for (const uint64_t value : edges) {
        ++number;
        if ((value & x86::access_mask(field)) != value) continue;
        begin_row();
        row("edge", field, value, number);
    }
}

// Fields that mean something only under a control.
struct Conditional {
    Field control;
    uint32_t bits;
    Field field;
};
constexpr Field kPrimary = Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr Field kSecondary = Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS;
constexpr Conditional kConditional[] = {
    {kPrimary, PrimaryControls::USE_IO_BITMAPS, Field::IO_BITMAP_A},
    {kPrimary, PrimaryControls::USE_IO_BITMAPS, Field::IO_BITMAP_B},
    {kPrimary, PrimaryControls::USE_MSR_BITMAPS, Field::MSR_BITMAP},
    {kPrimary, PrimaryControls::USE_TPR_SHADOW, Field::VIRTUAL_APIC_ADDRESS},
    {kPrimary, PrimaryControls::USE_TPR_SHADOW, Field::TPR_THRESHOLD},
    {kSecondary, SecondaryControls::ENABLE_EPT, Field::EPT_POINTER},
    {kSecondary, SecondaryControls::ENABLE_VPID, Field::VPID},
    {Field::VM_ENTRY_CONTROLS, EntryControls::LOAD_IA32_PAT, Field::GUEST_IA32_PAT},
    {Field::VM_ENTRY_CONTROLS, EntryControls::LOAD_DEBUG_CONTROLS, Field::GUEST_DR7},
    {Field::VM_ENTRY_CONTROLS, EntryControls::LOAD_DEBUG_CONTROLS, Field::GUEST_IA32_DEBUGCTL},
    {Field::VM_ENTRY_CONTROLS, EntryControls::LOAD_IA32_PERF_GLOBAL_CTRL, Field::GUEST_IA32_PERF_GLOBAL_CTRL},
    {Field::VM_EXIT_CONTROLS, ExitControls::LOAD_IA32_PAT, Field::HOST_IA32_PAT},
    {Field::VM_EXIT_CONTROLS, ExitControls::LOAD_IA32_PERF_GLOBAL_CTRL, Field::HOST_IA32_PERF_GLOBAL_CTRL},
    {kSecondary, SecondaryControls::ENABLE_EPT | SecondaryControls::UNRESTRICTED_GUEST, Field::GUEST_CR0},
};

void conditional_rows(const Conditional& condition) {
    const uint32_t word = static_cast<uint32_t>(baseline(condition.control)) | condition.bits;
    for (unsigned bit = 0; bit < access_bits(condition.field); ++bit) {
        // Another EPT in RAM, or where Bochs and we have no memory.
        if (condition.field == Field::EPT_POINTER && bit >= 12 && bit < physical_bits()) continue;
        begin_row();
        set(condition.control, word);
        key("if", static_cast<uint32_t>(condition.field), condition.bits, bit);
        set(condition.field, baseline(condition.field) ^ 1ull << bit);
        enter_and_report();
    }
}

// Memory types of IA32_PAT and of the EPT pointer, and its walk length.
void memory_type_rows() {
    for (unsigned type = 0; type < 16; ++type) {
        begin_row();
        set_controls(Field::VM_ENTRY_CONTROLS, static_cast<uint32_t>(baseline(Field::VM_ENTRY_CONTROLS)) |
                                                   EntryControls::LOAD_IA32_PAT);
        set(Field::GUEST_IA32_PAT, 0x0007040600000406 | uint64_t{type} << 16);
        key("pat", static_cast<uint32_t>(Field::GUEST_IA32_PAT), type);
        enter_and_report();
    }
    for (unsigned low = 0; low < 0x100; ++low) {
        begin_row();
        set_controls(kSecondary, SecondaryControls::ENABLE_EPT);
        set(Field::EPT_POINTER, (ept_pointer() & ~0xffull) | low);
        key("eptp", 0, low);
        enter_and_report();
    }
}

struct Area {
    Field count;
    Field address;
};
constexpr Area kAreas[] = {
    {Field::VM_EXIT_MSR_STORE_COUNT, Field::VM_EXIT_MSR_STORE_ADDRESS},
    {Field::VM_EXIT_MSR_LOAD_COUNT, Field::VM_EXIT_MSR_LOAD_ADDRESS},
    {Field::VM_ENTRY_MSR_LOAD_COUNT, Field::VM_ENTRY_MSR_LOAD_ADDRESS},
};

Page msr_area;

// Of addresses only those that cannot be accepted: what lies elsewhere is no list of MSRs.
void msr_area_rows(const Area& area) {
    const auto field = static_cast<uint32_t>(area.address);
    const uint64_t width = 1ull << physical_bits();
    const auto entry = [&](unsigned number, uint64_t address, uint32_t count) {
        begin_row();
        set(area.count, count);
        set(area.address, address);
        key("msr-area", field, number);
        enter_and_report();
    };
    for (unsigned bit = 0; bit < 4; ++bit) entry(bit, msr_area.address() | 1u << bit, 1);
    for (unsigned bit = physical_bits(); bit < 64; ++bit) entry(0x40 + bit - physical_bits(), 1ull << bit, 1);
    entry(0x10, width - 16, 2);
    entry(0x11, width - 16, 0x1000);
    entry(0x12, msr_area.address(), 0);
}

// One MSR each, as the VM-entry MSR-load area loads it. SDM Vol. 3C "Loading MSRs" (27.4).
void msr_load_rows() {
    constexpr uint32_t kMsrs[] = {0x10,       0x1b,       0x8b,       0x9b,       0x9e,       0x174,
                                  0x175,      0x176,      0x17a,      0x1a0,      0x1d9,      0x277,
                                  0x480,      0x491,      0x6e0,      0x79,       0x800,      0x80b,
                                  0x8ff,      0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
                                  0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0x3a,       0x12345678};
    constexpr uint64_t kValues[] = {0, 1, 0xd01, 0x800000000000, 0xffff800000000000, ~0ull};
    for (const uint32_t msr : kMsrs) {
        for (unsigned number = 0; number < 6; ++number) {
            if (msr == 0x10 || msr == 0x1b) continue;
            begin_row();
            msr_area.words[0] = msr;
            msr_area.words[1] = kValues[number];
            set(Field::VM_ENTRY_MSR_LOAD_COUNT, 1);
            set(Field::VM_ENTRY_MSR_LOAD_ADDRESS, msr_area.address());
            key("msr-load", msr, number);
            enter_and_report();
        }
    }
    for (unsigned bit = 32; bit < 64; ++bit) {
        begin_row();
        msr_area.words[0] = 0x174 | 1ull << bit;
        set(Field::VM_ENTRY_MSR_LOAD_COUNT, 1);
        set(Field::VM_ENTRY_MSR_LOAD_ADDRESS, msr_area.address());
        key("msr-load", 0, bit);
        enter_and_report();
    }
}

}  // namespace

void field_rows() {
    begin_row();
    for (const Field field : x86::all_vmcs_fields()) {
        if (access_high(field) || is_read_only(field) || !is_supported(field)) continue;
        key("baseline", 0, static_cast<uint32_t>(field));
        put_hex(baseline(field));
        put('\n');
    }
    for (const Field field : x86::all_vmcs_fields()) {
        if (access_high(field) || is_read_only(field) || !is_supported(field)) continue;
        if (field == Field::VM_ENTRY_MSR_LOAD_COUNT) continue;
        bits_of(field);
        if (access_bits(field) >= 32) edges_of(field);
    }
    for (const Conditional& condition : kConditional) conditional_rows(condition);
    memory_type_rows();
    for (const Area& area : kAreas) msr_area_rows(area);
    msr_load_rows();
}

}  // namespace probe
