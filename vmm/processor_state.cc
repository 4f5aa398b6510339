// SPDX-License-Identifier: MIT
#include "vmm/processor_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

namespace vtless::vmm {

namespace {

struct Flag {
    unsigned position;
    const char* name;
};

constexpr Flag kRflags[] = {{0, "CF"},  {2, "PF"},  {4, "AF"},  {6, "ZF"},  {7, "SF"},
                            {8, "TF"},  {9, "IF"},  {10, "DF"}, {11, "OF"}, {14, "NT"},
                            {16, "RF"}, {17, "VM"}, {18, "AC"}, {21, "ID"}};
constexpr Flag kCr0[] = {{0, "PE"},  {1, "MP"},  {2, "EM"},  {3, "TS"},  {4, "ET"}, {5, "NE"},
                         {16, "WP"}, {18, "AM"}, {29, "NW"}, {30, "CD"}, {31, "PG"}};
constexpr Flag kCr4[] = {{0, "VME"},       {4, "PSE"},         {5, "PAE"},      {6, "MCE"},   {7, "PGE"},
                         {9, "OSFXSR"},    {10, "OSXMMEXCPT"}, {11, "UMIP"},    {12, "LA57"}, {13, "VMXE"},
                         {16, "FSGSBASE"}, {17, "PCIDE"},      {18, "OSXSAVE"}, {20, "SMEP"}, {21, "SMAP"}};
constexpr Flag kEfer[] = {{0, "SCE"}, {8, "LME"}, {10, "LMA"}, {11, "NXE"}};

template <size_t N>
std::string flags(uint64_t value, const Flag (&names)[N]) {
    std::string text;
    for (const Flag& flag : names) {
        if ((value >> flag.position & 1) == 0) continue;
        if (!text.empty()) text.push_back(' ');
        text += flag.name;
    }
    return text;
}

const char* mode(const ProcessorState& state) {
    const bool protected_mode = (state.cr0 & 1) != 0;
    const auto& code = state.segments[static_cast<unsigned>(x86::SegmentRegister::CS)];
    if (!protected_mode) return "real mode";
    if ((state.efer >> 10 & 1) != 0) return code.rights.long_mode() ? "64-bit mode" : "compatibility mode";
    if ((state.rflags >> 17 & 1) != 0) return "virtual-8086 mode";
    return code.rights.default_big() ? "32-bit protected mode" : "16-bit protected mode";
}

}  // namespace

std::string describe(const ProcessorState& state) {
    std::string text;
    auto out = std::back_inserter(text);
    fmt::format_to(out, "RIP {:016x}  RFLAGS {:08x} [{}]  {}\n", state.rip, state.rflags,
                   flags(state.rflags, kRflags), mode(state));
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        fmt::format_to(out, "{:<3} {:016x}{}", x86::name(static_cast<x86::Gpr>(i)), state.gprs[i],
                       i % 4 == 3 ? "\n" : "  ");
    }
    fmt::format_to(out, "CR0 {:08x} [{}]\n", state.cr0, flags(state.cr0, kCr0));
    fmt::format_to(out, "CR2 {:016x}  CR3 {:016x}\n", state.cr2, state.cr3);
    fmt::format_to(out, "CR4 {:08x} [{}]  EFER {:08x} [{}]\n", state.cr4, flags(state.cr4, kCr4), state.efer,
                   flags(state.efer, kEfer));
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i) {
        const x86::Segment& segment = state.segments[i];
        fmt::format_to(out, "{:<4} {:04x} base {:016x} limit {:08x} rights {:05x}{}\n",
                       x86::name(static_cast<x86::SegmentRegister>(i)), segment.selector, segment.base,
                       segment.limit, segment.rights.raw, segment.rights.unusable() ? " unusable" : "");
    }
    fmt::format_to(out, "GDTR base {:016x} limit {:04x}  IDTR base {:016x} limit {:04x}\n", state.gdtr.base,
                   state.gdtr.limit, state.idtr.base, state.idtr.limit);
    for (const auto& [name, value] : state.exit_information) fmt::format_to(out, "{} {:#x}\n", name, value);
    if (!state.note.empty()) fmt::format_to(out, "{}\n", state.note);
    if (state.code.empty()) {
        text += "code at CS:RIP cannot be fetched\n";
    } else {
        fmt::format_to(out, "code at CS:RIP {:02x}\n", fmt::join(state.code, " "));
    }
    return text;
}

std::string describe(const EntryExplanation& why) {
    return fmt::format("VM entry check {}, {}: {}\n{} is {:#x}; allowed: {}", why.id, why.section,
                       why.sentence, why.field, why.value, why.allowed);
}

}  // namespace vtless::vmm
