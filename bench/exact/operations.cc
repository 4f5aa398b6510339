// SPDX-License-Identifier: MIT
#include "bench/exact/operations.h"

namespace vtless::bench {

namespace {

constexpr uint64_t kWarmUp = 20;
constexpr uint64_t kCounted = 160;  // a multiple of kTicksPerCycle, so that what is counted is whole cycles

}  // namespace

const std::vector<Operation>& operations() {
    static const std::vector<Operation> all = [] {
        std::vector<Operation> joined;
        for (const auto topic : {instruction_operations(), io_operations(), event_operations(),
                                 paging_operations(), apic_operations(), state_operations()})
            joined.insert(joined.end(), topic.begin(), topic.end());
        return joined;
    }();
    return all;
}

std::unique_ptr<CountedGuest> guest_of(const Operation& operation, uint64_t flush_seed) {
    auto guest = std::make_unique<CountedGuest>(operation.code, operation.configure, flush_seed);
    if (operation.prepare != nullptr) operation.prepare(*guest);
    return guest;
}

std::map<std::string, double> count(const Operation& operation, CountedGuest& guest,
                                    const std::function<void(CountedGuest&)>& also) {
    const auto repeat = [&](uint64_t times) {
        for (uint64_t i = 0; i < times; ++i) {
            operation.once(guest);
            if (also) also(guest);
        }
    };
    repeat(kWarmUp);
    const Counts before = guest.counts();
    repeat(kCounted);
    return per_operation(before, guest.counts(), kCounted);
}

}  // namespace vtless::bench
