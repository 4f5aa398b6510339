// SPDX-License-Identifier: MIT
// The guest on sim::Engine, without a VMX processor around it: 64-bit mode, paging and EPT on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "bench/support/guest_memory.h"
#include "isa/x86/control_regs.h"
#include "isa/x86/rflags.h"
#include "sim/engine/engine.h"

namespace vtless::bench {

class EngineGuest {
  public:
    explicit EngineGuest(std::span<const uint8_t> code) : memory_(code), mmu_(memory_.host()) {
        engine_ = sim::Engine::create(memory_.host(), mmu_).value();
        sim::CpuState& cpu = engine_->edit_state();
        for (unsigned i = 0; i < 6; ++i)
            cpu.set_segment(static_cast<x86::SegmentRegister>(i), {0x10, 0, ~0u, {0xc093}});
        cpu.set_segment(x86::SegmentRegister::CS, {0x08, 0, ~0u, {0xa09b}});
        cpu.set_gdtr({GuestLayout::kGdt, 0x7f});
        cpu.set_idtr({GuestLayout::kIdt, 0xfff});
        cpu.set_cr0(0x80050033);
        cpu.set_cr4(0x6a0);
        cpu.set_cr3(GuestLayout::kPageTables);
        cpu.set_efer(x86::efer::LME | x86::efer::LMA | x86::efer::SCE | x86::efer::NXE);
        cpu.set_rflags(x86::rflags::kFixed1);
        cpu.set_cpl(0);
        cpu.set_gpr(x86::Gpr::RSP, GuestLayout::kStack);
        cpu.set_gpr(x86::Gpr::RSI, GuestLayout::kData);
        mmu_.set_ept(x86::Eptp::make(memory_.ept_root().value(), 4, true).raw);
        mmu_.set_paging({cpu.cr0(), cpu.cr3(), cpu.cr4(), cpu.efer(), {}});
        mmu_.flush_all();
    }

    sim::Engine& engine() { return *engine_; }
    sim::Mmu& mmu() { return mmu_; }
    GuestMemory& memory() { return memory_; }

    // From the start of the code to its HLT.
    void run_loop(uint64_t iterations) {
        engine_->set_gpr(x86::Gpr::RCX, iterations);
        engine_->set_rip(GuestLayout::kCode);
        const sim::Stop& stop = engine_->run();
        VTLESS_CHECK(stop.kind == sim::Stop::Kind::Instruction &&
                     stop.instruction.id == sim::Instruction::HLT);
        VTLESS_CHECK(engine_->gpr(x86::Gpr::RCX) == 0);
    }

  private:
    GuestMemory memory_;
    sim::Mmu mmu_;
    std::unique_ptr<sim::Engine> engine_;
};

}  // namespace vtless::bench
