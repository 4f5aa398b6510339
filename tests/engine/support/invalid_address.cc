// SPDX-License-Identifier: MIT
#include "tests/engine/support/invalid_address.h"

#include <cstring>

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000, kSearched = 2048;

uint64_t word_of(const BareMachine& m, size_t at) {
    uint64_t word;
    std::memcpy(&word, reinterpret_cast<const uint8_t*>(m.uc()) + at, sizeof word);
    return word;
}

std::set<size_t> search(const BareMachine& m, uint64_t value) {
    std::set<size_t> found;
    for (size_t at = 0; at + sizeof value <= kSearched; at += sizeof value)
        if (word_of(m, at) == value) found.insert(at);
    return found;
}

std::set<size_t> probe() {
    BareMachine m;
    m.code(kCode, {0x48, 0x8b, 0x1f});  // mov rbx, [rdi]
    m.load(GuestState::long_mode(kCode));
    std::set<size_t> candidates;
    for (uint64_t address : {0x1234'5678'9abcull, 0x2345'0000'0008ull, 0x7654'3210'fedcull}) {
        m.set_reg(UC_X86_REG_RDI, address);
        m.resume(kCode);
        const auto found = search(m, address);
        if (candidates.empty()) candidates = found;
        std::erase_if(candidates, [&](size_t at) { return !found.contains(at); });
    }
    return candidates;
}

}  // namespace

const std::set<size_t>& invalid_address_candidates() {
    static const std::set<size_t> candidates = probe();
    return candidates;
}

uint64_t invalid_address(const BareMachine& machine) {
    const auto& candidates = invalid_address_candidates();
    return candidates.size() == 1 ? word_of(machine, *candidates.begin()) : kNoAddress;
}

}  // namespace vtless::engine_test
