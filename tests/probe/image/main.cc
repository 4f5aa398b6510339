// SPDX-License-Identifier: MIT
// A hypervisor that asks the processor one question after the other: each row changes one thing of a VMCS
// that runs, or of a VMX instruction's operand, and prints what happened. The same image runs in Bochs, in
// `vtless machine`, and on a real processor as firmware.
#include "tests/probe/image/probe.h"

// What the compiler may call.
extern "C" void* memcpy(void* to, const void* from, size_t bytes) {
    void* const result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return result;
}
extern "C" void* memset(void* to, int value, size_t bytes) {
    void* const result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
    return result;
}

extern "C" [[noreturn]] void main_64() {
    using namespace probe;
    set_up_vmx();
    capability_rows();
    instruction_rows();
    field_rows();
    segment_rows();
    event_rows();
    state_rows();
    exit_rows();
    put("end|\n");
    last_rows();
    shut_down();
}
