// SPDX-License-Identifier: MIT
// What a VMX instruction, or any instruction that may fault, tells its caller.
#pragma once

#include <cstdint>

#include "isa/x86/exception.h"
#include "isa/x86/vmx_error.h"

namespace vtless::x86 {

// Outcome of one instruction of the processor. SDM Vol. 3C "Conventions" (31.2): VMsucceed, VMfailInvalid,
// VMfailValid(number); and the faults that the instruction may raise instead. A value, never an exception.
class [[nodiscard]] VmxStatus {
  public:
    enum class Kind : uint8_t { Succeed, FailInvalid, FailValid, Fault };

    static constexpr VmxStatus succeed() { return {Kind::Succeed, Vector{}, 0}; }
    static constexpr VmxStatus fail_invalid() { return {Kind::FailInvalid, Vector{}, 0}; }
    static constexpr VmxStatus fail_valid(VmInstructionError error) {
        return {Kind::FailValid, Vector{}, static_cast<uint32_t>(error)};
    }
    static constexpr VmxStatus fault(Vector vector, uint32_t error_code = 0) {
        return {Kind::Fault, vector, error_code};
    }

    constexpr Kind kind() const { return kind_; }
    constexpr bool ok() const { return kind_ == Kind::Succeed; }
    // Meaningful for FailValid only.
    constexpr VmInstructionError error() const { return static_cast<VmInstructionError>(detail_); }
    // Meaningful for Fault only.
    constexpr Vector vector() const { return vector_; }
    constexpr uint32_t error_code() const { return detail_; }

    friend constexpr bool operator==(const VmxStatus&, const VmxStatus&) = default;

  private:
    constexpr VmxStatus(Kind kind, Vector vector, uint32_t detail)
        : kind_(kind), vector_(vector), detail_(detail) {}

    Kind kind_;
    Vector vector_;
    uint32_t detail_;
};

}  // namespace vtless::x86
