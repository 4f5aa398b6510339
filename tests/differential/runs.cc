// SPDX-License-Identifier: MIT
#include "tests/differential/runs.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/differential/layout.h"
#include "tests/differential/parameters.h"
#include "tests/differential/program.h"
#include "tests/rom/run.h"

namespace vtless::differential {

namespace {

// Of the processor that Bochs is asked to be.
constexpr const char* kOptions = "--cpu haswell --memory 32M";

std::string write_rom(const Batch& batch, const std::string& scratch) {
    std::ostringstream original;
    original << std::ifstream(DIFFERENTIAL_ROM, std::ios::binary).rdbuf();
    std::string image = original.str();
    const Parameters parameters{static_cast<uint64_t>(batch.mode), batch.first_seed, batch.count, batch.kept};
    if (image.size() >= sizeof parameters) std::memcpy(image.data(), &parameters, sizeof parameters);
    std::string path = scratch + "/programs.rom";
    std::ofstream(path, std::ios::binary) << image;
    return path;
}

cs_mode capstone_mode(Mode mode) {
    constexpr cs_mode kModesOfCapstone[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    return kModesOfCapstone[static_cast<unsigned>(mode)];
}

std::string difference_of(const Batch& batch, const std::string& scratch) {
    const Outcomes outcomes = run(batch, scratch);
    const auto ours = outcomes.ours.find(batch.first_seed);
    const auto bochs = outcomes.bochs.find(batch.first_seed);
    if (ours == outcomes.ours.end()) return "does not end";
    if (bochs == outcomes.bochs.end()) return "does not end in Bochs";
    return difference(ours->second, bochs->second);
}

}  // namespace

std::map<uint64_t, Outcome> run_here(const Batch& batch, const std::string& scratch) {
    return parse_outcomes(rom::run_here(write_rom(batch, scratch), "", scratch, kOptions));
}

Outcomes run(const Batch& batch, const std::string& scratch) {
    auto ours = run_here(batch, scratch);
    return {std::move(ours), parse_outcomes(rom::run_in_bochs(write_rom(batch, scratch), scratch))};
}

Mismatch minimise(Mode mode, uint64_t seed, const std::string& scratch) {
    Mismatch found{mode, seed, kAllInstructions, "", ""};
    found.difference = difference_of({mode, seed, 1, found.kept}, scratch);
    const unsigned instructions = Program(mode, seed).instructions();
    for (unsigned i = 0; i < instructions && !found.difference.empty(); ++i) {
        const uint64_t fewer = found.kept & ~(uint64_t{1} << i);
        const std::string still = difference_of({mode, seed, 1, fewer}, scratch);
        if (still.empty()) continue;
        found.kept = fewer;
        found.difference = still;
    }
    found.disassembly = disassemble(mode, seed, found.kept);
    return found;
}

std::string disassemble(Mode mode, uint64_t seed, uint64_t kept) {
    const Program program(mode, seed, kept);
    csh capstone = 0;
    if (cs_open(CS_ARCH_X86, capstone_mode(mode), &capstone) != CS_ERR_OK) return "";
    cs_insn* instruction = nullptr;
    const size_t count =
        cs_disasm(capstone, program.code().data() + program.begin(), program.end() - program.begin(),
                  layout::kCode + program.begin(), 0, &instruction);
    std::string text;
    for (size_t i = 0; i < count; ++i)
        text += fmt::format("    {:x}  {} {}\n", instruction[i].address, instruction[i].mnemonic,
                            instruction[i].op_str);
    const size_t known =
        count == 0 ? 0 : instruction[count - 1].address + instruction[count - 1].size - layout::kCode;
    cs_free(instruction, count);
    cs_close(&capstone);
    const size_t rest = known == 0 ? program.begin() : known;
    for (size_t i = rest; i < program.end(); ++i)
        text += fmt::format("{}{:02x}", i == rest ? "    .byte " : " ", program.code().data()[i]);
    return rest < program.end() ? text + '\n' : text;
}

const char* name(Mode mode) {
    constexpr const char* kNames[] = {"real", "protected", "long"};
    return kNames[static_cast<unsigned>(mode)];
}

}  // namespace vtless::differential
