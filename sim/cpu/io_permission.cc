// SPDX-License-Identifier: MIT
#include "sim/cpu/io_permission.h"

#include "isa/x86/rflags.h"
#include "sim/cpu/operation.h"

namespace vtless::sim {

namespace {

constexpr unsigned kMapBaseOffset = 102;  // in a 32-bit or 64-bit TSS

}  // namespace

CpuResult check_io_permission(CpuState& cpu, Mmu& mmu, uint16_t port, unsigned bytes) {
    if (!cpu.protected_mode()) return CpuResult::ok();
    if (!cpu.v8086() && cpu.cpl() <= x86::rflags::iopl(cpu.rflags())) return CpuResult::ok();

    const x86::Segment tr = cpu.segment(x86::SegmentRegister::TR);
    if ((tr.rights.type() & 8) == 0 || kMapBaseOffset + 1 > tr.limit) return CpuResult::general_protection();
    Operation operation(cpu, mmu);
    uint16_t map_base = 0;
    if (!operation.read_system(Gva(tr.base + kMapBaseOffset), map_base)) return operation.result();
    // Two bytes are always read, so that the map must end with a byte of ones inside the limit.
    const unsigned offset = map_base + port / 8u;
    if (offset + 1 > tr.limit) return CpuResult::general_protection();
    uint16_t bits = 0;
    if (!operation.read_system(Gva(tr.base + offset), bits)) return operation.result();
    const unsigned wanted = ((1u << bytes) - 1) << (port % 8);
    return (bits & wanted) == 0 ? CpuResult::ok() : CpuResult::general_protection();
}

}  // namespace vtless::sim
