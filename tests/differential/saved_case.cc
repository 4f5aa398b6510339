// SPDX-License-Identifier: MIT
#include "tests/differential/saved_case.h"

#include <capstone/capstone.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "isa/x86/registers.h"
#include "tests/differential/layout.h"
#include "tests/differential/parameters.h"
#include "vcpu/exit.h"

namespace vtless::differential {

namespace {

using Json = nlohmann::ordered_json;

constexpr Mode kAllModes[] = {Mode::Real16, Mode::Protected32, Mode::Long64};
constexpr const char* kMemory[] = {"stack", "data", "page_tables"};

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what); }

std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

uint64_t number(const Json& json, const std::string& key) {
    const auto& text = json.at(key).get_ref<const std::string&>();
    size_t used = 0;
    const uint64_t value = text.starts_with("0x") ? std::stoull(text, &used, 16) : 0;
    if (used == 0 || used != text.size())
        refuse(fmt::format("\"{}\": \"{}\" is not a number like 0x1f", key, text));
    return value;
}

Mode mode_of(const Json& json) {
    const auto& wanted = json.at("mode").get_ref<const std::string&>();
    const auto mode = mode_named(wanted);
    if (!mode) refuse(fmt::format("\"mode\": \"{}\" is none of real, protected, long", wanted));
    return *mode;
}

std::vector<uint8_t> code_of(const Json& json) {
    const auto& text = json.at("code").get_ref<const std::string&>();
    std::vector<uint8_t> code;
    for (size_t at = 0; at + 1 < text.size(); at += 2) {
        size_t used = 0;
        code.push_back(static_cast<uint8_t>(std::stoul(text.substr(at, 2), &used, 16)));
        if (used != 2) refuse("\"code\": bytes are two hexadecimal digits each");
    }
    if (text.size() % 2 != 0 || code.empty() || code.size() > Parameters::kMostCode)
        refuse(fmt::format("\"code\": 1 to {} bytes of two hexadecimal digits", Parameters::kMostCode));
    return code;
}

ExitKind kind_of(const Json& json) {
    const auto& wanted = json.at("exit").get_ref<const std::string&>();
    for (size_t i = 0; i < kExitKinds; ++i)
        if (wanted == name(static_cast<ExitKind>(i))) return static_cast<ExitKind>(i);
    refuse(fmt::format("\"exit\": \"{}\" is no exit", wanted));
}

Outcome outcome_of(const Json& json) {
    Outcome outcome;
    outcome.end = {static_cast<uint64_t>(kind_of(json)), number(json, "raw"), number(json, "qualification")};
    outcome.rip = number(json, "RIP");
    outcome.rflags = number(json, "RFLAGS");
    for (unsigned i = 0; i < outcome.gprs.size(); ++i)
        outcome.gprs[i] = number(json, x86::name(static_cast<x86::Gpr>(i)));
    for (unsigned i = 0; i < outcome.memory.size(); ++i) outcome.memory[i] = number(json, kMemory[i]);
    return outcome;
}

Json json_of(const Outcome& outcome) {
    Json json;
    json["exit"] = name(static_cast<ExitKind>(outcome.end[0]));
    json["raw"] = hex(outcome.end[1]);
    json["qualification"] = hex(outcome.end[2]);
    json["RIP"] = hex(outcome.rip);
    json["RFLAGS"] = hex(outcome.rflags);
    for (unsigned i = 0; i < outcome.gprs.size(); ++i)
        json[x86::name(static_cast<x86::Gpr>(i))] = hex(outcome.gprs[i]);
    for (unsigned i = 0; i < outcome.memory.size(); ++i) json[kMemory[i]] = hex(outcome.memory[i]);
    return json;
}

cs_mode capstone_mode(Mode mode) {
    constexpr cs_mode kModesOfCapstone[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    return kModesOfCapstone[static_cast<unsigned>(mode)];
}

}  // namespace

Expected<SavedCase, std::string> load_case(const std::string& path) {
    std::ifstream file(path);
    if (!file) return Unexpected(path + ": cannot be read");
    try {
        const Json json = Json::parse(file);
        SavedCase saved;
        saved.mode = mode_of(json);
        saved.seed = number(json, "seed");
        saved.code = code_of(json);
        saved.found = json.at("found");
        saved.rule = json.at("rule");
        saved.expected = outcome_of(json.at("expected"));
        return saved;
    } catch (const std::exception& problem) {
        return Unexpected(fmt::format("{}: {}", path, problem.what()));
    }
}

Expected<void, std::string> save_case(const SavedCase& saved, const std::string& path) {
    Json json;
    json["found"] = saved.found;
    json["rule"] = saved.rule;
    json["mode"] = name(saved.mode);
    json["seed"] = hex(saved.seed);
    json["code"] = fmt::format("{:02x}", fmt::join(saved.code, ""));
    json["disassembly"] = disassemble(saved.mode, saved.program());
    json["expected"] = json_of(saved.expected);
    std::ofstream file(path);
    file << json.dump(2) << '\n';
    file.close();
    if (!file) return Unexpected(path + ": cannot be written");
    return {};
}

std::vector<std::string> disassemble(Mode mode, const Program& program) {
    csh capstone = 0;
    if (cs_open(CS_ARCH_X86, capstone_mode(mode), &capstone) != CS_ERR_OK) return {};
    cs_insn* instruction = nullptr;
    const size_t count =
        cs_disasm(capstone, program.code().data() + program.begin(), program.end() - program.begin(),
                  layout::kCode + program.begin(), 0, &instruction);
    std::vector<std::string> lines;
    size_t known = program.begin();
    for (size_t i = 0; i < count; ++i) {
        lines.push_back(fmt::format("{:x}  {} {}", instruction[i].address, instruction[i].mnemonic,
                                    instruction[i].op_str));
        known = instruction[i].address + instruction[i].size - layout::kCode;
    }
    cs_free(instruction, count);
    cs_close(&capstone);
    if (known == program.end()) return lines;
    std::string rest = ".byte";
    for (size_t i = known; i < program.end(); ++i) rest += fmt::format(" {:02x}", program.code().data()[i]);
    lines.push_back(rest);
    return lines;
}

std::optional<Mode> mode_named(const std::string& wanted) {
    for (const Mode mode : kAllModes)
        if (wanted == name(mode)) return mode;
    return std::nullopt;
}

const char* name(Mode mode) {
    constexpr const char* kNames[] = {"real", "protected", "long"};
    return kNames[static_cast<unsigned>(mode)];
}

}  // namespace vtless::differential
