// SPDX-License-Identifier: MIT
#include "tests/isa/support/decode_judge.h"

#include <array>
#include <cstdio>
#include <random>

#include "tests/isa/support/capstone_reading.h"

namespace vtless::tests {
namespace {

using x86::CodeMode;
using x86::MemoryInstruction;

constexpr size_t kMaxDifferences = 10;
using Encoding = std::array<uint8_t, x86::kMaxInstructionBytes>;

// Mostly prefixes, REX and an opcode that the decoder should know, with random operands; one in eight all
// random.
class Generator {
  public:
    Generator(CodeMode mode, uint64_t seed) : mode_(mode), random_(seed) {}

    Encoding next() {
        Encoding bytes;
        for (auto& byte : bytes) byte = static_cast<uint8_t>(random_());
        if (random_() % 8 == 0) return bytes;
        size_t at = 0;
        while (random_() % 3 == 0 && at < 5) bytes[at++] = prefix();
        if (mode_ == CodeMode::BITS64 && random_() % 2 == 0)
            bytes[at++] = static_cast<uint8_t>(0x40 | random_() % 16);
        if (random_() % 4 == 0) {
            bytes[at++] = 0x0f;
            if (random_() % 8 != 0) bytes[at] = pick(kTwoByte);
        } else if (random_() % 8 != 0) {
            bytes[at] = pick(kOneByte);
        }
        return bytes;
    }

  private:
    static constexpr std::array<uint8_t, 11> kPrefixes = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26,
                                                          0x2e, 0x36, 0x3e, 0x64, 0x65};
    static constexpr std::array<uint8_t, 13> kTwoByte = {0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xb0, 0xb1,
                                                         0xc0, 0xc1, 0xb6, 0xb7, 0xbe, 0xbf};
    static constexpr std::array<uint8_t, 36> kOneByte = {
        0x63, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a,
        0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac,
        0xad, 0xae, 0xaf, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff, 0x00, 0x29, 0x3b};

    template <size_t N>
    uint8_t pick(const std::array<uint8_t, N>& from) {
        return from[random_() % N];
    }
    uint8_t prefix() {
        // A REX that a legacy prefix may follow.
        if (mode_ == CodeMode::BITS64 && random_() % 16 == 0)
            return static_cast<uint8_t>(0x40 | random_() % 16);
        return pick(kPrefixes);
    }

    CodeMode mode_;
    std::mt19937_64 random_;
};

// The prefixes of an encoding, read without the decoder under test.
struct PrefixScan {
    bool lock = false;
    bool repeat = false;
    bool fs_gs_then_other = false;
    uint8_t opcode = 0;
    uint8_t mod_rm = 0;
    std::vector<uint8_t> plain;  // the encoding without REX that count for nothing and without F2 and F3
};

bool is_legacy_prefix(uint8_t byte) {
    switch (byte) {
        case 0x66:
        case 0x67:
        case 0xf0:
        case 0xf2:
        case 0xf3:
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
            return true;
        default:
            return false;
    }
}

PrefixScan scan(const Encoding& bytes, CodeMode mode) {
    PrefixScan found;
    bool fs_gs = false;
    uint8_t rex = 0;
    size_t at = 0;
    for (; at + 2 < bytes.size(); ++at) {
        const uint8_t byte = bytes[at];
        if (mode == CodeMode::BITS64 && (byte & 0xf0) == 0x40) {
            rex = byte;
            continue;
        }
        if (!is_legacy_prefix(byte)) break;
        rex = 0;
        found.lock = found.lock || byte == 0xf0;
        found.repeat = found.repeat || byte == 0xf2 || byte == 0xf3;
        const bool is_fs_gs = byte == 0x64 || byte == 0x65;
        found.fs_gs_then_other = found.fs_gs_then_other || (fs_gs && !is_fs_gs && (byte & 0xe7) == 0x26);
        fs_gs = fs_gs || is_fs_gs;
        if (byte != 0xf2 && byte != 0xf3) found.plain.push_back(byte);
    }
    if (rex != 0) found.plain.push_back(rex);
    found.opcode = bytes[at];
    found.mod_rm = bytes[at + 1];
    found.plain.insert(found.plain.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end());
    return found;
}

using Decoded = std::optional<MemoryInstruction>;

// Capstone merges LOCK, F2 and F3 into one prefix, and where F2 or F3 means nothing it drops LOCK, widens
// 16-bit operands or gives up. So it is asked again, without them.
bool agrees_without_repeat(const PrefixScan& prefixes, const Decoded& ours, CapstoneReader& capstone) {
    Decoded theirs = capstone.read(prefixes.plain).expected;
    if (!theirs || !ours) return theirs == ours;
    theirs->length = static_cast<uint8_t>(theirs->length + x86::kMaxInstructionBytes - prefixes.plain.size());
    theirs->repeat = ours->repeat;
    return theirs == ours;
}

// SDM Vol. 2A "LOCK": instructions that read, modify and write memory.
bool is_lockable(const MemoryInstruction& instruction) {
    return instruction.form != x86::OperandForm::STRING && x86::reads_memory(instruction) &&
           x86::writes_memory(instruction);
}

// Why a difference is not the decoder's fault, or nullptr.
const char* excuse(const PrefixScan& prefixes, const Decoded& ours, const Decoded& theirs) {
    if (prefixes.opcode == 0x63 && ours && !theirs && ours->memory.address_bytes == 4)
        return "Capstone does not decode MOVSXD r32 with a 67 prefix";
    if (ours || !theirs) return nullptr;
    if (prefixes.opcode == 0x63 && theirs->register_bytes == 2)
        return "MOVSXD to 16 bits: the manuals disagree on its width, the decoder leaves it alone";
    if (prefixes.lock && !is_lockable(*theirs))
        return "Capstone accepts LOCK on instructions where it raises #UD";
    if ((prefixes.opcode & 0xfe) == 0xf6 && ((prefixes.mod_rm >> 3) & 7) == 1)
        return "TEST as F6/F7 /1 is in no manual; the decoder leaves it alone";
    if (prefixes.fs_gs_then_other)
        return "FS or GS, then a segment prefix that 64-bit mode ignores: the decoder does not guess";
    return nullptr;
}

std::string in_words(const std::optional<MemoryInstruction>& instruction) {
    if (!instruction) return "nothing";
    const MemoryInstruction& i = *instruction;
    char text[256];
    const auto gpr = [](const std::optional<x86::Gpr>& reg) { return reg ? x86::name(*reg) : "-"; };
    std::snprintf(text, sizeof text,
                  "length %u op %u form %u mem %u reg %u:%s%s imm %llx lock %d rep %u [%s:%s+%s*%u%+lld addr "
                  "%u rip %d]",
                  i.length, static_cast<unsigned>(i.op), static_cast<unsigned>(i.form), i.memory_bytes,
                  i.register_bytes, x86::name(i.gpr), i.high_byte ? " high" : "",
                  static_cast<unsigned long long>(i.immediate), i.lock, static_cast<unsigned>(i.repeat),
                  x86::name(i.memory.segment), gpr(i.memory.base), gpr(i.memory.index), i.memory.scale,
                  static_cast<long long>(i.memory.displacement), i.memory.address_bytes,
                  i.memory.rip_relative);
    return text;
}

std::string in_hex(const Encoding& bytes) {
    std::string text;
    char digits[4];
    for (const uint8_t byte : bytes) {
        std::snprintf(digits, sizeof digits, "%02x ", byte);
        text += digits;
    }
    return text;
}

}  // namespace

JudgeResult judge_decoder(CodeMode mode, uint64_t encodings, uint64_t seed) {
    CapstoneReader capstone(mode);
    Generator generator(mode, seed);
    JudgeResult result;
    for (; result.encodings < encodings; ++result.encodings) {
        const Encoding bytes = generator.next();
        const auto ours = x86::decode_memory_instruction(bytes, mode);
        const auto theirs = capstone.read(bytes);
        if (ours == theirs.expected) {
            if (ours) ++result.decoded;
            continue;
        }
        const PrefixScan prefixes = scan(bytes, mode);
        if (const char* reason = excuse(prefixes, ours, theirs.expected)) {
            ++result.excluded[reason];
            continue;
        }
        if (prefixes.repeat && agrees_without_repeat(prefixes, ours, capstone)) {
            ++result.excluded["compared without its F2 or F3"];
            continue;
        }
        if (result.differences.size() < kMaxDifferences)
            result.differences.push_back(in_hex(bytes) + "\n  ours:     " + in_words(ours) +
                                         "\n  Capstone: " + in_words(theirs.expected) + " (" + theirs.text +
                                         ")");
    }
    return result;
}

}  // namespace vtless::tests
