// SPDX-License-Identifier: MIT
// How much of the guest's time each of its instructions took. What an instruction costs is a matter of the
// run that it is in, not of how the engine cuts code into blocks; so neither is what is added up here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace vtless::sim {

struct CodeBlock;

// An instruction of an address space.
struct CodePlace {
    static constexpr uint64_t kNoPaging = ~uint64_t{0};

    uint64_t space = kNoPaging;  // what CR3 says where the paging structures are
    uint64_t linear = 0;

    friend bool operator==(const CodePlace&, const CodePlace&) = default;
};

struct InstructionTime {
    CodePlace place;
    uint64_t ticks = 0;  // kTicksPerCycle a cycle
};

class AddressProfile {
  public:
    AddressProfile();
    ~AddressProfile();
    AddressProfile(const AddressProfile&) = delete;
    AddressProfile& operator=(const AddressProfile&) = delete;

    // By address space, then by address; those that took no time are left out.
    std::vector<InstructionTime> instructions() const;

    // A block has been translated, maybe in the place of another.
    void forget_blocks() { ++epoch_; }
    // The block begins to run, as a whole, at its usual costs.
    void charge(const CodeBlock& block, const CodePlace& at) {
        Slot& slot = slots_[slot_index(at.linear)];
        if (slot.block != &block || slot.epoch != epoch_ || !(slot.place == at)) [[unlikely]]
            find(slot, block, at);
        ++slot.stretch->whole;
        last_ = slot.stretch;
    }
    // The same, at costs of this time only.
    void charge_once(const CodeBlock& block, const CodePlace& at);
    // The last instructions, so many, of what was charged last have not run.
    void take_back(uint64_t instructions);
    void add(const CodePlace& at, uint64_t ticks) { banked_[at] += ticks; }

  private:
    // A piece of code that runs as a whole: where its instructions begin, and what each costs.
    struct Stretch {
        CodePlace place;
        std::vector<uint16_t> offsets;
        std::vector<uint16_t> costs;
        uint64_t whole = 0;                // how often
        std::vector<uint64_t> taken_back;  // by instruction
    };
    struct Slot {
        CodePlace place;
        const CodeBlock* block = nullptr;
        uint64_t epoch = 0;
        Stretch* stretch = nullptr;
    };
    struct Hash {
        size_t operator()(const CodePlace& place) const {
            return (place.linear ^ place.space << 7) * 0x9e3779b97f4a7c15;
        }
    };
    using Bank = std::unordered_map<CodePlace, uint64_t, Hash>;
    static constexpr size_t kSlots = 8192;

    static size_t slot_index(uint64_t linear) { return (linear ^ linear >> 13) & (kSlots - 1); }
    void find(Slot& slot, const CodeBlock& block, const CodePlace& at);
    static void bank(const Stretch& stretch, Bank& bank);
    static void describe(Stretch& stretch, const CodeBlock& block, const CodePlace& at);

    std::unique_ptr<Slot[]> slots_;
    uint64_t epoch_ = 1;
    // By place and size. What is charged to one whose code has changed since is in the bank.
    std::unordered_map<uint64_t, std::unordered_map<CodePlace, Stretch, Hash>> stretches_;
    Bank banked_;
    Stretch once_;
    Stretch* last_ = nullptr;
};

}  // namespace vtless::sim
