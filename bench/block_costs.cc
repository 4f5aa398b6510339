// SPDX-License-Identifier: MIT
// Blocks of guest code, and what our tables say that they take. scripts/costs/compare.py puts llvm-mca beside
// it. A block is a line: bits of the code segment, then the bytes of each instruction in hexadecimal.
#include <capstone/capstone.h>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "bench/support/guest_code.h"
#include "sim/time/straight_line.h"
#include "vmm/guest_run.h"

namespace vtless {
namespace {

constexpr uint32_t kFallbackCycles = 20;

std::string line_of(unsigned bits, std::span<const std::byte> bytes, std::span<const uint16_t> offsets) {
    std::string line = std::to_string(bits);
    size_t next = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        const bool starts = next < offsets.size() && offsets[next] == i;
        if (starts) ++next;
        line += fmt::format("{}{:02x}", starts ? " " : "", std::to_integer<unsigned>(bytes[i]));
    }
    return line;
}

class Collector : public sim::CodeObserver {
  public:
    void on_new_block(const sim::CodeBlock& block, std::span<const std::byte> bytes) override {
        constexpr unsigned kBits[] = {16, 32, 64};
        if (block.exact)
            blocks_.insert(line_of(kBits[static_cast<size_t>(block.mode)], bytes, block.offsets));
    }
    void print() const {
        for (const std::string& block : blocks_) fmt::print("{}\n", block);
    }

  private:
    std::set<std::string> blocks_;
};

int collect(vmm::GuestRunConfig config) {
    Collector collector;
    config.processor.engine.code_observer = &collector;
    config.debug_console = "/dev/null";
    config.serial = "/dev/null";
    const auto result = vmm::run_guest(config);
    if (!result) {
        fmt::print(stderr, "block_costs: {}\n", result.error().message);
        return 1;
    }
    collector.print();
    return 0;
}

// The blocks of code that is known from its beginning to its end: they begin where it does, behind branches
// and where branches go.
class GuestBlocks {
  public:
    GuestBlocks() { cs_open(CS_ARCH_X86, CS_MODE_64, &disassembler_); }
    ~GuestBlocks() { cs_close(&disassembler_); }
    GuestBlocks(const GuestBlocks&) = delete;
    GuestBlocks& operator=(const GuestBlocks&) = delete;

    void print(std::span<const uint8_t> code) {
        cs_insn* instructions = nullptr;
        cs_option(disassembler_, CS_OPT_DETAIL, CS_OPT_ON);
        const size_t count = cs_disasm(disassembler_, code.data(), code.size(), 0, 0, &instructions);
        std::set<uint64_t> starts{0};
        for (size_t i = 0; i < count; ++i) add_starts(instructions[i], starts);
        std::string line;
        for (size_t i = 0; i < count; ++i) {
            if (starts.contains(instructions[i].address)) flush(line);
            line += ' ';
            for (size_t k = 0; k < instructions[i].size; ++k)
                line += fmt::format("{:02x}", instructions[i].bytes[k]);
        }
        flush(line);
        cs_free(instructions, count);
    }

  private:
    void add_starts(const cs_insn& instruction, std::set<uint64_t>& starts) const {
        const bool branches = cs_insn_group(disassembler_, &instruction, CS_GRP_JUMP) ||
                              cs_insn_group(disassembler_, &instruction, CS_GRP_CALL) ||
                              cs_insn_group(disassembler_, &instruction, CS_GRP_RET) ||
                              instruction.id == X86_INS_HLT;
        if (!branches) return;
        starts.insert(instruction.address + instruction.size);
        const cs_x86& detail = instruction.detail->x86;
        if (detail.op_count == 1 && detail.operands[0].type == X86_OP_IMM)
            starts.insert(static_cast<uint64_t>(detail.operands[0].imm));
    }
    static void flush(std::string& line) {
        if (!line.empty()) fmt::print("64{}\n", line);
        line.clear();
    }

    csh disassembler_{};
};

int print_guests() {
    GuestBlocks blocks;
    for (const auto code :
         {VTLESS_GUEST(blocks_of_3),      VTLESS_GUEST(blocks_of_10),      VTLESS_GUEST(blocks_of_66),
          VTLESS_GUEST(loads_and_stores), VTLESS_GUEST(calls_and_returns), VTLESS_GUEST(cpuid_loop),
          VTLESS_GUEST(hlt_loop),         VTLESS_GUEST(out_loop),          VTLESS_GUEST(missing_page_loop),
          VTLESS_GUEST(touch_and_halt),   VTLESS_GUEST(interrupt_handler), VTLESS_GUEST(page_fault_loop),
          VTLESS_GUEST(system_call_loop), VTLESS_GUEST(in_loop),           VTLESS_GUEST(rep_outs_loop),
          VTLESS_GUEST(vmcall_loop),      VTLESS_GUEST(rdmsr_loop),        VTLESS_GUEST(wrmsr_loop),
          VTLESS_GUEST(mmio_read_loop),   VTLESS_GUEST(mmio_write_loop),   VTLESS_GUEST(xsetbv_loop),
          VTLESS_GUEST(spin_loop),        VTLESS_GUEST(window_loop),       VTLESS_GUEST(invlpg_loop),
          VTLESS_GUEST(mov_cr3_loop)})
        blocks.print(code);
    return 0;
}

// For each line: ticks, of them throughput and dependency, and the instructions that fell back (unmodelled,
// unknown).
int cost(const std::string& model, sim::StackPointer stack) {
    const sim::CostTable* table = sim::CostTable::find(model);
    if (table == nullptr) {
        fmt::print(stderr, "block_costs: no model \"{}\"\n", model);
        return 1;
    }
    sim::StraightLine run(*table, kFallbackCycles, stack);
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        unsigned bits = 0;
        unsigned unmodelled = 0;
        unsigned unknown = 0;
        words >> bits;
        run.restart();
        for (std::string hex; words >> hex;) {
            std::vector<std::byte> bytes;
            for (size_t i = 0; i + 1 < hex.size(); i += 2)
                bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
            run.append(bytes, bits);
            unmodelled += run.source() == sim::CostSource::Unmodelled;
            unknown += run.source() == sim::CostSource::Unknown;
        }
        fmt::print("{} {} {} {} {}\n", run.ticks(), run.throughput_ticks(), run.dependency_ticks(),
                   unmodelled, unknown);
    }
    return 0;
}

int run(std::span<char*> arguments) {
    const std::string command = arguments.size() > 1 ? arguments[1] : "";
    vmm::GuestRunConfig config;
    config.limits.max_cycles = 3'000'000'000;
    if (command == "guests" && arguments.size() == 2) return print_guests();
    if (command == "cost" && arguments.size() == 3) return cost(arguments[2], sim::StackPointer::AsModelled);
    if (command == "renamed" && arguments.size() == 3) return cost(arguments[2], sim::StackPointer::Renamed);
    if (command == "bios" && arguments.size() == 3) {
        config.guest = vmm::FirmwareGuest{arguments[2]};
        return collect(config);
    }
    if (command == "kernel" && arguments.size() == 3) {
        config.guest = vmm::LinuxGuest{arguments[2], "", "console=ttyS0 panic=-1"};
        return collect(config);
    }
    fmt::print(
        stderr,
        "usage: block_costs guests | bios FILE | kernel FILE | cost MODEL <BLOCKS | renamed MODEL <BLOCKS\n");
    return 2;
}

}  // namespace
}  // namespace vtless

int main(int count, char** arguments) {
    try {
        return vtless::run(std::span(arguments, static_cast<size_t>(count)));
    } catch (const std::exception& error) {
        std::fputs(error.what(), stderr);
        return 1;
    }
}
