// SPDX-License-Identifier: MIT
// The guest that runs one program, and what is left when it has.
#pragma once

#include "samples/hypervisor/memory.h"
#include "tests/differential/program.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmx/native.h"
#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::differential {

using Hardware = vmx::NativeVmx<hypervisor::FrameAllocator>;

// An exception ends the program, as Unhandled: interruption information and error code, qualification.
struct EndAtExceptions {
    template <class Context>
    vmx::PolicyAction on_exit(Context& context) {
        if (context.reason().basic() != x86::ExitReason::EXCEPTION_OR_NMI) return vmx::PolicyAction::Pass;
        const vmx::RawVmxExit raw = context.raw();
        context.return_exit(
            VmExit::Unhandled{raw.interruption_information.raw | uint64_t{raw.interruption_error_code} << 32,
                              raw.exit_qualification});
        return vmx::PolicyAction::Return;
    }
};

using Backend = vmx::VmxVCpu<Hardware, EndAtExceptions>;
using Guest = VCpu<Backend>;

// Code, stack, data and page tables as `seed` wants them.
void fill_memory(hypervisor::GuestMemory& memory, const Program& program, Mode mode, uint64_t seed);
vmx::SetupConfig setup_of(Mode mode, uint64_t seed);
// Of what a program may write to: code and stack, registers and data, page tables.
struct Hashes {
    uint64_t stack, data, tables;
};
Hashes hashes_of(hypervisor::GuestMemory& memory);

}  // namespace vtless::differential
