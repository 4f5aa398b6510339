// SPDX-License-Identifier: MIT
// What the engine knows of translated code: instruction boundaries and costs, by host-physical address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "isa/addr.h"
#include "sim/engine/instruction_prices.h"
#include "sim/engine/stop.h"

struct cs_insn;

namespace vtless::sim {

enum class CodeSize : uint8_t { Bits16, Bits32, Bits64 };

constexpr unsigned code_bits(CodeSize size) { return 16u << static_cast<unsigned>(size); }

// What holds events off for one instruction. SDM Vol. 3C table 25-3.
enum class Shadow : uint8_t { None, Sti, MovSs };

// One translated block. Instruction k starts offsets[k] bytes into it and costs costs[k] ticks.
struct CodeBlock {
    uint32_t size = 0;   // bytes
    uint32_t ticks = 0;  // of the whole block
    CodeSize mode = CodeSize::Bits16;
    Shadow shadow_at_end = Shadow::None;
    bool exact = true;              // offsets are the translator's: else only its size is known
    bool repeats = false;           // its last instruction is a REP string instruction,
    uint8_t count_bytes = 0;        // which counts in this many bytes of RCX
    bool ends_run = true;           // what its last instruction costs, nothing behind it has a part in
    bool ends_in_loop = false;      // its last instruction may branch to itself
    mutable bool restarts = false;  // a block was cut short here once, by a store to its own code
    uint8_t repeat_width = 0;       // and stores this many bytes each time,
    bool repeat_moves = false;      // from memory
    std::vector<uint16_t> offsets;
    std::vector<uint16_t> costs;  // where nothing ran before the block that has a part in them
    std::vector<uint16_t> ids;    // Capstone's
    std::vector<std::byte> code;
    // Where instructions begin that the engine must be called before: needs_hook() ones, and those that
    // change flags, or how they are evaluated, before they access memory.
    std::vector<uint16_t> hooked;
    std::vector<uint16_t> divisions;  // of them, each IDIV32

    // What the block is from an offset on.
    struct Rest {
        uint32_t ticks = 0;
        uint32_t count = 0;  // instructions
    };
    // Where the engine last stopped inside the block, what was left of it there, and before what, if that had
    // to be known. It mostly stops there again.
    struct StopPoint {
        uint64_t offset = ~uint64_t{0};
        Rest rest;
        bool decoded = false;
        bool hooked = false;  // a code hook stops there, whatever registers hold
        StoppedInstruction instruction;
    };
    mutable StopPoint stop;

    size_t count() const { return offsets.size(); }
    std::span<const std::byte> bytes_of(size_t instruction) const {
        const size_t end = instruction + 1 < count() ? offsets[instruction + 1] : code.size();
        return std::span(code).subspan(offsets[instruction], end - offsets[instruction]);
    }
    Rest rest_from(uint64_t offset) const;
    StopPoint& stop_at(uint64_t offset) const {
        if (stop.offset != offset) [[unlikely]]
            move_stop(offset);
        return stop;
    }

  private:
    [[gnu::noinline]] void move_stop(uint64_t offset) const;
};

// Blocks are found by where their bytes lie, not by linear address: two address spaces may have different
// code at one linear address. A CodeBlock stays valid until sweep() after its page was dropped.
class CodeMap {
  public:
    explicit CodeMap(const InstructionCosts& costs);
    ~CodeMap();
    CodeMap(const CodeMap&) = delete;
    CodeMap& operator=(const CodeMap&) = delete;

    // Decodes a block of so many instructions; replaces what was known of the same place, size and mode.
    const CodeBlock& add(Hpa at, CodeSize mode, std::span<const std::byte> bytes, size_t instructions);
    const CodeBlock* find(Hpa at, uint32_t size, CodeSize mode) const;
    // The block whatever its mode, or nullptr when there is none or more than one.
    const CodeBlock* find_unique(Hpa at, uint32_t size) const;
    void drop_page(Hpa at);
    // Changes whenever a block found before may be gone.
    uint64_t version() const { return version_; }
    void sweep() {
        if (!dropped_.empty()) dropped_.clear();
    }

  private:
    // The blocks of one place and size: by mode, since the same bytes may run in more than one.
    using Modes = std::array<std::unique_ptr<CodeBlock>, 3>;

    static uint64_t key(Hpa at, uint32_t size) { return at.value() << 16 | (size & 0xffff); }
    void decode(CodeBlock& block, std::span<const std::byte> bytes, bool one);

    std::unordered_map<uint64_t, Modes> blocks_;
    std::unordered_map<uint64_t, std::vector<uint64_t>> keys_by_frame_;
    std::vector<Modes> dropped_;
    uint64_t version_ = 0;
    InstructionPrices prices_;
    size_t disassemblers_[3]{};
    cs_insn* scratch_[3]{};
};

}  // namespace vtless::sim
