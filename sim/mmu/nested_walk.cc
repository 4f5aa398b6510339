// SPDX-License-Identifier: MIT
#include "sim/mmu/nested_walk.h"

namespace vtless::sim {

bool NestedWalk::faults(Gpa gpa, uint64_t want, MmuFault& fault, uint64_t& references) const {
    auto read_entry = [&](unsigned, Hpa hpa) {
        ++references;
        return load(hpa);
    };
    return !permits(x86::ept_walk(eptp_, gpa, *features_, read_entry), gpa, want, fault);
}

bool NestedWalk::permits(const x86::EptWalk& walk, Gpa gpa, uint64_t want, MmuFault& fault) {
    if (walk.end == x86::EptWalk::End::MISCONFIGURED) {
        fault.kind = MmuFault::Kind::EptMisconfiguration;
    } else if ((want & ~uint64_t{walk.rights}) != 0) {  // none where an entry is not present
        fault.kind = MmuFault::Kind::EptViolation;
        fault.qualification = violation_of(want, walk.rights);
        fault.suppress_ve = (walk.leaf & x86::ept::SUPPRESS_VE) != 0;
    } else {
        return true;
    }
    fault.gpa = gpa;
    return false;
}

}  // namespace vtless::sim
