// SPDX-License-Identifier: MIT
#include "sim/cpu/control_registers.h"

#include "isa/x86/paging.h"
#include "isa/x86/rflags.h"
#include "sim/cpu/operand.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
namespace efer = x86::efer;
using x86::SegmentRegister;

namespace {

constexpr uint64_t kLowHalf = 0xffffffff;
// CR0 bits that LMSW loads; PE it cannot clear.
constexpr uint64_t kMachineStatus = cr0::PE | cr0::MP | cr0::EM | cr0::TS;

uint64_t source_register(const CpuState& cpu, const StoppedInstruction& instruction) {
    const uint64_t value = cpu.gpr(instruction.gpr);
    return cpu.code64() ? value : value & kLowHalf;
}

bool uses_pae(const PagingState& paging) {
    return x86::paging_mode(paging.cr0, paging.cr4, paging.efer) == x86::PagingMode::PAE;
}

// Loads the PDPTE registers for the paging that is to come.
CpuResult load_pdptes(Mmu& mmu, PagingState& paging) {
    if (const MmuFault fault = mmu.read_pdptes(paging.cr3, paging.pdptes)) return CpuResult::of(fault);
    return mmu.pdptes_valid(paging.pdptes) ? CpuResult::ok() : CpuResult::general_protection();
}

CpuResult commit(CpuState& cpu, Mmu& mmu, const PagingState& paging, TlbEffect effect) {
    cpu.set_cr0(paging.cr0);
    cpu.set_cr3(paging.cr3);
    cpu.set_cr4(paging.cr4);
    cpu.set_efer(paging.efer);
    mmu.set_paging(paging);
    if (effect == TlbEffect::All) mmu.flush_all();
    if (effect == TlbEffect::NonGlobal) mmu.flush_non_global();
    return CpuResult::ok(effect);
}

bool tr_is_16bit(const CpuState& cpu) { return (cpu.segment(SegmentRegister::TR).rights.type() & 8) == 0; }

// Real-address mode reports #GP without error code.
CpuResult refuse(const CpuState& cpu) {
    return cpu.protected_mode() ? CpuResult::general_protection() : CpuResult::fault(x86::Vector::GP);
}

CpuResult retired(CpuState& cpu, const StoppedInstruction& instruction, const CpuResult& result) {
    if (result.done()) retire(cpu, instruction.length);
    return result;
}

bool valid_xcr0(uint64_t value, const CpuFeatures& features) {
    using namespace x86::xcr0;
    constexpr uint64_t kAvx512 = OPMASK | ZMM_HI256 | HI16_ZMM;
    if ((value & X87) == 0 || (value & ~features.xcr0) != 0) return false;
    if ((value & AVX) != 0 && (value & SSE) == 0) return false;
    if (((value & BNDREG) != 0) != ((value & BNDCSR) != 0)) return false;
    const uint64_t avx512 = value & kAvx512;
    return avx512 == 0 || (avx512 == kAvx512 && (value & AVX) != 0);
}

}  // namespace

PagingState paging_state(const CpuState& cpu, const Mmu& mmu) {
    return {cpu.cr0(), cpu.cr3(), cpu.cr4(), cpu.efer(), mmu.paging().pdptes};
}

CpuResult require_cpl0(const CpuState& cpu) {
    return cpu.cpl() == 0 ? CpuResult::ok() : CpuResult::general_protection();
}

CpuResult write_cr0(CpuState& cpu, Mmu& mmu, uint64_t value) {
    if ((value & ~kLowHalf) != 0) return refuse(cpu);
    value = (value & cr0::kDefined) | cr0::ET;
    if ((value & cr0::PG) != 0 && (value & cr0::PE) == 0) return refuse(cpu);
    if ((value & cr0::NW) != 0 && (value & cr0::CD) == 0) return refuse(cpu);

    PagingState paging = paging_state(cpu, mmu);
    const uint64_t changed = paging.cr0 ^ value;
    paging.cr0 = value;
    if ((changed & cr0::PG) != 0 && (value & cr0::PG) != 0 && (paging.efer & efer::LME) != 0) {
        // SDM Vol. 3A "Initializing IA-32e Mode" (10.8.5).
        if ((paging.cr4 & cr4::PAE) == 0 || cpu.segment(SegmentRegister::CS).rights.long_mode() ||
            tr_is_16bit(cpu))
            return refuse(cpu);
        paging.efer |= efer::LMA;
    }
    if ((changed & cr0::PG) != 0 && (value & cr0::PG) == 0) {
        if (cpu.code64() || (paging.cr4 & cr4::PCIDE) != 0) return refuse(cpu);
        paging.efer &= ~efer::LMA;
    }
    if ((changed & (cr0::PG | cr0::CD | cr0::NW)) != 0 && uses_pae(paging)) {
        const CpuResult result = load_pdptes(mmu, paging);
        if (!result.done()) return result;
    }
    TlbEffect effect = TlbEffect::None;
    if ((changed & (cr0::WP | cr0::PE)) != 0) effect = TlbEffect::Permissions;
    if ((changed & cr0::PG) != 0) effect = TlbEffect::All;
    return commit(cpu, mmu, paging, effect);
}

CpuResult write_cr3(CpuState& cpu, Mmu& mmu, uint64_t value) {
    PagingState paging = paging_state(cpu, mmu);
    const bool keeps = (paging.cr4 & cr4::PCIDE) != 0 && (value & x86::cr3::kNoFlush) != 0;
    if (keeps) value &= ~x86::cr3::kNoFlush;
    const unsigned bits = mmu.config().physical_address_bits;
    if (cpu.ia32e() && (value & bit_range(63, bits)) != 0) return refuse(cpu);
    paging.cr3 = value;
    if (uses_pae(paging)) {
        const CpuResult result = load_pdptes(mmu, paging);
        if (!result.done()) return result;
    }
    return commit(cpu, mmu, paging, keeps ? TlbEffect::None : TlbEffect::NonGlobal);
}

CpuResult write_cr4(CpuState& cpu, Mmu& mmu, uint64_t value, const CpuFeatures& features) {
    if ((value & ~features.cr4) != 0) return refuse(cpu);
    PagingState paging = paging_state(cpu, mmu);
    const uint64_t changed = paging.cr4 ^ value;
    if (cpu.ia32e() && ((value & cr4::PAE) == 0 || (changed & cr4::LA57) != 0)) return refuse(cpu);
    if ((changed & value & cr4::PCIDE) != 0 && (!cpu.ia32e() || (paging.cr3 & x86::cr3::kPcidMask) != 0))
        return refuse(cpu);

    paging.cr4 = value;
    if ((changed & (cr4::PAE | cr4::PGE | cr4::PSE | cr4::SMEP)) != 0 && uses_pae(paging)) {
        const CpuResult result = load_pdptes(mmu, paging);
        if (!result.done()) return result;
    }
    TlbEffect effect = TlbEffect::None;
    if ((changed & cr4::SMAP) != 0 || (changed & ~value & cr4::SMEP) != 0) effect = TlbEffect::Permissions;
    if ((changed & value & cr4::SMEP) != 0) effect = TlbEffect::NonGlobal;
    if ((changed & (cr4::PGE | cr4::PAE | cr4::PSE | cr4::LA57)) != 0 || (changed & ~value & cr4::PCIDE) != 0)
        effect = TlbEffect::All;
    return commit(cpu, mmu, paging, effect);
}

// SDM Vol. 3A "Extended Feature Enable Register" (2.2.1).
CpuResult write_efer(CpuState& cpu, Mmu& mmu, uint64_t value, const CpuFeatures& features) {
    PagingState paging = paging_state(cpu, mmu);
    if ((value & ~features.efer) != 0) return refuse(cpu);
    if (cpu.paging() && ((value ^ paging.efer) & efer::LME) != 0) return refuse(cpu);
    const bool nxe_changes = ((value ^ paging.efer) & efer::NXE) != 0;
    paging.efer = (value & ~efer::LMA) | (paging.efer & efer::LMA);
    return commit(cpu, mmu, paging, nxe_changes ? TlbEffect::Permissions : TlbEffect::None);
}

CpuResult mov_to_cr(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                    const CpuFeatures& features) {
    const unsigned number = instruction.number;
    if (number != 0 && number != 2 && number != 3 && number != 4) return CpuResult::fault(x86::Vector::UD);
    if (const CpuResult result = require_cpl0(cpu); !result.done()) return result;
    const uint64_t value = source_register(cpu, instruction);
    CpuResult result;
    if (number == 0) result = write_cr0(cpu, mmu, value);
    if (number == 2) cpu.set_cr2(value);
    if (number == 3) result = write_cr3(cpu, mmu, value);
    if (number == 4) result = write_cr4(cpu, mmu, value, features);
    return retired(cpu, instruction, result);
}

CpuResult mov_from_cr(CpuState& cpu, const StoppedInstruction& instruction) {
    const unsigned number = instruction.number;
    if (number != 0 && number != 2 && number != 3 && number != 4) return CpuResult::fault(x86::Vector::UD);
    if (const CpuResult result = require_cpl0(cpu); !result.done()) return result;
    const uint64_t value = number == 0   ? cpu.cr0()
                           : number == 2 ? cpu.cr2()
                           : number == 3 ? cpu.cr3()
                                         : cpu.cr4();
    set_gpr_sized(cpu, instruction.gpr, cpu.code64() ? 8 : 4, value);
    return retired(cpu, instruction, CpuResult::ok());
}

CpuResult clts(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    if (const CpuResult result = require_cpl0(cpu); !result.done()) return result;
    cpu.set_cr0(cpu.cr0() & ~cr0::TS);
    mmu.set_paging(paging_state(cpu, mmu));
    return retired(cpu, instruction, CpuResult::ok());
}

CpuResult lmsw_source(const CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction,
                      uint16_t& source) {
    if (const CpuResult result = require_cpl0(cpu); !result.done()) return result;
    if (instruction.has_memory)
        return read_memory(cpu, mmu, instruction, std::as_writable_bytes(std::span(&source, 1)));
    source = static_cast<uint16_t>(cpu.gpr(instruction.gpr));
    return CpuResult::ok();
}

CpuResult lmsw(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    uint16_t source = 0;
    if (const CpuResult result = lmsw_source(cpu, mmu, instruction, source); !result.done()) return result;
    const uint64_t kept = cpu.cr0() & ~(kMachineStatus & ~cr0::PE);
    return retired(cpu, instruction, write_cr0(cpu, mmu, kept | (source & kMachineStatus)));
}

CpuResult smsw(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    if ((cpu.cr4() & cr4::UMIP) != 0 && cpu.cpl() != 0) return CpuResult::general_protection();
    if (instruction.has_memory) {
        const auto word = static_cast<uint16_t>(cpu.cr0());
        return retired(cpu, instruction,
                       write_memory(cpu, mmu, instruction, std::as_bytes(std::span(&word, 1))));
    }
    set_gpr_sized(cpu, instruction.gpr, instruction.operand_size, cpu.cr0());
    return retired(cpu, instruction, CpuResult::ok());
}

CpuResult xsetbv(CpuState& cpu, const StoppedInstruction& instruction, const CpuFeatures& features) {
    if ((cpu.cr4() & cr4::OSXSAVE) == 0) return CpuResult::fault(x86::Vector::UD);
    if (cpu.cpl() != 0) return CpuResult::general_protection();
    const uint64_t value = (cpu.gpr(x86::Gpr::RAX) & kLowHalf) | cpu.gpr(x86::Gpr::RDX) << 32;
    if ((cpu.gpr(x86::Gpr::RCX) & kLowHalf) != 0 || !valid_xcr0(value, features)) return refuse(cpu);
    cpu.set_xcr0(value);
    return retired(cpu, instruction, CpuResult::ok());
}

CpuResult invlpg(CpuState& cpu, Mmu& mmu, const StoppedInstruction& instruction) {
    if (const CpuResult result = require_cpl0(cpu); !result.done()) return result;
    const SegmentRegister segment = instruction.memory.segment;
    const bool has_base = !cpu.code64() || segment == SegmentRegister::FS || segment == SegmentRegister::GS;
    const Gva address(effective_offset(cpu, instruction) + (has_base ? cpu.segment_base(segment) : 0));
    CpuResult result = CpuResult::ok();
    // A non-canonical address makes it a NOP.
    if (!cpu.code64() || is_canonical_for(mmu, address.value())) {
        mmu.flush_page(address);
        result.tlb = TlbEffect::Page;
        result.flushed = cpu.code64() ? address : Gva(address.value() & kLowHalf);
    }
    return retired(cpu, instruction, result);
}

}  // namespace vtless::sim
