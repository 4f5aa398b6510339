// SPDX-License-Identifier: MIT
// GuestFixture's processor under a sanitizer. Its VMCS has every field that is used written.
#pragma once

#include <string>
#include <vector>

#include "sim/sanitizer/sanitizer.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {

// Made before the processor that it watches.
struct WithSanitizer {
    Sanitizer sanitizer;
};

inline VmxProcessorConfig watched_by(Sanitizer& sanitizer, uint64_t flush_seed = 0) {
    VmxProcessorConfig config;
    config.engine.flush_seed = flush_seed;
    config.sanitizer = &sanitizer;
    return config;
}

class SanitizerFixture : protected WithSanitizer, public GuestFixture {
  protected:
    explicit SanitizerFixture(uint64_t flush_seed = 0) : GuestFixture(watched_by(sanitizer, flush_seed)) {
        // ValidVmcs writes what is not 0.
        for (const F field : {F::EXCEPTION_BITMAP,
                              F::PAGE_FAULT_ERROR_CODE_MASK,
                              F::PAGE_FAULT_ERROR_CODE_MATCH,
                              F::CR3_TARGET_COUNT,
                              F::VM_EXIT_MSR_STORE_COUNT,
                              F::VM_EXIT_MSR_LOAD_COUNT,
                              F::VM_ENTRY_MSR_LOAD_COUNT,
                              F::VM_ENTRY_INTERRUPTION_INFORMATION,
                              F::CR0_GUEST_HOST_MASK,
                              F::CR4_GUEST_HOST_MASK,
                              F::CR0_READ_SHADOW,
                              F::CR4_READ_SHADOW,
                              F::HOST_IA32_SYSENTER_CS,
                              F::HOST_IA32_SYSENTER_ESP,
                              F::HOST_IA32_SYSENTER_EIP,
                              F::GUEST_IA32_SYSENTER_CS,
                              F::GUEST_IA32_SYSENTER_ESP,
                              F::GUEST_IA32_SYSENTER_EIP,
                              F::GUEST_LDTR_SELECTOR,
                              F::GUEST_ACTIVITY_STATE,
                              F::GUEST_INTERRUPTIBILITY_STATE,
                              F::GUEST_PENDING_DEBUG_EXCEPTIONS,
                              F::GUEST_IA32_DEBUGCTL,
                              F::GUEST_ES_BASE,
                              F::GUEST_CS_BASE,
                              F::GUEST_SS_BASE,
                              F::GUEST_DS_BASE,
                              F::GUEST_FS_BASE,
                              F::GUEST_GS_BASE,
                              F::GUEST_TR_BASE})
            write(field, 0);
    }

    void TearDown() override {
        if (checks_clean) {
            EXPECT_EQ(found(), std::vector<std::string>{}) << details();
        }
    }

    // The rules of all findings, in order; then it is not expected that there are none.
    std::vector<std::string> found() {
        checks_clean = false;
        std::vector<std::string> ids;
        for (const Finding& finding : sanitizer.findings()) ids.push_back(info(finding.rule).id);
        return ids;
    }
    std::string details() const {
        std::string all;
        for (const Finding& finding : sanitizer.findings()) all += describe(finding) + "\n";
        return all;
    }
    // Whether the only rule that was broken is this one.
    ::testing::AssertionResult only(const char* rule) {
        const auto ids = found();
        for (const std::string& id : ids) {
            if (id != rule) return ::testing::AssertionFailure() << details();
        }
        if (ids.empty()) return ::testing::AssertionFailure() << "no finding";
        return ::testing::AssertionSuccess();
    }
    ::testing::AssertionResult clean() {
        if (found().empty()) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure() << details();
    }
    bool mentions(const std::string& text) const { return details().find(text) != std::string::npos; }

    void inject(x86::EventInfo event) { write(F::VM_ENTRY_INTERRUPTION_INFORMATION, event.raw); }

  private:
    bool checks_clean = true;
};

}  // namespace vtless::sim
