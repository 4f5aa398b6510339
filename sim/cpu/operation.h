// SPDX-License-Identifier: MIT
// What deliveries and system instructions have in common: descriptor tables, stacks, and how they fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "isa/x86/segment.h"
#include "sim/cpu/result.h"
#include "sim/engine/cpu_state.h"
#include "sim/mmu/mmu.h"

namespace vtless::sim {

// A descriptor and where it lies.
struct Descriptor {
    uint16_t selector = 0;
    uint64_t lo = 0;
    uint64_t hi = 0;  // of a 16-byte system descriptor
    Gva address;

    x86::AccessRights rights() const { return {static_cast<uint32_t>(lo >> 40) & 0xf0ff}; }
    x86::Segment segment() const { return x86::segment_from_descriptor(selector, lo, hi); }
    x86::Gate gate() const { return x86::gate_from_descriptor(lo, hi); }
};

// A stack that is pushed to or popped from, not necessarily the current one.
struct Stack {
    x86::Segment segment;
    uint64_t pointer = 0;
    bool flat64 = false;      // 64-bit: no base, no limit
    Access access;            // its type is not used
    uint32_t fault_code = 0;  // error code of the #SS when the limit is exceeded

    uint64_t mask() const {
        if (flat64) return ~uint64_t{0};
        return segment.rights.default_big() ? 0xffffffff : 0xffff;
    }
    // pointer with `bytes` added, wrapped as the stack's width says.
    uint64_t moved(uint64_t bytes) const { return (pointer & ~mask()) | ((pointer + bytes) & mask()); }
};

// Steps return false after they have recorded why in result(); the caller gives up then.
class Operation {
  public:
    // external: faults get the EXT bit in their selector error codes.
    Operation(CpuState& cpu, Mmu& mmu, bool external = false)
        : cpu_(cpu), mmu_(mmu), external_(external ? x86::selector_error::EXT : 0) {}

    CpuState& cpu() const { return cpu_; }
    Mmu& mmu() const { return mmu_; }
    CpuResult& result() { return result_; }

    bool fail(x86::Vector vector);
    // An error code that names no selector: EXT only. `code` is added to it.
    bool fail(x86::Vector vector, uint32_t code);
    bool fail_selector(x86::Vector vector, uint16_t selector);
    bool fail(const MmuFault& fault, bool stack = false);

    // System data structures: implicit supervisor-mode accesses.
    bool read_system(Gva address, std::span<std::byte> bytes);
    bool write_system(Gva address, std::span<const std::byte> bytes);
    template <class T>
    bool read_system(Gva address, T& value) {
        return read_system(address, std::as_writable_bytes(std::span(&value, 1)));
    }
    template <class T>
    bool write_system(Gva address, const T& value) {
        return write_system(address, std::as_bytes(std::span(&value, 1)));
    }

    // From GDT or LDT; beyond its limit, `vector` with the selector. The caller has ruled out null.
    bool read_descriptor(uint16_t selector, x86::Vector vector, Descriptor& out);
    // Reads the upper half of a system descriptor in IA-32e mode.
    bool read_upper_half(x86::Vector vector, Descriptor& descriptor);
    bool set_accessed(Descriptor& descriptor);
    bool set_busy(Descriptor& tss, bool busy);

    // Pushes words of `width` bytes, words[0] first, and moves the pointer. Checked as a whole unless the
    // stack wraps around; of several that cannot be written the first is reported.
    bool push(Stack& stack, unsigned width, std::span<const uint64_t> words);
    bool pop(Stack& stack, unsigned width, std::span<uint64_t> words);
    // The stack in use now, and one of another privilege.
    Stack current_stack() const;
    Stack inner_stack(const x86::Segment& segment, uint64_t pointer, unsigned cpl) const;

    // Reads SS:xSP for the privilege from the current TSS of 16 or 32 bits.
    bool read_tss_stack(unsigned cpl, uint16_t& selector, uint64_t& pointer);
    // Checks and loads a stack segment for the privilege, with #TS or, when not present, #SS.
    bool load_inner_stack_segment(uint16_t selector, unsigned cpl, x86::Segment& out);

  private:
    CpuState& cpu_;
    Mmu& mmu_;
    uint32_t external_;
    CpuResult result_;
};

// Whether [offset, offset + bytes) is inside the segment. SDM Vol. 3A "Limit Checking" (5.3).
bool within_limit(const x86::Segment& segment, uint64_t offset, uint64_t bytes);
// SDM Vol. 3A "Segmentation in Real-Address Mode" (21.1.1): a load changes selector and base only.
void load_real_segment(CpuState& cpu, x86::SegmentRegister index, uint16_t selector);
// As virtual-8086 mode needs all of them.
x86::Segment v8086_segment(uint16_t selector);
// What a null selector leaves behind.
x86::Segment null_segment(uint16_t selector);
// Width of a canonical address in IA-32e mode.
bool is_canonical_for(const Mmu& mmu, uint64_t address);

}  // namespace vtless::sim
