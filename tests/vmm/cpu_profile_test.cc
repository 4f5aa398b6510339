// SPDX-License-Identifier: MIT
#include "vmm/cpu_profile.h"

#include <gtest/gtest.h>

#include <string>

#include "sim/vmx/advertise.h"
#include "tests/vmm/temporary_file.h"
#include "vmm/embedded_profiles.h"

namespace vtless::vmm {
namespace {

using E = x86::EptVpidCapability;
using S = x86::SecondaryControls;
using sim::FeatureWord;

CpuProfile load(const std::string& name) {
    auto profile = load_cpu_profile(name);
    EXPECT_TRUE(profile) << profile.error().message;
    return profile ? std::move(*profile) : CpuProfile{};
}

// A built-in profile's text with one part replaced.
std::string changed(const std::string& from, const std::string& to) {
    for (const EmbeddedProfile& each : embedded_cpu_profiles()) {
        std::string text = each.text;
        if (std::string(each.name) != "haswell") continue;
        const size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return text.replace(at, from.size(), to);
    }
    return {};
}

void expect_refused(const std::string& text, const std::string& why) {
    const auto profile = parse_cpu_profile(text, "x.json");
    ASSERT_FALSE(profile) << why;
    EXPECT_EQ(profile.error().message.substr(0, 8), "x.json: ");
    EXPECT_NE(profile.error().message.find(why), std::string::npos) << profile.error().message;
}

TEST(CpuProfiles, EachIsNeverMoreThanItselfNorThanTheEngine) {
    EXPECT_EQ(cpu_profile_names(),
              (std::vector<std::string>{"default", "haswell", "minimal", "sapphire-rapids", "skylake-sp"}));
    for (const std::string& name : cpu_profile_names()) {
        const CpuProfile cpu = load(name);
        EXPECT_EQ(cpu.name, name);
        EXPECT_FALSE(cpu.sources.empty()) << name;
        for (unsigned i = 0; i < sim::kFeatureWords; ++i) {
            const auto word = static_cast<FeatureWord>(i);
            const uint64_t both =
                sim::features_of(cpu.claimed, word) & sim::features_of(sim::kEngineCapabilities, word);
            EXPECT_EQ(sim::features_of(cpu.advertised, word), both) << name << ", " << sim::describe(word);
        }
    }
}

TEST(CpuProfiles, AreTheProcessorsTheyAreNamedAfter) {
    const CpuProfile haswell = load("haswell");
    EXPECT_EQ(haswell.advertised.cpuid.signature, 0x306c3u);
    EXPECT_EQ(haswell.advertised.physical_bits, 39u);
    EXPECT_EQ(haswell.advertised.basic.revision(), 0x12u);
    EXPECT_FALSE(haswell.claimed.secondary.supports(S::USE_TSC_SCALING));
    EXPECT_EQ((haswell.advertised.cr4_fixed1 & x86::cr4::SMAP), 0u);  // came with Broadwell
    const CpuProfile skylake = load("skylake-sp");
    EXPECT_TRUE(skylake.claimed.secondary.supports(S::USE_TSC_SCALING));
    EXPECT_EQ(skylake.advertised.misc.preemption_timer_shift(), 7u);
    EXPECT_EQ(skylake.advertised.physical_bits, 46u);
    EXPECT_NE((skylake.advertised.cr4_fixed1 & x86::cr4::SMAP), 0u);
    const CpuProfile sapphire = load("sapphire-rapids");
    EXPECT_EQ(sapphire.claimed.cpuid.signature, 0x806f4u);
    EXPECT_TRUE(sapphire.claimed.ept_vpid.has(E::kWalkLength5));
    EXPECT_EQ(sapphire.advertised.linear_bits, 48u);
    for (const CpuProfile& modern : {haswell, skylake, sapphire}) {
        EXPECT_TRUE(modern.advertised.secondary.supports(S::UNRESTRICTED_GUEST)) << modern.name;
        EXPECT_TRUE(modern.advertised.ept_vpid.has(E::kAccessedDirty)) << modern.name;
        EXPECT_TRUE(modern.advertised.basic.has(x86::VmxBasic::kTrueControls)) << modern.name;
    }
}

TEST(CpuProfiles, MinimalLacksWhatOldProcessorsLack) {
    const CpuProfile minimal = load("minimal");
    EXPECT_FALSE(minimal.advertised.secondary.supports(S::UNRESTRICTED_GUEST));
    EXPECT_FALSE(minimal.advertised.ept_vpid.has(E::kAccessedDirty));
    EXPECT_FALSE(minimal.advertised.ept_vpid.has(E::kPage1G));
    EXPECT_FALSE(minimal.advertised.ept_vpid.has(E::kInvvpidIndividualAddress));
    EXPECT_FALSE(minimal.advertised.basic.has(x86::VmxBasic::kTrueControls));
    EXPECT_NE(minimal.advertised.primary.allowed0() & x86::PrimaryControls::CR3_LOAD_EXITING, 0u);
    EXPECT_FALSE(minimal.advertised.cpuid.xsave());
}

TEST(CpuProfiles, RemovedFeaturesHaveTheManualsNameAndAReason) {
    const CpuProfile cpu = load("skylake-sp");
    const auto removed = sim::removed_features(cpu.claimed, cpu.advertised);
    bool found = false;
    for (const sim::RemovedFeature& each : removed) {
        EXPECT_FALSE(each.why.empty());
        found = found || (each.word == FeatureWord::Secondary && each.name == "enable XSAVES/XRSTORS");
        EXPECT_NE(each.name, "unrestricted guest");
    }
    EXPECT_TRUE(found);
    EXPECT_TRUE(sim::removed_features(sim::kEngineCapabilities, load("default").advertised).empty());
}

TEST(CpuProfiles, UnknownNamesAreToldTheKnownOnes) {
    const auto unknown = load_cpu_profile("haswel");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().message.find("no processor \"haswel\"; there are default, haswell, minimal"),
              std::string::npos)
        << unknown.error().message;
    EXPECT_NE(load_cpu_profile("./nowhere.json").error().message.find("No such file"), std::string::npos);
}

TEST(CpuProfiles, FilesAreAsGoodAsNames) {
    const TemporaryFile file(changed("0x00da040000000012", "0x00da040000000077"));
    EXPECT_EQ(load(file.path()).advertised.basic.revision(), 0x77u);
}

TEST(CpuProfileFiles, AreRefusedWithWhatWasFound) {
    expect_refused("{", "not JSON");
    expect_refused("[]", "expected a JSON object, found array");
    expect_refused(changed("\"name\"", "\"nmae\""), "unknown key \"nmae\"");
    expect_refused(changed("\"IA32_VMX_MISC\"", "\"IA32_VMX_MISK\""), "unknown key \"IA32_VMX_MISK\"");
    expect_refused(changed("\"80000008\"", "\"80000009\""), "unknown key \"80000009\"");
    expect_refused(changed("\"0x00000000300481e5\"", "\"300481e5\""), "found \"300481e5\"");
    expect_refused(changed("\"0x00000000300481e5\"", "\"0x10000000300481e55\""),
                   "at most 16 hexadecimal digits");
    expect_refused(changed("\"0x00000000300481e5\"", "5"), "expected a string of hexadecimal digits");
    expect_refused(changed("00003027-", "3027-"), "leaf 80000008: expected EAX-EBX-ECX-EDX");
}

TEST(CpuProfileFiles, MustNotContradictThemselves) {
    // IA32_VMX_TRUE_PINBASED_CTLS: bit 7 must be 1 and cannot.
    expect_refused(changed("\"IA32_VMX_TRUE_PINBASED_CTLS\": \"0x0000007f00000016\"",
                           "\"IA32_VMX_TRUE_PINBASED_CTLS\": \"0x0000007f00000096\""),
                   "pin-based controls: bits 0x80 must be 1 (low half) and must be 0 (high half)");
    expect_refused(changed("0x00da040000000012", "0x005a040000000012"),
                   "exactly if IA32_VMX_BASIC bit 55 is set");
    expect_refused(changed("0x00da040000000012", "0x00da100100000012"),
                   "region size must be 1 to 4096, found 4097");
    expect_refused(changed("00001767ff", "00003767ff"),
                   "allows CR4.SMAP, and CPUID does not have its feature");
    expect_refused(changed("00003027-", "0000303f-"), "36 to 52 bits, found 63");
    expect_refused(changed("0x00007cff00000000", "0x00007cfd00000000"), "\"unrestricted guest\" needs");
    // A control that must be 1 and that the engine does not have.
    expect_refused(changed("0x00007cff00000000", "0x00007cff00001000"),
                   "secondary processor-based controls: bit 12 (enable INVPCID) must be 1, and the "
                   "engine cannot set it");
}

}  // namespace
}  // namespace vtless::vmm
