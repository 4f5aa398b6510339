// SPDX-License-Identifier: MIT
#include "bench/exact/counted_guest.h"

#include <algorithm>
#include <array>

#include "isa/x86/exit_reason.h"

namespace vtless::bench {

namespace {

class Counters {
  public:
    explicit Counters(uint64_t operations) : operations_(static_cast<double>(operations)) {}

    void add(const std::string& name, uint64_t before, uint64_t after) {
        if (after != before) values_[name] = static_cast<double>(after - before) / operations_;
    }
    void add_fields(const std::string& what, const std::array<uint64_t, sim::kVmcsSlots>& before,
                    const std::array<uint64_t, sim::kVmcsSlots>& after) {
        uint64_t total = 0;
        for (unsigned i = 0; i < sim::kSupportedFieldCount; ++i) {
            const x86::VmcsField field = sim::kSupportedFields[i];
            const unsigned slot = sim::vmcs_slot(field);
            total += after[slot] - before[slot];
            add(what + ' ' + x86::name(field), before[slot], after[slot]);
        }
        add(what + 's', 0, total);
    }
    void add_exits(const sim::VmxCounts& before, const sim::VmxCounts& after) {
        uint64_t total = 0;
        for (unsigned reason = 0; reason < sim::VmxCounts::kReasons; ++reason) {
            const uint64_t more = after.exits[reason] - before.exits[reason];
            total += more;
            const char* name = x86::name(static_cast<x86::ExitReason>(reason));
            add(std::string("exit ") + (name != nullptr ? name : "?"), 0, more);
        }
        add("exits", 0, total);
    }
    std::map<std::string, double> values() const { return values_; }

  private:
    double operations_;
    std::map<std::string, double> values_;
};

}  // namespace

std::map<std::string, double> per_operation(const Counts& before, const Counts& after, uint64_t operations) {
    Counters counters(operations);
    counters.add("cycles", before.cycles, after.cycles);
    counters.add("instructions", before.instructions, after.instructions);
    counters.add("walks", before.walks.walks, after.walks.walks);
    counters.add("walk references", before.walks.references, after.walks.references);
    counters.add_fields("vmread", before.vmx.vmreads, after.vmx.vmreads);
    counters.add_fields("vmwrite", before.vmx.vmwrites, after.vmx.vmwrites);
    counters.add_exits(before.vmx, after.vmx);
    return counters.values();
}

}  // namespace vtless::bench
