// SPDX-License-Identifier: MIT
#include "vcpu/kvm/registers.h"

namespace vtless::kvm {

namespace {

kvm_segment to_kvm(const x86::Segment& segment) {
    const x86::AccessRights rights = segment.rights;
    kvm_segment raw{};
    raw.base = segment.base;
    raw.limit = segment.limit;
    raw.selector = segment.selector;
    raw.type = static_cast<uint8_t>(rights.type());
    raw.present = rights.present();
    raw.dpl = static_cast<uint8_t>(rights.dpl());
    raw.db = rights.default_big();
    raw.s = rights.code_or_data();
    raw.l = rights.long_mode();
    raw.g = rights.granularity();
    raw.avl = rights.available();
    raw.unusable = rights.unusable();
    return raw;
}

x86::Segment from_kvm(const kvm_segment& raw) {
    const auto at = [](unsigned value, unsigned position) { return uint32_t{value} << position; };
    const uint32_t rights = at(raw.type, 0) | at(raw.s, 4) | at(raw.dpl, 5) | at(raw.present, 7) |
                            at(raw.avl, 12) | at(raw.l, 13) | at(raw.db, 14) | at(raw.g, 15) |
                            at(raw.unusable, 16);
    return {raw.selector, raw.base, raw.limit, {rights}};
}

// In the order of x86::SegmentRegister.
constexpr kvm_segment kvm_sregs::*kSegments[] = {&kvm_sregs::es,  &kvm_sregs::cs, &kvm_sregs::ss,
                                                 &kvm_sregs::ds,  &kvm_sregs::fs, &kvm_sregs::gs,
                                                 &kvm_sregs::ldt, &kvm_sregs::tr};
// In the order of x86::Gpr.
constexpr __u64 kvm_regs::*kGprs[] = {&kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx,
                                      &kvm_regs::rsp, &kvm_regs::rbp, &kvm_regs::rsi, &kvm_regs::rdi,
                                      &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
                                      &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15};

}  // namespace

uint64_t get_gpr(const kvm_regs& regs, x86::Gpr index) { return regs.*kGprs[static_cast<unsigned>(index)]; }
void set_gpr(kvm_regs& regs, x86::Gpr index, uint64_t value) {
    regs.*kGprs[static_cast<unsigned>(index)] = value;
}

void store(const GuestState& state, kvm_regs& regs, kvm_sregs& sregs) {
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i) sregs.*kSegments[i] = to_kvm(state.segments[i]);
    sregs.gdt.base = state.gdtr.base;
    sregs.gdt.limit = state.gdtr.limit;
    sregs.idt.base = state.idtr.base;
    sregs.idt.limit = state.idtr.limit;
    sregs.cr0 = state.cr0;
    sregs.cr2 = state.cr2;
    sregs.cr3 = state.cr3;
    sregs.cr4 = state.cr4;
    sregs.cr8 = state.cr8;
    sregs.efer = state.efer;
    for (unsigned i = 0; i < x86::kGprCount; ++i) regs.*kGprs[i] = state.gprs[i];
    regs.rip = state.rip;
    regs.rflags = state.rflags | x86::rflags::kFixed1;
}

GuestState load(const kvm_regs& regs, const kvm_sregs& sregs) {
    GuestState state;
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i)
        state.segments[i] = from_kvm(sregs.*kSegments[i]);
    state.gdtr = {sregs.gdt.base, sregs.gdt.limit};
    state.idtr = {sregs.idt.base, sregs.idt.limit};
    state.cr0 = sregs.cr0;
    state.cr2 = sregs.cr2;
    state.cr3 = sregs.cr3;
    state.cr4 = sregs.cr4;
    state.cr8 = sregs.cr8;
    state.efer = sregs.efer;
    for (unsigned i = 0; i < x86::kGprCount; ++i) state.gprs[i] = regs.*kGprs[i];
    state.rip = regs.rip;
    state.rflags = regs.rflags;
    return state;
}

}  // namespace vtless::kvm
