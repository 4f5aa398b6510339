// SPDX-License-Identifier: MIT
// A guest with a virtual-APIC page.
#pragma once

#include "isa/x86/apic_register.h"
#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {

class ApicFixture : public EptFixture {
  protected:
    explicit ApicFixture(const VmxCapabilities& capabilities = kEngineCapabilities)
        : EptFixture(capabilities), page(frame()) {
        set_primary(x86::PrimaryControls::USE_TPR_SHADOW);
        write(F::VIRTUAL_APIC_ADDRESS, page.value());
    }

    uint32_t reg(unsigned offset) {
        uint32_t value;
        std::memcpy(&value, memory.map(page + offset), sizeof value);
        return value;
    }
    void set_reg(unsigned offset, uint32_t value) { put_host(page + offset, value); }
    void run_from_start() { write(F::GUEST_RIP, kCode); }
    void set_pin(uint32_t bits) {
        write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({{values.pin | bits}}).raw);
    }

    Hpa page;
};

}  // namespace vtless::sim
