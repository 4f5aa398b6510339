// SPDX-License-Identifier: MIT
// The states that guests start in, and the tables that go with them.
#pragma once

#include "tests/conformance/support/image.h"
#include "vcpu/vmx/guest_entry_state.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::conformance {

enum class Mode : uint8_t {
    Real,
    Protected16,  // 16-bit code and data segments, 16-bit interrupt gates
    Protected32,  // flat, no paging
    Paging32,     // 32-bit paging
    Pae,
    Long,    // 64-bit
    Compat,  // 32-bit code at CPL 0 under a 64-bit IDT
    V86,     // CPL 3, IOPL 3, under a 32-bit IDT
};

enum class Ring : uint8_t { Kernel, User };

// CPL, segments, control registers and descriptor tables; RFLAGS.IF is clear.
vmx::GuestEntryState entry_state(Mode mode, Ring ring);

// The image; GDT, TSS with an I/O bitmap that allows layout::kEndPort only; paging structures that map what
// RAM there is, one to one; and an IDT in which each label vector_N has a gate to it. A label may go on with
// _dpl3, _trap, _ist1, _16bit (a gate of that kind) or _absent (not present).
void fill_memory(vmm::GuestMemory& memory, const Image& image, Mode mode);

}  // namespace vtless::conformance
