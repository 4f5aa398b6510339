// SPDX-License-Identifier: MIT
#include "vmm/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "isa/check.h"
#include "vmm/memory/touched_pages.h"

static_assert(std::endian::native == std::endian::little);

namespace vtless::vmm {

namespace {

bool is_zero(std::span<const uint8_t> page) {
    return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

// An exit as words: its kind, then the fields of its payload in the order of their declaration.
class ExitWords {
  public:
    explicit ExitWords(const VmExit& exit) {
        add(static_cast<uint64_t>(exit.kind()));
        exit.visit([this](const auto& payload) { fields(payload); });
    }
    std::span<const uint64_t> words() const { return std::span(words_).first(count_); }

  private:
    void add(uint64_t word) { words_[count_++] = word; }

    void fields(const VmExit::Hypercall& exit) {
        add(exit.nr);
        for (uint64_t argument : exit.args) add(argument);
    }
    void fields(const VmExit::MmioRead& exit) {
        add(exit.addr.value());
        add(bytes(exit.width));
        add(bytes(exit.reg_width));
        add(exit.signed_ext);
        add(exit.reg);
    }
    void fields(const VmExit::MmioWrite& exit) {
        add(exit.addr.value());
        add(bytes(exit.width));
        add(exit.data);
    }
    void fields(const VmExit::SysRegRead& exit) {
        add(exit.addr);
        add(exit.reg);
    }
    void fields(const VmExit::SysRegWrite& exit) {
        add(exit.addr);
        add(exit.value);
    }
    void fields(const VmExit::IoRead& exit) {
        add(exit.port);
        add(bytes(exit.width));
    }
    void fields(const VmExit::IoWrite& exit) {
        add(exit.port);
        add(bytes(exit.width));
        add(exit.data);
    }
    void fields(const VmExit::ExternalInterrupt& exit) { add(exit.vector); }
    void fields(const VmExit::NestedPageFault& exit) {
        add(exit.addr.value());
        add(exit.access_flags.read);
        add(exit.access_flags.write);
        add(exit.access_flags.execute);
    }
    void fields(const VmExit::Halt&) {}
    void fields(const VmExit::CpuUp& exit) {
        add(exit.target_cpu);
        add(exit.entry_point.value());
        add(exit.arg);
    }
    void fields(const VmExit::CpuDown& exit) { add(exit.state); }
    void fields(const VmExit::SystemDown&) {}
    void fields(const VmExit::Nothing&) {}
    void fields(const VmExit::FailEntry& exit) { add(exit.hardware_entry_failure_reason); }
    void fields(const VmExit::SendIPI& exit) {
        add(exit.target_cpu);
        add(exit.target_cpu_aux);
        add(exit.send_to_all);
        add(exit.send_to_self);
        add(exit.vector);
    }
    void fields(const VmExit::PreemptionTimer&) {}
    void fields(const VmExit::Unhandled& exit) {
        add(exit.raw);
        add(exit.qualification);
    }

    std::array<uint64_t, 8> words_{};
    size_t count_ = 0;
};

}  // namespace

struct Hasher::State {
    XXH3_state_t xxh3;
};

Hasher::Hasher() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh3); }
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::add(std::span<const uint64_t> words) {
    XXH3_64bits_update(&state_->xxh3, words.data(), words.size_bytes());
}
void Hasher::add(std::span<const uint8_t> bytes) {
    XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}
uint64_t Hasher::value() const { return XXH3_64bits_digest(&state_->xxh3); }

void RunDigests::add_exit(const VmExit& exit, const ExitRegisters& registers, uint64_t cycles,
                          uint64_t instructions) {
    std::array<uint64_t, 8 + x86::kGprCount + 7> words{};
    const ExitWords exit_words(exit);
    auto end = std::copy(exit_words.words().begin(), exit_words.words().end(), words.begin());
    end = std::copy(registers.gprs.begin(), registers.gprs.end(), end);
    for (uint64_t word : {registers.rip, registers.rflags, registers.cr0, registers.cr3, registers.cr4}) {
        *end++ = word;
    }
    const auto architectural = static_cast<size_t>(end - words.begin());
    architecture_.add(std::span(words).first(architectural));
    *end++ = cycles;
    *end++ = instructions;
    time_.add(std::span(words).first(architectural + 2));
}

void RunDigests::add_memory(const GuestMemory& memory) {
    for (const MemoryRegion& region : memory.regions()) {
        const std::array<uint64_t, 2> header = {region.first.value(), region.size};
        for (Hasher* hasher : {&architecture_, &time_}) hasher->add(header);
        for_each_touched_page({region.bytes, region.size}, [&](std::span<const uint8_t> page) {
            if (is_zero(page)) return;
            const auto offset = static_cast<uint64_t>(page.data() - region.bytes);
            architecture_.add(std::array<uint64_t, 1>{region.first.value() + offset});
            architecture_.add(page);
        });
    }
    const std::array<uint64_t, 1> content = {architecture_.value()};
    time_.add(content);
}

}  // namespace vtless::vmm
