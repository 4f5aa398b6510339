// SPDX-License-Identifier: MIT
// Which accesses to the APIC-access page are virtualized; the others exit. SDM Vol. 3C "Virtualizing
// Memory-Mapped APIC Accesses" (30.4).
#pragma once

#include "isa/x86/vmx_controls.h"

namespace vtless::sim {

struct ApicControls {
    x86::PrimaryControls primary;
    x86::SecondaryControls secondary;
};

// Of data, by linear address. offset: within the page.
bool is_virtualized_read(const ApicControls& controls, unsigned offset, unsigned bytes);
bool is_virtualized_write(const ApicControls& controls, unsigned offset, unsigned bytes);

}  // namespace vtless::sim
