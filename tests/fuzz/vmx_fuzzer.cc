// SPDX-License-Identifier: MIT
#include "tests/fuzz/vmx_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    vtless::sim::run_vmx_input({data, size});
    return 0;
}
