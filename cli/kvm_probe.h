// SPDX-License-Identifier: MIT
// Whether the KVM backend works here: by running guests on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vtless::cli {

struct KvmProbe {
    const char* name = "";
    std::string failure;  // empty: it did what a processor does
};

// `--apic kernel`.
struct KernelApicProbe {
    std::string absent;   // why; empty: a VM with it can be made
    std::string failure;  // empty: its timer woke a guest
};

struct KvmReport {
    std::string unusable;      // why; empty: a VM can be made
    bool virtualizes = false;  // the processor has VMX or SVM
    std::vector<KvmProbe> probes;
    KernelApicProbe kernel_apic;              // an option: works() does not need it
    std::optional<double> mips;               // of a loop of two instructions
    std::optional<double> exit_microseconds;  // of an OUT and back

    bool works() const;
    // That what was measured is a processor's, not an emulator's.
    bool measured_hardware() const;
};

// Takes at most some seconds, whatever the guests do.
KvmReport probe_kvm(const std::string& device);

}  // namespace vtless::cli
