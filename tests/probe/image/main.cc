// SPDX-License-Identifier: MIT
// A hypervisor that asks the processor one question after the other: each row changes one thing of a VMCS
// that runs, or of a VMX instruction's operand, and prints what happened. The same image runs in Bochs, in
// `vtless machine`, and on a real processor as firmware.
#include "tests/probe/image/probe.h"

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
    rom::shut_down();
}
