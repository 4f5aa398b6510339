// SPDX-License-Identifier: MIT
// Each field of the guest-state and the host-state area: loaded, found by the guest, saved. SDM Vol. 3C
// "Loading Guest State" (27.3.2), "Saving Guest State" (28.3), "Loading Host State" (28.5).
#include <gtest/gtest.h>

#include <vector>

#include "isa/x86/msr.h"
#include "isa/x86/rflags.h"
#include "sim/vmx/vmcs_layout.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::Msr;
using x86::SegmentRegister;
using F = x86::VmcsField;
using Code = std::initializer_list<uint8_t>;

class TransitionState : public GuestFixture {
  protected:
    TransitionState() {
        Hpa bitmap;
        EXPECT_TRUE(memory.allocate_frame(bitmap));
        write(F::MSR_BITMAP, bitmap.value());  // no MSR exits
        set_primary(x86::PrimaryControls::USE_MSR_BITMAPS);
    }
    // Runs the instructions and the CPUID after them.
    void execute(Code bytes) {
        code(bytes);
        code({0x0f, 0xa2}, kCode + bytes.size());
        write(F::GUEST_RIP, kCode);
        ASSERT_EQ(run(), Reason::CPUID);
    }
};

TEST_F(TransitionState, EachHostFieldIsLoaded) {
    constexpr uint64_t kBase = RootState::kKernelBase;
    const uint64_t cr0 = read(F::HOST_CR0) ^ x86::cr0::WP;
    const uint64_t cr4 = read(F::HOST_CR4) ^ x86::cr4::PGE;
    const std::vector<std::pair<F, uint64_t>> fields = {
        {F::HOST_CR0, cr0},
        {F::HOST_CR3, 0x7000},
        {F::HOST_CR4, cr4},
        {F::HOST_RSP, kBase + 0x111},
        {F::HOST_RIP, kBase + 0x222},
        {F::HOST_ES_SELECTOR, 0x18},
        {F::HOST_CS_SELECTOR, 0x20},
        {F::HOST_SS_SELECTOR, 0x28},
        {F::HOST_DS_SELECTOR, 0x30},
        {F::HOST_FS_SELECTOR, 0x38},
        {F::HOST_GS_SELECTOR, 0x48},
        {F::HOST_TR_SELECTOR, 0x50},
        {F::HOST_FS_BASE, kBase + 0x333},
        {F::HOST_GS_BASE, kBase + 0x444},
        {F::HOST_TR_BASE, kBase + 0x555},
        {F::HOST_GDTR_BASE, kBase + 0x666},
        {F::HOST_IDTR_BASE, kBase + 0x777},
        {F::HOST_IA32_SYSENTER_CS, 0x58},
        {F::HOST_IA32_SYSENTER_ESP, kBase + 0x888},
        {F::HOST_IA32_SYSENTER_EIP, kBase + 0x999},
        {F::HOST_IA32_PAT, 0x0006060606060606},
        {F::HOST_IA32_EFER, x86::efer::LME | x86::efer::LMA},
    };
    for (const auto& [field, value] : fields) write(field, value);
    execute({});
    const RootState& host = hw->host_state();
    const auto base = [&](SegmentRegister segment) { return host.segment(segment).base; };
    const auto selector = [&](SegmentRegister segment) { return host.segment(segment).selector; };
    using S = SegmentRegister;
    const std::vector<uint64_t> loaded = {
        host.cr0,        host.cr3,        host.cr4,         host.rsp,          host.rip,
        selector(S::ES), selector(S::CS), selector(S::SS),  selector(S::DS),   selector(S::FS),
        selector(S::GS), selector(S::TR), base(S::FS),      base(S::GS),       base(S::TR),
        host.gdtr.base,  host.idtr.base,  host.sysenter_cs, host.sysenter_esp, host.sysenter_eip,
        host.pat,        host.efer};
    ASSERT_EQ(loaded.size(), fields.size());
    for (size_t i = 0; i < loaded.size(); ++i)
        EXPECT_EQ(loaded[i], fields[i].second) << x86::name(fields[i].first);
}

// What is loaded leaves for the engine, and VMREAD after the exit gets it from there. In compatibility mode
// each base and limit means something.
TEST_F(TransitionState, EachGuestFieldIsLoadedAndSaved) {
    constexpr uint64_t kUpper = 0xffff800000000000;
    std::vector<std::pair<F, uint64_t>> fields = {
        {F::GUEST_CR0, read(F::GUEST_CR0) | x86::cr0::MP | x86::cr0::AM},
        {F::GUEST_CR3, kPml4 | 0x18},
        {F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::PGE | x86::cr4::DE},
        {F::GUEST_DR7, 0x455},
        {F::GUEST_RSP, 0x212345},
        {F::GUEST_RFLAGS, 2 | x86::rflags::CF | x86::rflags::DF | x86::rflags::IF},
        {F::GUEST_GDTR_BASE, kUpper + 0x100},
        {F::GUEST_GDTR_LIMIT, 0x123},
        {F::GUEST_IDTR_BASE, kUpper + 0x200},
        {F::GUEST_IDTR_LIMIT, 0x456},
        {F::GUEST_IA32_SYSENTER_CS, 0x68},
        {F::GUEST_IA32_SYSENTER_ESP, kUpper + 0x300},
        {F::GUEST_IA32_SYSENTER_EIP, kUpper + 0x400},
        {F::GUEST_IA32_DEBUGCTL, x86::debugctl::BTF},
        {F::GUEST_IA32_PAT, 0x0007040600070401},
        {F::GUEST_IA32_EFER, x86::efer::LME | x86::efer::LMA | x86::efer::NXE},
        {F::GUEST_CS_SELECTOR, 0x20},
        {F::GUEST_CS_BASE, 0x1000},
        {F::GUEST_CS_LIMIT, 0x7fffffff},
        {F::GUEST_CS_ACCESS_RIGHTS, 0xc09b},
        {F::GUEST_LDTR_SELECTOR, 0x60},
        {F::GUEST_LDTR_BASE, kUpper + 0x500},
        {F::GUEST_LDTR_LIMIT, 0x77},
        {F::GUEST_LDTR_ACCESS_RIGHTS, 0x82},
        {F::GUEST_TR_SELECTOR, 0x70},
        {F::GUEST_TR_BASE, kUpper + 0x600},
        {F::GUEST_TR_LIMIT, 0x88},
        {F::GUEST_TR_ACCESS_RIGHTS, 0x8b},
    };
    constexpr F kData[5][4] = {
        {F::GUEST_ES_SELECTOR, F::GUEST_ES_BASE, F::GUEST_ES_LIMIT, F::GUEST_ES_ACCESS_RIGHTS},
        {F::GUEST_SS_SELECTOR, F::GUEST_SS_BASE, F::GUEST_SS_LIMIT, F::GUEST_SS_ACCESS_RIGHTS},
        {F::GUEST_DS_SELECTOR, F::GUEST_DS_BASE, F::GUEST_DS_LIMIT, F::GUEST_DS_ACCESS_RIGHTS},
        {F::GUEST_FS_SELECTOR, F::GUEST_FS_BASE, F::GUEST_FS_LIMIT, F::GUEST_FS_ACCESS_RIGHTS},
        {F::GUEST_GS_SELECTOR, F::GUEST_GS_BASE, F::GUEST_GS_LIMIT, F::GUEST_GS_ACCESS_RIGHTS}};
    constexpr uint64_t kRights[] = {0x4093, 0x4093, 0x0093, 0x4097, 0x0091};
    for (uint64_t i = 0; i < 5; ++i)
        fields.insert(fields.end(), {{kData[i][0], 0x80 + i * 8},
                                     {kData[i][1], 0x10000 * (i + 1)},
                                     {kData[i][2], 0x1111 * (i + 1)},
                                     {kData[i][3], kRights[i]}});
    for (const auto& [field, value] : fields) write(field, value);
    code({0x0f, 0xa2});
    write(F::GUEST_RIP, kCode - 0x1000);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode - 0x1000);
    for (const auto& [field, value] : fields) EXPECT_EQ(read(field), value) << x86::name(field);
}

struct Found {
    F field;
    uint64_t value;
    Code bytes;                              // leave what they find in RAX, as far as it fits
    Msr msr = Msr::IA32_TIME_STAMP_COUNTER;  // in RCX; the upper half of what RDMSR finds is in RDX
};

TEST_F(TransitionState, TheGuestFindsWhatEntryLoads) {
    const Code rdmsr = {0x0f, 0x32};
    constexpr uint64_t kUpper = 0xffff800000000000;
    const Found table[] = {
        {F::GUEST_CR0, read(F::GUEST_CR0) | x86::cr0::MP, {0x0f, 0x20, 0xc0}},
        {F::GUEST_CR3, kPml4 | 0x18, {0x0f, 0x20, 0xd8}},
        {F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::DE, {0x0f, 0x20, 0xe0}},
        {F::GUEST_DR7, 0x455, {0x0f, 0x21, 0xf8}},
        {F::GUEST_RSP, 0x212340, {0x48, 0x89, 0xe0}},
        {F::GUEST_RFLAGS, 2 | x86::rflags::CF, {0x9c, 0x58}},  // pushfq; pop rax
        {F::GUEST_ES_SELECTOR, 0x18, {0x8c, 0xc0}},
        {F::GUEST_CS_SELECTOR, 0x20, {0x8c, 0xc8}},
        {F::GUEST_SS_SELECTOR, 0x28, {0x8c, 0xd0}},
        {F::GUEST_DS_SELECTOR, 0x38, {0x8c, 0xd8}},
        {F::GUEST_FS_SELECTOR, 0x40, {0x8c, 0xe0}},
        {F::GUEST_GS_SELECTOR, 0x48, {0x8c, 0xe8}},
        {F::GUEST_LDTR_SELECTOR, 0x50, {0x0f, 0x00, 0xc0}},
        {F::GUEST_TR_SELECTOR, 0x58, {0x0f, 0x00, 0xc8}},
        // sgdt [rbx]; mov rax, [rbx + 2]
        {F::GUEST_GDTR_BASE, kUpper + 0x100, {0x0f, 0x01, 0x03, 0x48, 0x8b, 0x43, 0x02}},
        {F::GUEST_GDTR_LIMIT, 0x123, {0x0f, 0x01, 0x03, 0x0f, 0xb7, 0x03}},
        {F::GUEST_IDTR_BASE, kUpper + 0x200, {0x0f, 0x01, 0x0b, 0x48, 0x8b, 0x43, 0x02}},
        {F::GUEST_IDTR_LIMIT, 0x456, {0x0f, 0x01, 0x0b, 0x0f, 0xb7, 0x03}},
        {F::GUEST_FS_BASE, 0x300000, {0x64, 0x48, 0x8b, 0x04, 0x25, 0x08, 0, 0, 0}},  // mov rax, fs:[8]
        {F::GUEST_GS_BASE, 0x310000, {0x65, 0x48, 0x8b, 0x04, 0x25, 0x08, 0, 0, 0}},
        {F::GUEST_IA32_SYSENTER_CS, 0x68, rdmsr, Msr::IA32_SYSENTER_CS},
        {F::GUEST_IA32_SYSENTER_ESP, kUpper + 0x300, rdmsr, Msr::IA32_SYSENTER_ESP},
        {F::GUEST_IA32_SYSENTER_EIP, kUpper + 0x400, rdmsr, Msr::IA32_SYSENTER_EIP},
        {F::GUEST_IA32_DEBUGCTL, x86::debugctl::BTF, rdmsr, Msr::IA32_DEBUGCTL},
        {F::GUEST_IA32_PAT, 0x0007040600070401, rdmsr, Msr::IA32_PAT},
        {F::GUEST_IA32_EFER, x86::efer::LME | x86::efer::LMA | x86::efer::NXE, rdmsr, Msr::IA32_EFER},
    };
    put<uint64_t>(0x300008, 0x300000);
    put<uint64_t>(0x310008, 0x310000);
    gprs.set(Gpr::RBX, 0x320000);
    for (const Found& one : table) {
        write(one.field, one.value);
        gprs.set(Gpr::RCX, static_cast<uint32_t>(one.msr));
        gprs.set(Gpr::RAX, 0);
        gprs.set(Gpr::RDX, 0);
        execute(one.bytes);
        EXPECT_EQ(gprs.get(Gpr::RDX) << 32 | gprs.get(Gpr::RAX), one.value) << x86::name(one.field);
    }
}

struct Change {
    Code bytes;
    uint64_t rax = 0;
    std::vector<std::pair<F, uint64_t>> saved = {};
    Msr msr = Msr::IA32_TIME_STAMP_COUNTER;  // in RCX; RDX is the upper half of RAX
};

TEST_F(TransitionState, WhatTheGuestLoadsIsSaved) {
    const Code wrmsr = {0x0f, 0x30};
    constexpr uint64_t kTable = 0x320000;
    put<uint16_t>(kTable, 0x234);
    put<uint64_t>(kTable + 2, values.gdt);
    put<uint16_t>(kTable + 0x10, 0x567);
    put<uint64_t>(kTable + 0x12, kIdt);
    put<uint64_t>(values.gdt + 0x18,
                  0x12cf93345678fedc);  // data, base 12345678, limit fedc pages more than f0000
    put<uint64_t>(values.gdt + 0x20, 0x0000824560000077);  // LDT of 64-bit mode: 16 bytes
    put<uint64_t>(values.gdt + 0x28, 0x1);
    put<uint64_t>(values.gdt + 0x40, 0x0000894570000099);  // available TSS
    put<uint64_t>(values.gdt + 0x48, 0x2);
    gprs.set(Gpr::RBX, kTable);
    const uint64_t limit = 0xffedcfff;
    const Change table[] = {
        {{0x0f, 0x01, 0x13}, 0, {{F::GUEST_GDTR_BASE, values.gdt}, {F::GUEST_GDTR_LIMIT, 0x234}}},
        {{0x0f, 0x01, 0x5b, 0x10}, 0, {{F::GUEST_IDTR_BASE, kIdt}, {F::GUEST_IDTR_LIMIT, 0x567}}},
        {{0x8e, 0xc0},
         0x18,
         {{F::GUEST_ES_SELECTOR, 0x18},
          {F::GUEST_ES_BASE, 0x12345678},
          {F::GUEST_ES_LIMIT, limit},
          {F::GUEST_ES_ACCESS_RIGHTS, 0xc093}}},
        {{0x8e, 0xd0},
         0x18,
         {{F::GUEST_SS_SELECTOR, 0x18},
          {F::GUEST_SS_BASE, 0x12345678},
          {F::GUEST_SS_LIMIT, limit},
          {F::GUEST_SS_ACCESS_RIGHTS, 0xc093}}},
        {{0x8e, 0xd8},
         0x18,
         {{F::GUEST_DS_SELECTOR, 0x18},
          {F::GUEST_DS_BASE, 0x12345678},
          {F::GUEST_DS_LIMIT, limit},
          {F::GUEST_DS_ACCESS_RIGHTS, 0xc093}}},
        {{0x8e, 0xe0},
         0x18,
         {{F::GUEST_FS_SELECTOR, 0x18},
          {F::GUEST_FS_BASE, 0x12345678},
          {F::GUEST_FS_LIMIT, limit},
          {F::GUEST_FS_ACCESS_RIGHTS, 0xc093}}},
        {{0x8e, 0xe8},
         0x18,
         {{F::GUEST_GS_SELECTOR, 0x18},
          {F::GUEST_GS_BASE, 0x12345678},
          {F::GUEST_GS_LIMIT, limit},
          {F::GUEST_GS_ACCESS_RIGHTS, 0xc093}}},
        {{0x0f, 0x00, 0xd0},
         0x20,
         {{F::GUEST_LDTR_SELECTOR, 0x20},
          {F::GUEST_LDTR_BASE, 0x100456000},
          {F::GUEST_LDTR_LIMIT, 0x77},
          {F::GUEST_LDTR_ACCESS_RIGHTS, 0x82}}},
        {{0x0f, 0x00, 0xd8},
         0x40,
         {{F::GUEST_TR_SELECTOR, 0x40},
          {F::GUEST_TR_BASE, 0x200457000},
          {F::GUEST_TR_LIMIT, 0x99},
          {F::GUEST_TR_ACCESS_RIGHTS, 0x8b}}},
        // push 8; lea rcx, [rip + 3]; push rcx; retfq
        {{0x6a, 0x08, 0x48, 0x8d, 0x0d, 0x03, 0, 0, 0, 0x51, 0x48, 0xcb},
         0,
         {{F::GUEST_CS_SELECTOR, 0x08},
          {F::GUEST_CS_ACCESS_RIGHTS, 0xa09b},
          {F::GUEST_CS_LIMIT, 0xffffffff}}},
        {{0x0f, 0x22, 0xc0},
         read(F::GUEST_CR0) | x86::cr0::MP,
         {{F::GUEST_CR0, read(F::GUEST_CR0) | x86::cr0::MP}}},
        {{0x0f, 0x22, 0xd8}, kPml4 | 0x18, {{F::GUEST_CR3, kPml4 | 0x18}}},
        {{0x0f, 0x22, 0xe0},
         read(F::GUEST_CR4) | x86::cr4::DE,
         {{F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::DE}}},
        {{0x0f, 0x23, 0xf8}, 0x455, {{F::GUEST_DR7, 0x455}}},
        {{0x48, 0x89, 0xc4}, 0x212340, {{F::GUEST_RSP, 0x212340}, {F::GUEST_RIP, kCode + 3}}},
        {{0xf9}, 0, {{F::GUEST_RFLAGS, 2 | x86::rflags::CF}}},
        {wrmsr, 0x68, {{F::GUEST_IA32_SYSENTER_CS, 0x68}}, Msr::IA32_SYSENTER_CS},
        {wrmsr, 0x300000300, {{F::GUEST_IA32_SYSENTER_ESP, 0x300000300}}, Msr::IA32_SYSENTER_ESP},
        {wrmsr, 0x400000400, {{F::GUEST_IA32_SYSENTER_EIP, 0x400000400}}, Msr::IA32_SYSENTER_EIP},
        {wrmsr, x86::debugctl::BTF, {{F::GUEST_IA32_DEBUGCTL, x86::debugctl::BTF}}, Msr::IA32_DEBUGCTL},
        {wrmsr, 0x0007040600070401, {{F::GUEST_IA32_PAT, 0x0007040600070401}}, Msr::IA32_PAT},
    };
    for (const Change& one : table) {
        gprs.set(Gpr::RAX, one.rax);
        gprs.set(Gpr::RDX, one.rax >> 32);
        gprs.set(Gpr::RCX, static_cast<uint32_t>(one.msr));
        execute(one.bytes);
        for (const auto& [field, value] : one.saved) EXPECT_EQ(read(field), value) << x86::name(field);
    }
}

// SDM Vol. 3C "Loading Page-Directory-Pointer-Table Entries" (27.3.2.4), "Saving Non-Register State"
// (28.3.4).
TEST_F(TransitionState, PdptesAreLoadedFromTheirFieldsAndSavedThere) {
    constexpr F kPdptes[] = {F::GUEST_PDPTE0, F::GUEST_PDPTE1, F::GUEST_PDPTE2, F::GUEST_PDPTE3};
    write(F::VM_ENTRY_CONTROLS, read(F::VM_ENTRY_CONTROLS) & ~uint64_t{x86::EntryControls::IA32E_MODE_GUEST});
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xc09b);
    for (uint64_t i = 0; i < 4; ++i) {
        const uint64_t directory = 0x20000 + i * 0x1000;
        put<uint64_t>(directory, (i * 0x200000) | 0xe7);
        put<uint64_t>(0x300 + i * 0x200000, 0x1000 + i);
        write(kPdptes[i], directory | 1);
        put<uint64_t>(kPml4 + i * 8, i == 0 ? directory | 1 : 0);  // what CR3 points to has but the first
    }
    // mov ebx, [rdi]; mov cr3, eax; cpuid
    code({0x8b, 0x1f, 0x0f, 0x22, 0xd8, 0x0f, 0xa2});
    for (uint64_t i = 0; i < 4; ++i) {
        write(F::GUEST_RIP, kCode);
        for (uint64_t k = 0; k < 4; ++k) write(kPdptes[k], (0x20000 + k * 0x1000) | 1);
        gprs.set(Gpr::RDI, i << 30 | 0x300);
        gprs.set(Gpr::RAX, kPml4);
        ASSERT_EQ(run(), Reason::CPUID);
        EXPECT_EQ(gprs.get(Gpr::RBX), 0x1000 + i);
        EXPECT_EQ(read(F::GUEST_PDPTE0), 0x20001u);
        for (uint64_t k = 1; k < 4; ++k) EXPECT_EQ(read(kPdptes[k]), 0u) << "of memory";
    }
}

// IO_RCX and its like and GUEST_SMBASE are written by SMM VM exits only, which do not happen: they are fields
// that keep what they are given, as all are that VM entry and VM exit leave alone.
TEST_F(TransitionState, EachFieldKeepsItsValueOverVmclear) {
    std::vector<uint64_t> written;
    for (unsigned i = 0; i < kSupportedFieldCount; ++i) {
        const F field = kSupportedFields[i];
        written.push_back((0x0123456789abcdef * (i + 1)) & x86::access_mask(field));
        write(field, written.back());
    }
    ASSERT_TRUE(hw->vmclear(vmcs).ok());
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    for (unsigned i = 0; i < kSupportedFieldCount; ++i) {
        const F field = kSupportedFields[i];
        if (field == F::VM_INSTRUCTION_ERROR) continue;
        EXPECT_EQ(read(field), written[i]) << x86::name(field);
    }
}

}  // namespace
}  // namespace vtless::sim
