// SPDX-License-Identifier: MIT
#include "sim/vmx/advertise.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtless::sim {
namespace {

using x86::VmxBasic;
using x86::VmxMisc;

template <class C>
x86::ControlCapability<C> both(x86::ControlCapability<C> a, x86::ControlCapability<C> b) {
    return x86::ControlCapability<C>::make(a.allowed0() | b.allowed0(), a.allowed1() & b.allowed1());
}

// The revision and the size are the processor's own; the features are those of both.
VmxBasic both(VmxBasic claimed, VmxBasic engine) {
    constexpr uint64_t kFeatures = VmxBasic::kDualMonitor | VmxBasic::kInsOutsInformation |
                                   VmxBasic::kTrueControls | VmxBasic::kErrorCodeOptional;
    constexpr uint64_t kOwn = bit_range(44, 0) | bit_range(53, 50);
    return {(claimed.raw & kOwn) | (claimed.raw & engine.raw & kFeatures)};
}

VmxMisc both(VmxMisc claimed, VmxMisc engine) {
    constexpr uint64_t kTimer = bit_range(4, 0);
    constexpr uint64_t kCounts = bit_range(24, 16) | bit_range(27, 25) | bit_range(63, 32);
    const uint64_t targets = std::min(claimed.cr3_targets(), engine.cr3_targets());
    const uint64_t lists = std::min(Field<27, 25>::get(claimed.raw), Field<27, 25>::get(engine.raw));
    const uint64_t features = claimed.raw & engine.raw & ~(kTimer | kCounts);
    return {(claimed.raw & kTimer) | features | targets << 16 | lists << 25};
}

CpuidFeatures both(const CpuidFeatures& claimed, const CpuidFeatures& engine) {
    CpuidFeatures result = claimed;
    result.max_basic_leaf = std::min(claimed.max_basic_leaf, engine.max_basic_leaf);
    result.leaf1_ecx &= engine.leaf1_ecx;
    result.leaf1_edx &= engine.leaf1_edx;
    result.leaf7_ebx &= engine.leaf7_ebx;
    result.leaf7_ecx &= engine.leaf7_ecx;
    result.leaf7_edx &= engine.leaf7_edx;
    result.leaf_d1_eax &= engine.leaf_d1_eax;
    result.extended_ecx &= engine.extended_ecx;
    result.extended_edx &= engine.extended_edx;
    return result;
}

// The bits of a word that must be 1 and cannot.
struct Contradiction {
    FeatureWord word;
    uint64_t bits;
};

std::string describe(const Contradiction& found) {
    unsigned first = 0;
    while ((found.bits >> first & 1) == 0) ++first;
    const FeatureName* feature = find_feature(found.word, first);
    return fmt::format("{}: bit {} ({}) must be 1, and the engine cannot set it", describe(found.word), first,
                       feature != nullptr ? feature->name : "reserved");
}

}  // namespace

Expected<VmxCapabilities, std::string> advertise(const VmxCapabilities& claimed,
                                                 const VmxCapabilities& engine) {
    VmxCapabilities result;
    result.pin = both(claimed.pin, engine.pin);
    result.primary = both(claimed.primary, engine.primary);
    result.secondary = both(claimed.secondary, engine.secondary);
    result.exit = both(claimed.exit, engine.exit);
    result.entry = both(claimed.entry, engine.entry);
    result.basic = both(claimed.basic, engine.basic);
    result.misc = both(claimed.misc, engine.misc);
    result.ept_vpid = {claimed.ept_vpid.raw & engine.ept_vpid.raw};
    result.vmfunc = claimed.vmfunc & engine.vmfunc;
    result.cr0_fixed0 = claimed.cr0_fixed0 | engine.cr0_fixed0;
    result.cr0_fixed1 = claimed.cr0_fixed1 & engine.cr0_fixed1;
    result.cr4_fixed0 = claimed.cr4_fixed0 | engine.cr4_fixed0;
    result.cr4_fixed1 = claimed.cr4_fixed1 & engine.cr4_fixed1;
    result.physical_bits = std::min(claimed.physical_bits, capability::kMaxPhysicalBits);
    result.linear_bits = std::min(claimed.linear_bits, engine.linear_bits);
    result.guest_features = engine.guest_features;
    result.guest_features.cr4 = result.cr4_fixed1;
    result.cpuid = both(claimed.cpuid, engine.cpuid);

    const auto impossible = [](auto word) { return uint64_t{word.allowed0() & ~word.allowed1()}; };
    for (const Contradiction& each :
         {Contradiction{FeatureWord::Pin, impossible(result.pin)},
          Contradiction{FeatureWord::Primary, impossible(result.primary)},
          Contradiction{FeatureWord::Secondary, impossible(result.secondary)},
          Contradiction{FeatureWord::Exit, impossible(result.exit)},
          Contradiction{FeatureWord::Entry, impossible(result.entry)},
          Contradiction{FeatureWord::Cr4, result.cr4_fixed0 & ~result.cr4_fixed1}})
        if (each.bits != 0) return Unexpected(describe(each));
    return result;
}

uint64_t features_of(const VmxCapabilities& c, FeatureWord word) {
    switch (word) {
        case FeatureWord::Pin:
            return c.pin.allowed1();
        case FeatureWord::Primary:
            return c.primary.allowed1();
        case FeatureWord::Secondary:
            return c.secondary.allowed1();
        case FeatureWord::Exit:
            return c.exit.allowed1();
        case FeatureWord::Entry:
            return c.entry.allowed1();
        case FeatureWord::Basic:
            return c.basic.raw & bit_range(56, 54);
        case FeatureWord::Misc:
            return c.misc.raw & (bit_range(15, 5) | bit_range(30, 28));
        case FeatureWord::EptVpid:
            return c.ept_vpid.raw;
        case FeatureWord::Vmfunc:
            return c.vmfunc;
        case FeatureWord::Cr4:
            return c.cr4_fixed1;
        case FeatureWord::Cpuid1Ecx:
            return c.cpuid.leaf1_ecx;
        case FeatureWord::Cpuid1Edx:
            return c.cpuid.leaf1_edx;
        case FeatureWord::Cpuid7Ebx:
            return c.cpuid.leaf7_ebx;
        case FeatureWord::Cpuid7Ecx:
            return c.cpuid.leaf7_ecx;
        case FeatureWord::Cpuid7Edx:
            return c.cpuid.leaf7_edx;
        case FeatureWord::CpuidD1Eax:
            return c.cpuid.leaf_d1_eax;
        case FeatureWord::CpuidExtendedEcx:
            return c.cpuid.extended_ecx;
        case FeatureWord::CpuidExtendedEdx:
            return c.cpuid.extended_edx;
    }
    return 0;
}

std::vector<RemovedFeature> removed_features(const VmxCapabilities& claimed,
                                             const VmxCapabilities& advertised) {
    std::vector<RemovedFeature> removed;
    for (unsigned i = 0; i < kFeatureWords; ++i) {
        const auto word = static_cast<FeatureWord>(i);
        const uint64_t gone = features_of(claimed, word) & ~features_of(advertised, word);
        for (uint8_t at = 0; at < 64; ++at) {
            if ((gone >> at & 1) == 0) continue;
            const FeatureName* feature = find_feature(word, at);
            const bool known = feature != nullptr && feature->why != nullptr;
            removed.push_back({word, at,
                               feature != nullptr ? std::string(feature->name) : fmt::format("bit {}", at),
                               known ? feature->why : "not modelled"});
        }
    }
    return removed;
}

}  // namespace vtless::sim
