// SPDX-License-Identifier: MIT
// The whole backend on a processor that needs nothing, with the two sources it stands on, in one object: what
// is still undefined in it is asked of the environment.
#include "isa/x86/decode.cc"  // NOLINT(bugprone-suspicious-include): on purpose
#include "tests/vcpu/vmx/null_hw.h"
#include "vcpu/vmx/failure.cc"  // NOLINT(bugprone-suspicious-include)
#include "vcpu/vmx/vmx_per_cpu.h"
#include "vcpu/vmx/vmx_vcpu.h"

namespace vtless::vmx {

static_assert(ArchVCpu<VmxVCpu<test::NullHw>>);
static_assert(ArchPerCpu<VmxPerCpu<test::NullHw>>);

template class VmxVCpu<test::NullHw>;
template class VmxPerCpu<test::NullHw>;

}  // namespace vtless::vmx
