// SPDX-License-Identifier: MIT
// The operations that the gate counts: one for each way between guest and hypervisor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/exact/counted_guest.h"

namespace vtless::bench {

struct Operation {
    const char* name;
    std::span<const uint8_t> code;
    void (*configure)(vmx::SetupConfig&);  // or nullptr
    void (*prepare)(CountedGuest&);        // once, before the first; or nullptr
    void (*once)(CountedGuest&);           // ends where the next begins
};

// By topic.
std::span<const Operation> instruction_operations();  // exits of single instructions
std::span<const Operation> io_operations();           // ports, MSRs, devices
std::span<const Operation>
event_operations();  // injection, windows, timers, exceptions, what comes from outside
std::span<const Operation> paging_operations();  // walks, EPT violations, page-modification logging
std::span<const Operation> apic_operations();    // APIC virtualization
std::span<const Operation>
state_operations();  // what exits sometimes, or never: CR, DR, XSAVE, VMCS shadowing

// All of them.
const std::vector<Operation>& operations();

std::unique_ptr<CountedGuest> guest_of(const Operation& operation, uint64_t flush_seed = 0);
// Counters of an operation in the long run: the first few, which also fill TLBs and translate code, are not
// counted. `also` is done after each.
std::map<std::string, double> count(const Operation& operation, CountedGuest& guest,
                                    const std::function<void(CountedGuest&)>& also = {});

}  // namespace vtless::bench
