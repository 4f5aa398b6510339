// SPDX-License-Identifier: MIT
#include "sim/engine/code_map.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "isa/check.h"
#include "sim/engine/instruction_decoder.h"

namespace vtless::sim {
namespace {

constexpr CodeSize kModes[] = {CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64};
constexpr cs_mode kCapstoneModes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

Shadow shadow_after(std::span<const std::byte> instruction, unsigned id) {
    if (id == X86_INS_STI) return Shadow::Sti;
    if (id != X86_INS_MOV && id != X86_INS_POP) return Shadow::None;
    // MOV SS, r/m16 is 8E /2, POP SS is 17; prefixes may precede.
    for (size_t i = 0; i < instruction.size(); ++i) {
        const auto byte = std::to_integer<unsigned>(instruction[i]);
        if (byte == 0x17) return Shadow::MovSs;
        if (byte == 0x8e && i + 1 < instruction.size()) {
            const auto modrm = std::to_integer<unsigned>(instruction[i + 1]);
            return (modrm >> 3 & 7) == 2 ? Shadow::MovSs : Shadow::None;
        }
        const bool prefix = byte == 0x66 || byte == 0x67 || (byte & 0xf0) == 0x40 || byte == 0x2e ||
                            byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65;
        if (!prefix) return Shadow::None;
    }
    return Shadow::None;
}

// The place of the first byte that is no prefix of a CALL.
size_t opcode_of(std::span<const std::byte> instruction) {
    size_t at = 0;
    for (; at + 1 < instruction.size(); ++at) {
        const auto byte = std::to_integer<unsigned>(instruction[at]);
        if (byte != 0x66 && byte != 0x67 && (byte & 0xf0) != 0x40) break;
    }
    return at;
}

// Whether what runs after the instruction may be the same one. For those that store nothing yes will do: they
// cannot be cut short.
bool may_branch_to_itself(std::span<const std::byte> instruction, unsigned id) {
    if (id != X86_INS_CALL) return ends_straight_run(id);
    if (instruction[opcode_of(instruction)] != std::byte{0xe8}) return true;
    const std::byte low = instruction[opcode_of(instruction) + 1];  // of a displacement of -1 to -15
    return instruction.back() == std::byte{0xff} &&
           static_cast<size_t>(256 - std::to_integer<int>(low)) == instruction.size();
}

// Bytes that a string instruction stores each time.
uint8_t stored_width(unsigned id) {
    switch (id) {
        case X86_INS_STOSB:
        case X86_INS_MOVSB:
            return 1;
        case X86_INS_STOSW:
        case X86_INS_MOVSW:
            return 2;
        case X86_INS_STOSD:
        case X86_INS_MOVSD:
            return 4;
        case X86_INS_STOSQ:
        case X86_INS_MOVSQ:
            return 8;
        default:
            return 0;
    }
}

bool copies(unsigned id) {
    return id == X86_INS_MOVSB || id == X86_INS_MOVSW || id == X86_INS_MOVSD || id == X86_INS_MOVSQ;
}

bool compares(unsigned id) {
    switch (id) {
        case X86_INS_CMPSB:
        case X86_INS_CMPSW:
        case X86_INS_CMPSD:
        case X86_INS_CMPSQ:
        case X86_INS_SCASB:
        case X86_INS_SCASW:
        case X86_INS_SCASD:
        case X86_INS_SCASQ:
            return true;
        default:
            return false;
    }
}

bool moves(unsigned id) {
    switch (id) {
        case X86_INS_MOVSB:
        case X86_INS_MOVSW:
        case X86_INS_MOVSD:
        case X86_INS_MOVSQ:
        case X86_INS_STOSB:
        case X86_INS_STOSW:
        case X86_INS_STOSD:
        case X86_INS_STOSQ:
        case X86_INS_LODSB:
        case X86_INS_LODSW:
        case X86_INS_LODSD:
        case X86_INS_LODSQ:
            return true;
        default:
            return false;
    }
}

bool evaluates_carry(unsigned id) { return id == X86_INS_RCL || id == X86_INS_RCR; }

bool stores_condition(unsigned id) {
    switch (id) {
        case X86_INS_SETAE:
        case X86_INS_SETA:
        case X86_INS_SETBE:
        case X86_INS_SETB:
        case X86_INS_SETE:
        case X86_INS_SETGE:
        case X86_INS_SETG:
        case X86_INS_SETLE:
        case X86_INS_SETL:
        case X86_INS_SETNE:
        case X86_INS_SETNO:
        case X86_INS_SETNP:
        case X86_INS_SETNS:
        case X86_INS_SETO:
        case X86_INS_SETP:
        case X86_INS_SETS:
            return true;
        default:
            return false;
    }
}

// What the translator knows of the flags, of the ways that matter here.
enum class Flags : uint8_t { Unknown, Logic, Compared };

Flags flags_after(Flags before, unsigned id) {
    switch (id) {
        case X86_INS_AND:
        case X86_INS_OR:
        case X86_INS_TEST:
        case X86_INS_XOR:
            return Flags::Logic;
        case X86_INS_CMP:
        case X86_INS_SUB:
            return Flags::Compared;
        case X86_INS_MOV:
        case X86_INS_MOVZX:
        case X86_INS_MOVSX:
        case X86_INS_MOVSXD:
        case X86_INS_LEA:
        case X86_INS_NOP:
            return before;
        default:
            return stores_condition(id) ? before : Flags::Unknown;
    }
}

// SETcc evaluates all flags into an operand of their evaluation, except after these.
bool condition_is_at_hand(Flags flags, unsigned id) {
    const bool rare = id == X86_INS_SETO || id == X86_INS_SETNO || id == X86_INS_SETP || id == X86_INS_SETNP;
    return flags == Flags::Logic || (flags == Flags::Compared && !rare);
}

bool is_repeated(std::span<const std::byte> instruction, unsigned id) {
    if (!moves(id) && !compares(id)) return false;
    for (const std::byte byte : instruction) {
        if (byte == std::byte{0xf2} || byte == std::byte{0xf3}) return true;
    }
    return false;
}

}  // namespace

CodeMap::CodeMap(const InstructionCosts& costs) : prices_(costs) {
    for (size_t i = 0; i < std::size(kModes); ++i) {
        VTLESS_CHECK(cs_open(CS_ARCH_X86, kCapstoneModes[i], &disassemblers_[i]) == CS_ERR_OK);
        scratch_[i] = cs_malloc(disassemblers_[i]);
    }
}

CodeMap::~CodeMap() {
    for (size_t i = 0; i < std::size(kModes); ++i) {
        cs_free(scratch_[i], 1);
        cs_close(&disassemblers_[i]);
    }
}

const CodeBlock& CodeMap::add(Hpa at, CodeSize mode, std::span<const std::byte> bytes, size_t instructions) {
    const auto size = static_cast<uint32_t>(bytes.size());
    const auto [place, fresh] = blocks_.try_emplace(key(at, size));
    if (fresh) keys_by_frame_[at.frame_number()].push_back(place->first);
    auto& block = place->second[static_cast<size_t>(mode)];
    if (!block) block = std::make_unique<CodeBlock>();
    block->size = size;
    block->mode = mode;
    decode(*block, bytes, instructions == 1);
    block->exact = block->count() == instructions;
    return *block;
}

// Bytes that Capstone cannot decode count as one instruction: mostly the translator ends a block at an
// undefined opcode, so they are the last. It runs some of them (reserved NOPs); a block with more behind
// them is not exact, nor is one that ends before an instruction that it was refused, which it counts.
void CodeMap::decode(CodeBlock& block, std::span<const std::byte> bytes, bool one) {
    block.offsets.clear();
    block.stop = {};
    block.costs.clear();
    block.ids.clear();
    block.code.assign(bytes.begin(), bytes.end());
    block.ends_run = true;
    prices_.restart();
    block.ticks = 0;
    block.shadow_at_end = Shadow::None;
    block.repeats = false;
    block.hooked.clear();
    block.divisions.clear();
    Flags flags = Flags::Unknown;
    const auto mode = static_cast<size_t>(block.mode);
    const auto* code = reinterpret_cast<const uint8_t*>(bytes.data());
    size_t left = bytes.size();
    uint64_t address = 0;
    while (left != 0) {
        const size_t offset = bytes.size() - left;
        bool decoded = cs_disasm_iter(disassemblers_[mode], &code, &left, &address, scratch_[mode]);
        if (one && left != 0) decoded = false;
        const size_t length = (decoded ? bytes.size() - left : bytes.size()) - offset;
        const auto instruction = bytes.subspan(offset, length);
        const unsigned id = decoded ? scratch_[mode]->id : unsigned{X86_INS_INVALID};
        const uint16_t cost = prices_.append(id, instruction, code_bits(block.mode));
        block.repeats = is_repeated(instruction, id);
        block.ends_run = block.repeats || ends_straight_run(id);
        if (block.ends_run) prices_.restart();
        block.ids.push_back(static_cast<uint16_t>(id));
        block.offsets.push_back(static_cast<uint16_t>(offset));
        block.costs.push_back(cost);
        block.ticks += cost;
        block.shadow_at_end = shadow_after(instruction, id);
        block.ends_in_loop = may_branch_to_itself(instruction, id);
        if (block.repeats)
            block.count_bytes = decode_stopped_instruction(instruction, block.mode).memory.address_bytes;
        const bool in_memory = decoded && std::strchr(scratch_[mode]->op_str, '[') != nullptr;
        const bool early_flags =
            in_memory && (evaluates_carry(id) || (stores_condition(id) && !condition_is_at_hand(flags, id)));
        flags = flags_after(flags, id);
        const StoppedInstruction stopped = decode_stopped_instruction(instruction, block.mode);
        if (early_flags || needs_hook(stopped)) block.hooked.push_back(static_cast<uint16_t>(offset));
        if (stopped.id == Instruction::IDIV32 && !stopped.undefined)
            block.divisions.push_back(static_cast<uint16_t>(offset));
        block.repeat_width = block.repeats ? stored_width(id) : uint8_t{0};
        block.repeat_moves = block.repeats && copies(id);
        if (!decoded) break;
    }
}

CodeBlock::Rest CodeBlock::rest_from(uint64_t offset) const {
    const auto rest = offsets.end() - std::lower_bound(offsets.begin(), offsets.end(), offset);
    return {std::accumulate(costs.end() - rest, costs.end(), uint32_t{0}), static_cast<uint32_t>(rest)};
}

void CodeBlock::move_stop(uint64_t offset) const {
    stop.offset = offset;
    stop.rest = rest_from(offset);
    stop.decoded = false;
    stop.hooked = false;
}

const CodeBlock* CodeMap::find(Hpa at, uint32_t size, CodeSize mode) const {
    const auto place = blocks_.find(key(at, size));
    return place == blocks_.end() ? nullptr : place->second[static_cast<size_t>(mode)].get();
}

const CodeBlock* CodeMap::find_unique(Hpa at, uint32_t size) const {
    const auto place = blocks_.find(key(at, size));
    if (place == blocks_.end()) return nullptr;
    const CodeBlock* found = nullptr;
    for (const auto& block : place->second) {
        if (!block) continue;
        if (found != nullptr) return nullptr;
        found = block.get();
    }
    return found;
}

void CodeMap::drop_page(Hpa at) {
    const auto keys = keys_by_frame_.find(at.frame_number());
    if (keys == keys_by_frame_.end()) return;
    ++version_;
    for (const uint64_t key : keys->second) {
        auto place = blocks_.extract(key);
        dropped_.push_back(std::move(place.mapped()));
    }
    keys_by_frame_.erase(keys);
}

}  // namespace vtless::sim
