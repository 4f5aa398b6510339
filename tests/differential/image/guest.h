// SPDX-License-Identifier: MIT
// What the ROM runs a program on.
#pragma once

#include "samples/hypervisor/memory.h"
#include "tests/differential/guest.h"
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

}  // namespace vtless::differential
