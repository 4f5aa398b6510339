// SPDX-License-Identifier: MIT
// GDT, TSS and IDT of root operation, which VM exits return to.
#pragma once

#include <cstdint>

namespace hypervisor {

// What a handler finds on the stack.
struct ExceptionFrame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

void load_descriptor_tables();

}  // namespace hypervisor
