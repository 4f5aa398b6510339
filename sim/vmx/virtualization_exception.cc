// SPDX-License-Identifier: MIT
// EPT violations that the guest itself handles. SDM Vol. 3C "Virtualization Exceptions" (26.5.7).
#include <cstddef>
#include <cstring>

#include "isa/x86/exit_qualification.h"
#include "sim/vmx/non_root.h"

namespace vtless::sim {

using F = x86::VmcsField;

namespace {

// SDM Vol. 3C table 26-1. It is in memory as it is here: both are little-endian.
struct Information {
    uint32_t reason = static_cast<uint32_t>(x86::ExitReason::EPT_VIOLATION);
    uint32_t busy = ~uint32_t{0};
    uint64_t qualification = 0;
    uint64_t guest_linear = 0;
    uint64_t guest_physical = 0;
    uint16_t eptp_index = 0;
};
constexpr size_t kInformationBytes = 34;
static_assert(offsetof(Information, eptp_index) + sizeof(uint16_t) == kInformationBytes);

}  // namespace

// Outside event delivery. Whether the violation becomes a #VE, of which the information is saved then.
bool NonRoot::saves_as_virtualization_exception(const MmuFault& fault) {
    if (fault.kind != MmuFault::Kind::EptViolation || fault.suppress_ve || !cpu().protected_mode())
        return false;
    const Hpa area = vmcs_->get_address(F::VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS);
    uint8_t* bytes = parts_.memory.map(area);
    if (bytes == nullptr) return false;  // reads give ones there
    Information information;
    std::memcpy(&information.busy, bytes + offsetof(Information, busy), sizeof information.busy);
    if (information.busy != 0) return false;
    information.busy = ~uint32_t{0};
    information.qualification = violation_qualification(fault);
    const bool linear = (fault.qualification & x86::EptViolationQualification::LINEAR_ADDRESS_VALID) != 0;
    information.guest_linear = linear ? fault.gva.value() : 0;
    information.guest_physical = fault.gpa.value();
    information.eptp_index = vmcs_->get16(F::EPTP_INDEX);
    parts_.memory.note_write(area, kInformationBytes);
    std::memcpy(bytes, &information, kInformationBytes);
    return true;
}

}  // namespace vtless::sim
