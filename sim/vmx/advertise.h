// SPDX-License-Identifier: MIT
// A processor as it is cut to what the engine can do: what does not work is not advertised.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "isa/expected.h"
#include "sim/vmx/capability.h"

namespace vtless::sim {

// A processor with what both have: a control may be 1 if both allow it, and must be 1 if either says so. The
// error names a control that must be 1 and cannot.
Expected<VmxCapabilities, std::string> advertise(const VmxCapabilities& claimed,
                                                 const VmxCapabilities& engine = kEngineCapabilities);

// A word of the capability MSRs or of CPUID, one bit a feature.
enum class FeatureWord : uint8_t {
    Pin,
    Primary,
    Secondary,
    Exit,
    Entry,
    Basic,
    Misc,
    EptVpid,
    Vmfunc,
    Cr4,
    Cpuid1Ecx,
    Cpuid1Edx,
    Cpuid7Ebx,
    Cpuid7Ecx,
    Cpuid7Edx,
    CpuidD1Eax,
    CpuidExtendedEcx,
    CpuidExtendedEdx,
};
inline constexpr unsigned kFeatureWords = 18;

struct FeatureName {
    FeatureWord word{};
    uint8_t bit = 0;
    const char* name = nullptr;  // in the SDM's spelling
    const char* why = nullptr;   // the engine does not have it; nullptr where it has
};

// "primary processor-based controls" and its like.
const char* describe(FeatureWord word);
// Of the control words: what may be 1.
uint64_t features_of(const VmxCapabilities& capabilities, FeatureWord word);
// All that have a name, word by word.
std::span<const FeatureName> feature_names();
// nullptr for a bit without a name.
const FeatureName* find_feature(FeatureWord word, unsigned bit);

struct RemovedFeature {
    FeatureWord word{};
    uint8_t bit = 0;
    std::string name;
    std::string why;
};
// What `claimed` has and `advertised` has not, in the order of the words.
std::vector<RemovedFeature> removed_features(const VmxCapabilities& claimed,
                                             const VmxCapabilities& advertised);

}  // namespace vtless::sim
