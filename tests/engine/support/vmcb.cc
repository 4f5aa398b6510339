// SPDX-License-Identifier: MIT
#include "tests/engine/support/vmcb.h"

#include <cstring>

namespace vtless::engine_test {
namespace {

constexpr size_t kSave = 0x400;
constexpr uint64_t kEferSvme = 1u << 12;

struct Writer {
    std::array<uint8_t, 4096> bytes{};

    template <class T>
    void put(size_t at, T value) {
        std::memcpy(bytes.data() + at, &value, sizeof value);
    }
    void put(size_t at, const Segment& s) {
        put(kSave + at, s.selector);
        put(kSave + at + 2, s.attributes);
        put(kSave + at + 4, s.limit);
        put(kSave + at + 8, s.base);
    }
};

void set_data_segments(GuestState& s, const Segment& data) { s.es = s.ss = s.ds = s.fs = s.gs = data; }

GuestState flat(uint16_t code_attributes, uint16_t privilege) {
    GuestState s;
    const auto dpl = static_cast<uint16_t>(privilege << 5);
    const uint16_t code = privilege == 3 ? 0x33 : 0x08, data = privilege == 3 ? 0x2b : 0x10;
    set_data_segments(s, {data, static_cast<uint16_t>(0xc93 | dpl), 0xffffffff, 0});
    s.cs = {code, static_cast<uint16_t>(code_attributes | dpl), 0xffffffff, 0};
    s.gdtr = {0, 0, 0xfff, kGuestGdt};
    s.idtr = {0, 0, 0xfff, kGuestIdt};
    s.ldtr = {0, 0x82, 0xffff, 0};
    s.tr = {0x18, 0x8b, 0x2fff, kGuestTss};
    s.rsp = kGuestStack;
    return s;
}

GuestState long_mode_at(uint64_t rip, uint16_t privilege) {
    GuestState s = flat(0xa9b, privilege);
    s.efer = 0xd01;  // NXE LMA LME SCE
    s.cr0 = 0x80050033;
    s.cr4 = 0x6a0;
    s.rip = rip;
    return s;
}

GuestState protected_mode_at(uint32_t eip, uint16_t privilege) {
    GuestState s = flat(0xc9b, privilege);
    s.cr0 = 0x33;
    s.cr4 = 0x600;
    s.rip = eip;
    return s;
}

}  // namespace

Intercepts Intercepts::usual() {
    Intercepts i;
    i.instructions = ~0ull & ~(1ull << 4) & ~bit(SvmExit::PUSHF) & ~bit(SvmExit::POPF) & ~bit(SvmExit::IRET);
    return i;
}

Intercepts Intercepts::with(SvmExit exit) const {
    Intercepts i = *this;
    i.instructions |= bit(exit);
    return i;
}

Intercepts Intercepts::without(SvmExit exit) const {
    Intercepts i = *this;
    i.instructions &= ~bit(exit);
    return i;
}

GuestState GuestState::long_mode(uint64_t rip) { return long_mode_at(rip, 0); }
GuestState GuestState::long_mode_user(uint64_t rip) { return long_mode_at(rip, 3); }
GuestState GuestState::protected_mode(uint32_t eip) { return protected_mode_at(eip, 0); }
GuestState GuestState::protected_mode_user(uint32_t eip) { return protected_mode_at(eip, 3); }

GuestState GuestState::real_mode(uint16_t cs, uint16_t ip) {
    GuestState s;
    set_data_segments(s, {0, 0x93, 0xffff, 0});
    s.cs = {cs, 0x9b, 0xffff, static_cast<uint64_t>(cs) << 4};
    s.gdtr = {0, 0, 0xffff, 0};
    s.idtr = {0, 0, 0x3ff, 0};
    s.ldtr = {0, 0x82, 0xffff, 0};
    s.tr = {0, 0x8b, 0xffff, 0};
    s.cr0 = 0x10;
    s.rip = ip;
    s.rsp = 0x7000;
    return s;
}

std::array<uint8_t, 4096> make_vmcb(const GuestState& s, const Intercepts& i, uint64_t msr_map) {
    Writer w;
    w.put(0x00, i.cr_read);
    w.put(0x02, i.cr_write);
    w.put(0x04, i.dr_read);
    w.put(0x06, i.dr_write);
    w.put(0x08, i.exceptions);
    w.put(0x0c, i.instructions);
    w.put(0x48, msr_map);
    w.put(0x00, s.es), w.put(0x10, s.cs), w.put(0x20, s.ss), w.put(0x30, s.ds), w.put(0x40, s.fs);
    w.put(0x50, s.gs), w.put(0x60, s.gdtr), w.put(0x70, s.ldtr), w.put(0x80, s.idtr), w.put(0x90, s.tr);
    const struct {
        size_t at;
        uint64_t value;
    } words[] = {
        {0xd0, s.efer | kEferSvme},
        {0x148, s.cr4},
        {0x150, s.cr3},
        {0x158, s.cr0},
        {0x160, s.dr7},
        {0x168, s.dr6},
        {0x170, s.rflags},
        {0x178, s.rip},
        {0x1d8, s.rsp},
        {0x1f8, s.rax},
        {0x200, s.star},
        {0x208, s.lstar},
        {0x210, s.cstar},
        {0x218, s.sfmask},
        {0x220, s.kernel_gs_base},
        {0x228, s.sysenter_cs},
        {0x230, s.sysenter_esp},
        {0x238, s.sysenter_eip},
        {0x240, s.cr2},
    };
    for (const auto& word : words) w.put(kSave + word.at, word.value);
    return w.bytes;
}

}  // namespace vtless::engine_test
