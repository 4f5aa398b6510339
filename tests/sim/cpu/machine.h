// SPDX-License-Identifier: MIT
// A processor with descriptor tables, a TSS and stacks, in any mode, for tests without an engine.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "isa/x86/control_regs.h"
#include "isa/x86/exception.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim::test {

namespace rights {
inline constexpr uint32_t kCode = 0x9b;  // present, DPL 0, readable, accessed
inline constexpr uint32_t kConforming = 0x9f;
inline constexpr uint32_t kData = 0x93;  // present, DPL 0, writable, accessed
inline constexpr uint32_t kExpandDown = 0x97;
inline constexpr uint32_t kDpl3 = 0x60;
inline constexpr uint32_t kNotAccessed = 1;  // to be taken away
inline constexpr uint32_t kPresent = 0x80;   // to be taken away
inline constexpr uint32_t kLong = 0x2000;
inline constexpr uint32_t kBig = 0x4000;
inline constexpr uint32_t kPages = 0x8000;
inline constexpr uint32_t kFlat32 = kBig | kPages;
inline constexpr uint32_t kFlat64 = kLong | kPages;
}  // namespace rights

// Selectors of the GDT that Machine builds.
namespace sel {
inline constexpr uint16_t kCode32 = 0x08;
inline constexpr uint16_t kData32 = 0x10;
inline constexpr uint16_t kUserCode32 = 0x1b;
inline constexpr uint16_t kUserData32 = 0x23;
inline constexpr uint16_t kCode64 = 0x28;
inline constexpr uint16_t kUserCode64 = 0x33;
inline constexpr uint16_t kTss = 0x38;  // two slots in IA-32e mode
inline constexpr uint16_t kConforming32 = 0x48;
inline constexpr uint16_t kCode16 = 0x50;
inline constexpr uint16_t kData16 = 0x58;
inline constexpr uint16_t kConforming64 = 0x60;
inline constexpr uint16_t kFree = 0x70;  // this and the rest up to the limit: empty
inline constexpr uint16_t kLdt = 0x90;
inline constexpr uint16_t kLimit = 0xff;
}  // namespace sel

enum class Mode { Real, V8086, Protected16, Protected32, Long64, Compatibility };

class Machine {
  public:
    static constexpr uint64_t kGdt = 0x1000, kIdt = 0x2000, kTss = 0x3000, kLdt = 0x3800, kTss2 = 0x4000;
    static constexpr uint64_t kCode = 0x6000, kStack = 0x9000, kInnerStack = 0xa000, kIst1 = 0xb000;
    static constexpr uint64_t kTables = 0x20'0000;  // of paging, in IA-32e mode
    static constexpr uint64_t kHole = 0x40'0000;    // 2 MiB that are not mapped, in IA-32e mode

    Machine(const Machine&) = delete;  // the parts point at each other
    explicit Machine(Mode mode, unsigned cpl = 0) : memory(make()), mmu(memory) { start(mode, cpl); }

    template <class T>
    T peek(uint64_t at) const {
        T value;
        std::memcpy(&value, memory.base() + at, sizeof(value));
        return value;
    }
    template <class T>
    void poke(uint64_t at, T value) {
        std::memcpy(memory.base() + at, &value, sizeof(value));
    }

    void descriptor(uint16_t selector, uint64_t base, uint32_t limit, uint32_t access) {
        poke(kGdt + (selector & 0xfff8u), x86::descriptor_from_segment({selector, base, limit, {access}}));
    }
    void system_descriptor(uint16_t selector, uint64_t base, uint32_t limit, uint32_t access) {
        descriptor(selector, base, limit, access);
        if (cpu.ia32e()) poke(kGdt + (selector & 0xfff8u) + 8, base >> 32);
    }
    uint8_t descriptor_access(uint16_t selector) const {
        return peek<uint8_t>(kGdt + (selector & 0xfff8u) + 5);
    }
    // type with P and DPL, as in the descriptor's byte 5.
    static uint64_t gate_low(uint8_t access, uint16_t selector, uint64_t offset, unsigned ist = 0) {
        return (offset & 0xffff) | uint64_t{selector} << 16 | uint64_t{ist} << 32 | uint64_t{access} << 40 |
               ((offset >> 16) & 0xffff) << 48;
    }
    void gate(uint8_t vector, uint8_t access, uint16_t selector, uint64_t offset, unsigned ist = 0) {
        const uint64_t at = kIdt + vector * (cpu.ia32e() ? uint64_t{16} : 8);
        poke(at, gate_low(access, selector, offset, ist));
        if (cpu.ia32e()) poke(at + 8, offset >> 32);
    }
    void load(x86::SegmentRegister index, uint16_t selector) {
        cpu.set_segment(index,
                        x86::segment_from_descriptor(selector, peek<uint64_t>(kGdt + (selector & 0xfff8u))));
    }
    uint64_t rsp() const { return cpu.gpr(x86::Gpr::RSP); }

    HostMemory memory;
    Mmu mmu;
    CpuStateStorage storage;
    CpuState cpu = storage.view();

  private:
    static HostMemory make() {
        auto created = HostMemory::create(16 << 20);
        return std::move(created).value();
    }
    void start(Mode mode, unsigned cpl);
    void build_gdt();
    void start_paging();
    void start_real();
};

inline void Machine::build_gdt() {
    using namespace rights;
    descriptor(sel::kCode32, 0, 0xffffffff, rights::kCode | kFlat32);
    descriptor(sel::kData32, 0, 0xffffffff, kData | kFlat32);
    descriptor(sel::kUserCode32, 0, 0xffffffff, rights::kCode | kDpl3 | kFlat32);
    descriptor(sel::kUserData32, 0, 0xffffffff, kData | kDpl3 | kFlat32);
    descriptor(sel::kCode64, 0, 0xffffffff, rights::kCode | kFlat64);
    descriptor(sel::kUserCode64, 0, 0xffffffff, rights::kCode | kDpl3 | kFlat64);
    descriptor(sel::kConforming32, 0, 0xffffffff, kConforming | kFlat32);
    descriptor(sel::kConforming64, 0, 0xffffffff, kConforming | kFlat64);
    descriptor(sel::kCode16, 0, 0xffff, rights::kCode);
    descriptor(sel::kData16, 0, 0xffff, kData);
}

inline void Machine::start_paging() {
    // 8 GiB of linear addresses onto the first 16 MiB and what lies behind, open to all, but for kHole.
    poke<uint64_t>(kTables, (kTables + 0x1000) | 7);
    for (uint64_t i = 0; i < 8; ++i) {
        poke<uint64_t>(kTables + 0x1000 + i * 8, (kTables + 0x2000 + i * 0x1000) | 7);
        for (uint64_t k = 0; k < 512; ++k)
            poke<uint64_t>(kTables + 0x2000 + i * 0x1000 + k * 8, (i << 30 | k << 21) | 0xe7);
    }
    poke<uint64_t>(kTables + 0x2000 + (kHole >> 21) * 8, 0);
    cpu.set_cr3(kTables);
    cpu.set_cr4(x86::cr4::PAE);
    cpu.set_efer(x86::efer::LME | x86::efer::LMA | x86::efer::NXE);
    cpu.set_cr0(cpu.cr0() | x86::cr0::PG | x86::cr0::WP);
    PagingState paging;
    paging.cr0 = cpu.cr0();
    paging.cr3 = cpu.cr3();
    paging.cr4 = cpu.cr4();
    paging.efer = cpu.efer();
    mmu.set_paging(paging);
}

inline void Machine::start_real() {
    for (const auto index : {x86::SegmentRegister::ES, x86::SegmentRegister::CS, x86::SegmentRegister::SS,
                             x86::SegmentRegister::DS, x86::SegmentRegister::FS, x86::SegmentRegister::GS})
        cpu.set_segment(index, {0, 0, 0xffff, {rights::kData}});
    cpu.set_idtr({0, 0x3ff});
}

inline void Machine::start(Mode mode, unsigned cpl) {
    using x86::SegmentRegister;
    build_gdt();
    cpu.set_rflags(x86::rflags::kFixed1);
    cpu.set_rip(kCode);
    cpu.set_gpr(x86::Gpr::RSP, kStack);
    cpu.set_gdtr({kGdt, sel::kLimit});
    cpu.set_idtr({kIdt, 0x7ff});
    if (mode == Mode::Real) return start_real();
    cpu.set_cr0(x86::cr0::PE);
    const bool ia32e = mode == Mode::Long64 || mode == Mode::Compatibility;
    if (ia32e) {
        start_paging();
        cpu.set_idtr({kIdt, 0xfff});
        poke<uint64_t>(kTss + 4, kInnerStack);           // RSP0
        poke<uint64_t>(kTss + 12, kInnerStack + 0x100);  // RSP1
        poke<uint64_t>(kTss + 36, kIst1);                // IST1
    } else {
        poke<uint32_t>(kTss + 4, kInnerStack);
        poke<uint16_t>(kTss + 8, sel::kData32);
    }
    system_descriptor(sel::kTss, kTss, 0x67, 0x8b);
    cpu.set_segment(SegmentRegister::TR, {sel::kTss, kTss, 0x67, {0x8b}});
    cpu.set_segment(SegmentRegister::LDTR, {0, 0, 0, {x86::AccessRights::kUnusable}});

    if (mode == Mode::V8086) {
        for (unsigned index = 0; index < 6; ++index)
            cpu.set_segment(static_cast<SegmentRegister>(index), {0, 0, 0xffff, {0xf3}});
        cpu.set_rflags(cpu.rflags() | x86::rflags::VM | x86::rflags::IOPL);
        cpu.set_cpl(3);
        return;
    }
    const bool user = cpl == 3;
    uint16_t code = user ? sel::kUserCode32 : sel::kCode32;
    uint16_t data = user ? sel::kUserData32 : sel::kData32;
    if (mode == Mode::Long64) code = user ? sel::kUserCode64 : sel::kCode64;
    if (mode == Mode::Protected16) {
        code = sel::kCode16;
        data = sel::kData16;
    }
    load(SegmentRegister::CS, code);
    for (const auto index : {SegmentRegister::ES, SegmentRegister::SS, SegmentRegister::DS,
                             SegmentRegister::FS, SegmentRegister::GS})
        load(index, data);
    cpu.set_cpl(cpl);
}

}  // namespace vtless::sim::test
