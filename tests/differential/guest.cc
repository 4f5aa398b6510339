// SPDX-License-Identifier: MIT
#include "tests/differential/guest.h"

#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"

#include "tests/differential/layout.h"
#include "tests/differential/random.h"

namespace vtless::differential {

namespace {

constexpr uint64_t kFrame = 4096;
constexpr uint64_t kPresent = 7;  // and writable, for user mode too
constexpr uint64_t kMappedFrames = layout::kDataEnd / kFrame;

void put_word(uint8_t* memory, uint64_t address, uint64_t value) {
    __builtin_memcpy(memory + address, &value, sizeof value);
}

// Linear addresses below layout::kDataEnd, one to one.
void fill_page_tables(uint8_t* memory, Mode mode) {
    uint64_t table = layout::kPageTables;
    __builtin_memset(memory + table, 0, layout::kPageTablesEnd - table);
    const unsigned tables = mode == Mode::Long64 ? 3 : 1;
    for (unsigned i = 0; i < tables; ++i, table += kFrame)
        put_word(memory, table, (table + kFrame) | kPresent);
    const unsigned bytes = mode == Mode::Long64 ? 8 : 4;
    for (uint64_t page = 0; page < kMappedFrames; ++page) {
        const uint64_t entry = page * kFrame | kPresent;
        __builtin_memcpy(memory + table + page * bytes, &entry, bytes);
    }
}

void fill_random(uint8_t* memory, uint64_t from, uint64_t to, uint64_t seed) {
    Random random(seed ^ from);
    for (uint64_t at = from; at < to; at += 8) put_word(memory, at, random.next());
}

uint64_t answer_cpuid(uint32_t leaf, uint32_t subleaf) { return uint64_t{leaf} << 32 | (leaf ^ subleaf); }

// The processors' answers differ.
void replace_cpuid(void*, uint32_t leaf, uint32_t subleaf, x86::CpuidResult& result) {
    const uint64_t answer = answer_cpuid(leaf, subleaf);
    result = {static_cast<uint32_t>(answer), static_cast<uint32_t>(answer >> 32), ~leaf, ~subleaf};
}

// FNV-1a, by words.
uint64_t hash(const uint8_t* memory, uint64_t from, uint64_t to) {
    uint64_t hash = 0xcbf29ce484222325;
    for (uint64_t at = from; at < to; at += 8) {
        uint64_t word;
        __builtin_memcpy(&word, memory + at, sizeof word);
        hash = (hash ^ word) * 0x100000001b3;
    }
    return hash;
}

}  // namespace

void fill_memory(uint8_t* memory, const Program& program, Mode mode, uint64_t seed) {
    __builtin_memset(memory, 0, layout::kStackEnd);
    __builtin_memcpy(memory + layout::kCode, program.code().data(), program.code().size());
    fill_random(memory, layout::kStackEnd - 0x400, layout::kDataEnd, seed);
    if (mode != Mode::Real16) fill_page_tables(memory, mode);
}

vmx::SetupConfig setup_of(Mode mode, uint64_t seed) {
    using State = vmx::GuestEntryState;
    constexpr uint64_t kFlags = x86::rflags::kArithmetic | x86::rflags::DF;
    vmx::SetupConfig setup;
    State& state = setup.entry_state;
    if (mode == Mode::Protected32) {
        state = State::protected_mode();
        state.cr0 |= x86::cr0::PG | x86::cr0::WP;
        state.cr3 = layout::kPageTables;
    }
    if (mode == Mode::Long64) state = State::long_mode(layout::kPageTables);
    state.cr4 |= x86::cr4::OSFXSR | x86::cr4::OSXMMEXCPT;
    Random random(~seed);
    for (uint64_t& gpr : state.gprs) gpr = mode == Mode::Long64 ? random.next() : random.next() >> 32;
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = layout::kStackEnd - 0x200;
    state.rflags |= random.next() & kFlags;
    setup.exception_bitmap = ~0u;
    setup.cpuid_hook.function = replace_cpuid;
    return setup;
}

Hashes hashes_of(const uint8_t* memory) {
    return {hash(memory, 0, layout::kStackEnd), hash(memory, layout::kStackEnd, layout::kDataEnd),
            hash(memory, layout::kPageTables, layout::kPageTablesEnd)};
}

}  // namespace vtless::differential
