// SPDX-License-Identifier: MIT
#include "tests/probe/rows.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "isa/bits.h"
#include "isa/x86/event_info.h"
#include "isa/x86/exit_reason.h"
#include "isa/x86/msr.h"

namespace vtless::probe {

namespace {

using x86::EventInfo;
using Reason = x86::ExitReason;

// Exits that report the length of the instruction. SDM Vol. 3C "Information for VM Exits Due to Instruction
// Execution" (28.2.5).
bool has_length(Reason reason, const Outcome& outcome) {
    static const std::set<Reason> kInstructions = {Reason::CPUID,
                                                   Reason::HLT,
                                                   Reason::INVD,
                                                   Reason::INVLPG,
                                                   Reason::RDPMC,
                                                   Reason::RDTSC,
                                                   Reason::VMCALL,
                                                   Reason::VMCLEAR,
                                                   Reason::VMLAUNCH,
                                                   Reason::VMPTRLD,
                                                   Reason::VMPTRST,
                                                   Reason::VMREAD,
                                                   Reason::VMRESUME,
                                                   Reason::VMWRITE,
                                                   Reason::VMXOFF,
                                                   Reason::VMXON,
                                                   Reason::CONTROL_REGISTER_ACCESS,
                                                   Reason::MOV_DR,
                                                   Reason::IO_INSTRUCTION,
                                                   Reason::RDMSR,
                                                   Reason::WRMSR,
                                                   Reason::MWAIT,
                                                   Reason::MONITOR,
                                                   Reason::PAUSE,
                                                   Reason::GDTR_IDTR_ACCESS,
                                                   Reason::LDTR_TR_ACCESS,
                                                   Reason::INVEPT,
                                                   Reason::RDTSCP,
                                                   Reason::INVVPID,
                                                   Reason::WBINVD,
                                                   Reason::XSETBV};
    const auto software = [&](const char* name) {
        const EventInfo info{static_cast<uint32_t>(outcome.get(name))};
        return info.valid() && info.is_software();
    };
    return kInstructions.count(reason) != 0 || (reason == Reason::EXCEPTION_OR_NMI && software("ii")) ||
           software("vi");
}

// The bits of the VM-exit instruction-information field that mean something. SDM Vol. 3C tables 28-8 to
// 28-15.
uint64_t information_mask(Reason reason, uint64_t qualification, uint64_t word) {
    constexpr uint64_t kReg2 = bit_range(31, 28);
    constexpr uint64_t kIdentity = bit_range(29, 28);
    constexpr uint64_t kReg1 = bit_range(6, 3);
    uint64_t memory = bit_range(9, 7) | bit_range(17, 15) | bit(22) | bit(27);
    if ((word & bit(22)) == 0) memory |= bit_range(1, 0) | bit_range(21, 18);
    if ((word & bit(27)) == 0) memory |= bit_range(26, 23);
    const uint64_t operand = bit(10) | ((word & bit(10)) != 0 ? kReg1 : memory);
    switch (reason) {
        case Reason::IO_INSTRUCTION:
            if ((qualification & bit(4)) == 0) return 0;
            return bit_range(9, 7) | ((qualification & bit(3)) != 0 ? 0 : bit_range(17, 15));
        case Reason::GDTR_IDTR_ACCESS:
            return memory | kIdentity;  // the operand size is undefined in 64-bit mode, where they all are
        case Reason::LDTR_TR_ACCESS:
            return operand | kIdentity;
        case Reason::VMREAD:
        case Reason::VMWRITE:
            return operand | kReg2;
        case Reason::INVEPT:
        case Reason::INVVPID:
            return memory | kReg2;
        case Reason::VMCLEAR:
        case Reason::VMPTRLD:
        case Reason::VMPTRST:
        case Reason::VMXON:
            return memory;
        default:
            return 0;
    }
}

bool has_linear_address(Reason reason, uint64_t qualification) {
    switch (reason) {
        case Reason::IO_INSTRUCTION:
            return (qualification & bit(4)) != 0;
        case Reason::CONTROL_REGISTER_ACCESS:  // LMSW, of memory
            return (qualification & bit_range(6, 4)) == bit_range(6, 4);
        case Reason::EPT_VIOLATION:
            return (qualification & bit(7)) != 0;
        default:
            return false;
    }
}

void drop_undefined(Outcome& outcome) {
    const auto reason = static_cast<Reason>(std::stoul(outcome.head.substr(2), nullptr, 16));
    const uint64_t qualification = outcome.get("q");
    const auto without_code = [&](const char* name) {
        const EventInfo info{static_cast<uint32_t>(outcome.get(name))};
        return !info.valid() || !info.has_error_code();
    };
    auto& values = outcome.values;
    if (!has_length(reason, outcome)) values.erase("il");
    if (without_code("ii")) values.erase("ie");
    if (without_code("vi")) values.erase("ve");
    if (!has_linear_address(reason, qualification)) values.erase("gl");
    if (reason != Reason::EPT_VIOLATION && reason != Reason::EPT_MISCONFIGURATION) values.erase("gp");
    if (const auto word = values.find("in"); word != values.end()) {
        const uint64_t defined = information_mask(reason, qualification, word->second);
        outcome.clear("in", ~defined);
    }
}

}  // namespace

const std::string* Rows::find(const std::string& key) const {
    const auto found = outcomes.find(key);
    return found == outcomes.end() ? nullptr : &found->second;
}

Rows parse_rows(const std::string& text) {
    Rows rows;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const size_t bar = line.find('|');
        if (bar == std::string::npos) continue;
        const std::string key = line.substr(0, bar);
        if (key == "end") {
            rows.complete = true;
            break;
        }
        if (rows.outcomes.emplace(key, line.substr(bar + 1)).second) rows.keys.push_back(key);
    }
    return rows;
}

uint64_t Outcome::get(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? 0 : found->second;
}

void Outcome::clear(const std::string& name, uint64_t bits) {
    const auto found = values.find(name);
    if (found == values.end()) return;
    found->second &= ~bits;
    if (found->second == 0) values.erase(found);
}

std::string Outcome::text() const {
    std::string result = head;
    for (const auto& [name, value] : values) result += fmt::format(" {}={:x}", name, value);
    return result;
}

Outcome parse_outcome(const std::string& text) {
    Outcome outcome;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const size_t equals = word.find('=');
        if (equals == std::string::npos) {
            outcome.head += (outcome.head.empty() ? "" : " ") + word;
        } else {
            outcome.values[word.substr(0, equals)] = std::stoull(word.substr(equals + 1), nullptr, 16);
        }
    }
    if (outcome.head.rfind("X ", 0) == 0) drop_undefined(outcome);
    return outcome;
}

std::string profile_of(const Rows& rows) {
    nlohmann::json profile = {
        {"name", "probed"}, {"processor", "as the probe's rows say"}, {"sources", {"the probe"}}};
    for (uint32_t number = 0x480; number <= 0x491; ++number) {
        const auto msr = static_cast<x86::Msr>(number);
        const std::string* value = rows.find(fmt::format("msr 0 {:x}", number));
        if (value == nullptr || value->front() == 'E' || msr == x86::Msr::IA32_VMX_VMCS_ENUM) continue;
        profile["msrs"][x86::name(msr)] = fmt::format("0x{:0>16}", *value);
    }
    constexpr std::pair<const char*, const char*> kLeaves[] = {{"0 0", "0"},
                                                               {"1 0", "1"},
                                                               {"7 0", "7"},
                                                               {"d 1", "d.1"},
                                                               {"80000001 0", "80000001"},
                                                               {"80000008 0", "80000008"}};
    for (const auto& [key, leaf] : kLeaves) {
        std::string words;
        for (unsigned word = 0; word < 4; ++word) {
            const std::string* value = rows.find(fmt::format("cpuid {} {}", key, word));
            words += fmt::format("{}{:0>8}", word == 0 ? "" : "-", value == nullptr ? "0" : *value);
        }
        profile["cpuid"][leaf] = words;
    }
    return profile.dump(2);
}

}  // namespace vtless::probe
