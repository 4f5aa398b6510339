// SPDX-License-Identifier: MIT
// The architectural state of one logical processor, as a view of the engine's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "isa/x86/registers.h"
#include "isa/x86/rflags.h"
#include "isa/x86/segment.h"
#include "sim/engine/image_layout.h"

namespace vtless::sim {

// Reads and writes go straight to the image; nothing is checked and nothing is flushed here. RFLAGS is
// complete (no lazily evaluated flags). CPL is state of its own: the DPL of SS in protected mode, 0 in real
// mode, 3 in virtual-8086 mode; set_segment(SS) does not change it.
class CpuState {
  public:
    // Large enough for the image of every supported Unicorn.
    static constexpr size_t kImageSize = 6144;

    explicit CpuState(std::byte* image) : image_(image) {}

    uint64_t gpr(x86::Gpr index) const { return word(layout::kGprs + 8 * static_cast<size_t>(index)); }
    void set_gpr(x86::Gpr index, uint64_t value) {
        std::memcpy(image_ + layout::kGprs + 8 * static_cast<size_t>(index), &value, sizeof value);
    }
    // All of them where they are, in ModR/M order.
    uint64_t* gprs() { return reinterpret_cast<uint64_t*>(image_ + layout::kGprs); }
    uint64_t rip() const { return word(layout::kRip); }
    void set_rip(uint64_t value) { std::memcpy(image_ + layout::kRip, &value, sizeof value); }
    uint64_t rflags() const { return word(layout::kRflags) | x86::rflags::kFixed1; }
    void set_rflags(uint64_t value);
    // While the engine runs: only the arithmetic flags of `value`.
    void set_lazy_flags(uint64_t value);
    unsigned cpl() const;
    void set_cpl(unsigned value);

    // An unusable segment (null selector) has its `unusable` right set; its base is kept.
    x86::Segment segment(x86::SegmentRegister index) const;
    void set_segment(x86::SegmentRegister index, const x86::Segment& value);
    uint16_t selector(x86::SegmentRegister index) const;
    uint64_t segment_base(x86::SegmentRegister index) const;
    void set_segment_base(x86::SegmentRegister index, uint64_t base);
    x86::DescriptorTable gdtr() const;
    void set_gdtr(const x86::DescriptorTable& value);
    x86::DescriptorTable idtr() const;
    void set_idtr(const x86::DescriptorTable& value);

    uint64_t cr0() const;
    void set_cr0(uint64_t value);
    uint64_t cr2() const;
    void set_cr2(uint64_t value);
    uint64_t cr3() const;
    void set_cr3(uint64_t value);
    uint64_t cr4() const;
    void set_cr4(uint64_t value);
    uint64_t efer() const;  // LME, LMA, NXE, SCE; never the bits that the engine itself needs
    void set_efer(uint64_t value);
    uint64_t xcr0() const;
    void set_xcr0(uint64_t value);

    uint64_t star() const;
    void set_star(uint64_t value);
    uint64_t lstar() const;
    void set_lstar(uint64_t value);
    uint64_t cstar() const;
    void set_cstar(uint64_t value);
    uint64_t fmask() const;
    void set_fmask(uint64_t value);
    uint64_t kernel_gs_base() const;
    void set_kernel_gs_base(uint64_t value);
    uint64_t sysenter_cs() const;
    void set_sysenter_cs(uint64_t value);
    uint64_t sysenter_esp() const;
    void set_sysenter_esp(uint64_t value);
    uint64_t sysenter_eip() const;
    void set_sysenter_eip(uint64_t value);
    uint64_t tsc_aux() const;
    void set_tsc_aux(uint64_t value);

    // Events are held off for one instruction after STI or a load of SS. Which of the two is Engine's to say.
    bool interrupt_shadow() const;
    void set_interrupt_shadow(bool value);

    bool protected_mode() const;  // CR0.PE
    bool paging() const;          // CR0.PG
    bool v8086() const;           // RFLAGS.VM in protected mode outside IA-32e mode
    bool ia32e() const;           // EFER.LMA
    bool code64() const;          // IA-32e mode and CS.L
    bool code32() const;          // CS.D, and not code64
    // Address of the next instruction: CS base + RIP, wrapped to 32 bits outside 64-bit mode.
    uint64_t linear_rip() const;
    // RIP after an instruction of `length` bytes, wrapped to the code size's width.
    uint64_t next_rip(unsigned length) const;

    // Brings the engine's cached mode flags in line with the state above. Engine calls it before it loads the
    // image; nobody else needs to.
    void sync_mode();

    std::byte* image() const { return image_; }

  private:
    uint64_t word(size_t offset) const {
        uint64_t value;
        std::memcpy(&value, image_ + offset, sizeof value);
        return value;
    }

    std::byte* image_;
};

// Storage for a CpuState that belongs to no engine.
class CpuStateStorage {
  public:
    CpuState view() { return CpuState(bytes_.data()); }

  private:
    alignas(16) std::array<std::byte, CpuState::kImageSize> bytes_{};
};

}  // namespace vtless::sim
