// SPDX-License-Identifier: MIT
// An engine with a small guest: 64 MiB of memory, no EPT, and a processor in the mode a test asks for.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>

#include "isa/x86/control_regs.h"
#include "isa/x86/exception.h"
#include "sim/engine/engine.h"

namespace vtless::sim {

class GuestMachine {
  public:
    static constexpr uint64_t kMemory = 64u << 20;
    static constexpr uint64_t kCode = 0x100000;
    static constexpr uint64_t kStack = 0x200000;
    static constexpr uint64_t kPml4 = 0x10000;  // identity, 2 MiB pages, user and writable
    static constexpr uint64_t kGdt = 0x40000;   // code64 08, data 10, code32 18, user data 23, user code64 2b

    // Each instruction takes a cycle, and nothing else does.
    static EngineConfig counting(uint64_t flush_seed = 0) {
        EngineConfig config;
        config.flush_seed = flush_seed;
        config.count_instructions();
        return config;
    }

    explicit GuestMachine(const EngineConfig& config = counting())
        : memory_(HostMemory::create(kMemory).value()), mmu_(memory_) {
        auto engine = Engine::create(memory_, mmu_, config);
        EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error());
        engine_ = std::move(*engine);
        put<uint64_t>(kPml4, 0x11007);
        for (uint64_t i = 0; i < 4; ++i) put<uint64_t>(0x11000 + 8 * i, 0x12007 + i * 0x1000);
        for (uint64_t i = 0; i < 2048; ++i) put<uint64_t>(0x12000 + 8 * i, i << 21 | 0x87);
        put<uint64_t>(kGdt + 0x08, 0x00af9b000000ffff);
        put<uint64_t>(kGdt + 0x10, 0x00cf93000000ffff);
        put<uint64_t>(kGdt + 0x18, 0x00cf9b000000ffff);
        put<uint64_t>(kGdt + 0x20, 0x00cff3000000ffff);
        put<uint64_t>(kGdt + 0x28, 0x00affb000000ffff);
    }

    Engine& engine() { return *engine_; }
    Mmu& mmu() { return mmu_; }
    HostMemory& memory() { return memory_; }
    const Stop& run() { return engine_->run(); }
    // Continues behind the instruction that the engine stopped before.
    const Stop& skip() {
        const unsigned length = engine_->instruction().length;
        engine_->set_rip(engine_->rip() + length);
        return engine_->run();
    }

    template <class T>
    void put(uint64_t at, T value) {
        std::memcpy(memory_.base() + at, &value, sizeof value);
        memory_.note_write(Hpa(at), sizeof value);
    }
    template <class T>
    T get(uint64_t at) const {
        T value;
        std::memcpy(&value, memory_.base() + at, sizeof value);
        return value;
    }
    void code(uint64_t at, std::initializer_list<uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(), memory_.base() + at);
        memory_.note_write(Hpa(at), bytes.size());
    }

    void long_mode(uint64_t rip = kCode, unsigned cpl = 0, uint64_t rflags = 2) {
        CpuState& cpu = engine_->edit_state();
        const auto dpl = static_cast<uint32_t>(cpl << 5);
        for (unsigned i = 0; i < 6; ++i) {
            cpu.set_segment(static_cast<x86::SegmentRegister>(i),
                            {static_cast<uint16_t>(cpl ? 0x23 : 0x10), 0, ~0u, {0xc093u | dpl}});
        }
        cpu.set_segment(x86::SegmentRegister::CS,
                        {static_cast<uint16_t>(cpl ? 0x2b : 0x08), 0, ~0u, {0xa09bu | dpl}});
        cpu.set_gdtr({kGdt, 0x7f});
        cpu.set_idtr({0, 0});
        cpu.set_cr0(0x80050033);
        cpu.set_cr4(0x6a0);
        cpu.set_cr3(kPml4);
        cpu.set_efer(x86::efer::LME | x86::efer::LMA | x86::efer::SCE | x86::efer::NXE);
        cpu.set_rflags(rflags);
        cpu.set_cpl(cpl);
        cpu.set_gpr(x86::Gpr::RSP, kStack);
        engine_->set_rip(rip);
        sync_paging();
    }

    void real_mode(uint16_t cs, uint64_t cs_base, uint64_t ip) {
        CpuState& cpu = engine_->edit_state();
        for (unsigned i = 0; i < 6; ++i)
            cpu.set_segment(static_cast<x86::SegmentRegister>(i), {0, 0, 0xffff, {0x93}});
        cpu.set_segment(x86::SegmentRegister::CS, {cs, cs_base, 0xffff, {0x9b}});
        cpu.set_cr0(x86::cr0::ET);
        cpu.set_cr4(0);
        cpu.set_efer(0);
        cpu.set_rflags(2);
        cpu.set_cpl(0);
        cpu.set_gpr(x86::Gpr::RSP, 0x7000);
        engine_->set_rip(ip);
        sync_paging();
    }

    void sync_paging() {
        const CpuState& cpu = engine_->state();
        mmu_.set_paging({cpu.cr0(), cpu.cr3(), cpu.cr4(), cpu.efer(), {}});
        mmu_.flush_all();
    }

    uint64_t gpr(x86::Gpr index) const { return engine_->gpr(index); }
    bool stopped_before(Instruction id) const {
        return engine_->stop().kind == Stop::Kind::Instruction && engine_->stop().instruction.id == id;
    }
    bool stopped_at_exception(x86::Vector vector) const {
        return engine_->stop().kind == Stop::Kind::Exception &&
               engine_->stop().vector == static_cast<uint8_t>(vector);
    }

  private:
    HostMemory memory_;
    Mmu mmu_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace vtless::sim
