// SPDX-License-Identifier: MIT
// What a VCpu does with an operation that it refuses.
#pragma once

namespace vtless::policy {

// AxVCpu 0.3: every refusal, as every failure, leaves the vCPU Invalid; no operation inside another.
struct AxVCpu03 {
    static constexpr bool kRefusalInvalidates = true;
    static constexpr bool kNestOnSameVCpu = false;
};

// AxVCpu's successor (tgoskits): a refused operation is an error and changes nothing, a failed one still
// leaves Invalid; with_current_cpu_set may be used again inside an operation on the same vCPU.
struct Successor {
    static constexpr bool kRefusalInvalidates = false;
    static constexpr bool kNestOnSameVCpu = true;
};

}  // namespace vtless::policy
