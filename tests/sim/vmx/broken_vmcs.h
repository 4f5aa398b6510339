// SPDX-License-Identifier: MIT
// The VMCS of ValidVmcs broken in every way: for each check of VM entry that reads the VMCS, what makes it
// the first that fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isa/x86/vmcs_field.h"
#include "sim/vmx/capability.h"

namespace vtless::sim {

struct VmcsWrite {
    x86::VmcsField field;
    uint64_t value;
};

struct BrokenVmcs {
    std::string id;                 // the check that must fail
    std::vector<VmcsWrite> writes;  // what breaks it
    bool ia32e_host = true;         // the processor that enters
    VmxCapabilities capabilities = kEngineCapabilities;
};

// A page whose VTPR the test that has memory sets to kVtpr.
inline constexpr uint64_t kVirtualApic = 0x4000;
inline constexpr uint8_t kVtpr = 0x5f;

std::vector<BrokenVmcs> broken_controls();
std::vector<BrokenVmcs> broken_injection();
std::vector<BrokenVmcs> broken_host();
std::vector<BrokenVmcs> broken_guest_registers();
std::vector<BrokenVmcs> broken_guest_segments();
std::vector<BrokenVmcs> broken_guest_nonregister();
std::vector<BrokenVmcs> all_broken_vmcss();

// The last value on the good side of each limit, and other corners that must pass; id says which check is
// near.
std::vector<BrokenVmcs> barely_good_vmcss();

// A guest in virtual-8086 mode (unrestricted guest stays on), but for what `more` changes.
std::vector<VmcsWrite> v8086(std::vector<VmcsWrite> more);

}  // namespace vtless::sim
