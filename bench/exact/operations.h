// SPDX-License-Identifier: MIT
// The operations that the gate counts: one for each way between guest and hypervisor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "bench/exact/counted_guest.h"

namespace vtless::bench {

struct Operation {
    const char* name;
    std::span<const uint8_t> code;
    void (*configure)(vmx::SetupConfig&);  // or nullptr
    void (*prepare)(CountedGuest&);        // once, before the first; or nullptr
    void (*once)(CountedGuest&);           // ends where the next begins
};

std::span<const Operation> operations();

std::unique_ptr<CountedGuest> guest_of(const Operation& operation);
// Counters of an operation in the long run: the first few, which also fill TLBs and translate code, are not
// counted. `also` is done after each.
std::map<std::string, double> count(const Operation& operation, CountedGuest& guest,
                                    const std::function<void(CountedGuest&)>& also = {});

}  // namespace vtless::bench
