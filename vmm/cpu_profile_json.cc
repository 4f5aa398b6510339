// SPDX-License-Identifier: MIT
// Reads a profile: every key must be known, every value in its range, and the values must agree.
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "isa/x86/control_regs.h"
#include "sim/vmx/advertise.h"
#include "vmm/cpu_profile.h"

namespace vtless::vmm {

namespace {

using Json = nlohmann::json;
using sim::CpuidFeatures;
using sim::VmxCapabilities;
using x86::Msr;

struct MsrKey {
    const char* name;
    bool needed;
};
constexpr MsrKey kMsrKeys[] = {
    {"IA32_VMX_BASIC", true},
    {"IA32_VMX_PINBASED_CTLS", true},
    {"IA32_VMX_PROCBASED_CTLS", true},
    {"IA32_VMX_EXIT_CTLS", true},
    {"IA32_VMX_ENTRY_CTLS", true},
    {"IA32_VMX_MISC", true},
    {"IA32_VMX_CR0_FIXED0", true},
    {"IA32_VMX_CR0_FIXED1", true},
    {"IA32_VMX_CR4_FIXED0", true},
    {"IA32_VMX_CR4_FIXED1", true},
    {"IA32_VMX_PROCBASED_CTLS2", false},
    {"IA32_VMX_EPT_VPID_CAP", false},
    {"IA32_VMX_VMFUNC", false},
    {"IA32_VMX_TRUE_PINBASED_CTLS", false},
    {"IA32_VMX_TRUE_PROCBASED_CTLS", false},
    {"IA32_VMX_TRUE_EXIT_CTLS", false},
    {"IA32_VMX_TRUE_ENTRY_CTLS", false},
};
constexpr const char* kCpuidKeys[] = {"0",   "1",        "4.0",      "4.1",      "4.2",      "4.3",     "7",
                                      "d.1", "80000001", "80000002", "80000003", "80000004", "80000008"};
constexpr const char* kNeededCpuid[] = {"0", "1", "80000001", "80000008"};

template <class Integer>
bool parse_hex(std::string_view text, Integer& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

class Reader {
  public:
    Reader(const Json& json, const std::string& origin) : json_(json), origin_(origin) {}

    Result<CpuProfile> read() {
        read_texts();
        read_msrs();
        read_cpuid();
        if (error_.empty()) check_basic();
        if (error_.empty()) check_words();
        if (error_.empty()) check_cr4();
        if (error_.empty()) check_widths();
        if (!error_.empty()) return fail("{}: {}", origin_, error_);
        auto advertised = sim::advertise(profile_.claimed);
        if (!advertised) return fail("{}: {}", origin_, advertised.error());
        profile_.advertised = *advertised;
        return std::move(profile_);
    }

  private:
    template <class... Args>
    void complain(fmt::format_string<Args...> format, Args&&... args) {
        if (error_.empty()) error_ = fmt::format(format, std::forward<Args>(args)...);
    }

    void read_texts() {
        if (!json_.is_object()) return complain("expected a JSON object, found {}", json_.type_name());
        for (const auto& [key, value] : json_.items()) {
            if (key == "name" || key == "processor") {
                if (!value.is_string()) return complain("\"{}\": expected a string", key);
            } else if (key == "sources") {
                read_sources(value);
            } else if (key != "msrs" && key != "cpuid") {
                return complain("unknown key \"{}\"; expected name, processor, sources, msrs and cpuid", key);
            }
        }
        for (const char* key : {"name", "processor", "sources", "msrs", "cpuid"}) {
            if (!json_.contains(key)) return complain("\"{}\" is missing", key);
        }
        profile_.name = json_["name"].get<std::string>();
        profile_.processor = json_["processor"].get<std::string>();
    }

    void read_sources(const Json& list) {
        if (!list.is_array()) return complain("\"sources\": expected a list of strings");
        for (const Json& source : list) {
            if (!source.is_string()) return complain("\"sources\": expected a list of strings");
            profile_.sources.push_back(source.get<std::string>());
        }
    }

    // A section's object, after a look at all its keys.
    template <class Known>
    const Json* section(const char* name, const Known& known) {
        if (!error_.empty()) return nullptr;
        const Json& object = json_[name];
        if (!object.is_object()) {
            complain("\"{}\": expected an object", name);
            return nullptr;
        }
        for (const auto& [key, value] : object.items()) {
            if (!known(key)) {
                complain("\"{}\": unknown key \"{}\"", name, key);
                return nullptr;
            }
            if (!value.is_string()) {
                complain("\"{}\": \"{}\": expected a string of hexadecimal digits", name, key);
                return nullptr;
            }
        }
        return &object;
    }

    void read_msrs() {
        const auto known = [](const std::string& key) {
            for (const MsrKey& each : kMsrKeys) {
                if (key == each.name) return true;
            }
            return false;
        };
        msrs_ = section("msrs", known);
        if (msrs_ == nullptr) return;
        for (const MsrKey& each : kMsrKeys) {
            if (each.needed && !msrs_->contains(each.name))
                return complain("\"msrs\": {} is missing", each.name);
            if (!msrs_->contains(each.name)) continue;
            const auto text = (*msrs_)[each.name].get<std::string>();
            uint64_t value = 0;
            if (!text.starts_with("0x") || !parse_hex(std::string_view(text).substr(2), value))
                return complain("{}: expected 0x and at most 16 hexadecimal digits, found \"{}\"", each.name,
                                text);
        }
        if (error_.empty()) take_msrs();
    }

    bool has(const char* name) const { return msrs_->contains(name); }
    uint64_t msr(const char* name) const {
        uint64_t value = 0;
        if (has(name))
            parse_hex(std::string_view((*msrs_)[name].get_ref<const std::string&>()).substr(2), value);
        return value;
    }

    void take_msrs() {
        VmxCapabilities& c = profile_.claimed;
        c.basic = {msr("IA32_VMX_BASIC")};
        const bool exact = c.basic.has(x86::VmxBasic::kTrueControls);
        const auto word = [&](const char* normal, const char* true_word) {
            if (exact != has(true_word))
                complain("{} must be there exactly if IA32_VMX_BASIC bit 55 is set, and that is {}",
                         true_word, exact ? 1 : 0);
            return msr(exact ? true_word : normal);
        };
        c.pin = {word("IA32_VMX_PINBASED_CTLS", "IA32_VMX_TRUE_PINBASED_CTLS")};
        c.primary = {word("IA32_VMX_PROCBASED_CTLS", "IA32_VMX_TRUE_PROCBASED_CTLS")};
        c.exit = {word("IA32_VMX_EXIT_CTLS", "IA32_VMX_TRUE_EXIT_CTLS")};
        c.entry = {word("IA32_VMX_ENTRY_CTLS", "IA32_VMX_TRUE_ENTRY_CTLS")};
        c.secondary = {msr("IA32_VMX_PROCBASED_CTLS2")};
        c.ept_vpid = {msr("IA32_VMX_EPT_VPID_CAP")};
        c.vmfunc = msr("IA32_VMX_VMFUNC");
        c.misc = {msr("IA32_VMX_MISC")};
        c.cr0_fixed0 = msr("IA32_VMX_CR0_FIXED0");
        c.cr0_fixed1 = msr("IA32_VMX_CR0_FIXED1");
        c.cr4_fixed0 = msr("IA32_VMX_CR4_FIXED0");
        c.cr4_fixed1 = msr("IA32_VMX_CR4_FIXED1");
    }

    void read_cpuid() {
        const auto known = [](const std::string& key) {
            for (const char* each : kCpuidKeys) {
                if (key == each) return true;
            }
            return false;
        };
        cpuid_ = section("cpuid", known);
        if (cpuid_ == nullptr) return;
        for (const char* key : kNeededCpuid) {
            if (!cpuid_->contains(key)) return complain("\"cpuid\": leaf {} is missing", key);
        }
        CpuidFeatures& cpu = profile_.claimed.cpuid;
        cpu.max_basic_leaf = leaf("0").eax;
        cpu.signature = leaf("1").eax;
        cpu.leaf1_ecx = leaf("1").ecx & ~x86::cpuid::leaf1_ecx::OSXSAVE;
        cpu.leaf1_edx = leaf("1").edx;
        cpu.leaf7_ebx = leaf("7").ebx;
        cpu.leaf7_ecx = leaf("7").ecx & ~x86::cpuid::leaf7_ecx::OSPKE;
        cpu.leaf7_edx = leaf("7").edx;
        cpu.leaf_d1_eax = leaf("d.1").eax;
        cpu.extended_ecx = leaf("80000001").ecx;
        cpu.extended_edx =
            leaf("80000001").edx | x86::cpuid::extended_edx::SYSCALL;  // clear outside 64-bit mode
        for (size_t i = 0; i < cpu.caches.size(); ++i) {
            cpu.caches[i] = leaf(fmt::format("4.{}", i).c_str());
            cpu.caches[i].eax &= 0x3fff;  // shared by the one logical processor, of one core
        }
        for (size_t i = 0; i < 3; ++i) {
            const x86::CpuidResult part = leaf(fmt::format("{:x}", x86::cpuid::kBrand0 + i).c_str());
            std::memcpy(cpu.brand.data() + i * sizeof part, &part, sizeof part);
        }
        profile_.claimed.physical_bits = x86::cpuid::physical_address_bits(leaf("80000008").eax);
        profile_.claimed.linear_bits = x86::cpuid::linear_address_bits(leaf("80000008").eax);
    }

    // EAX-EBX-ECX-EDX, eight digits each. Zero where the profile has no such leaf.
    x86::CpuidResult leaf(const char* key) {
        x86::CpuidResult result;
        if (!cpuid_->contains(key)) return result;
        const auto& text = (*cpuid_)[key].get_ref<const std::string&>();
        const std::string_view view = text;
        uint32_t* const registers[] = {&result.eax, &result.ebx, &result.ecx, &result.edx};
        bool good = view.size() == 35;
        for (size_t i = 0; good && i < 4; ++i)
            good = parse_hex(view.substr(i * 9, 8), *registers[i]) && (i == 3 || view[i * 9 + 8] == '-');
        if (!good)
            complain(
                "\"cpuid\": leaf {}: expected EAX-EBX-ECX-EDX of 8 hexadecimal digits each, found \"{}\"",
                key, text);
        return result;
    }

    void check_basic() {
        const x86::VmxBasic basic = profile_.claimed.basic;
        if (basic.revision() == 0 || (basic.raw >> 31 & 1) != 0)
            complain("IA32_VMX_BASIC: bits 30:0 are the revision, not 0, and bit 31 is 0; found {:#x}",
                     basic.raw);
        if (basic.region_bytes() == 0 || basic.region_bytes() > 4096)
            complain("IA32_VMX_BASIC: the region size must be 1 to 4096, found {}", basic.region_bytes());
        if (basic.memory_type() != x86::MemoryType::WB)
            complain("IA32_VMX_BASIC: the memory type must be 6 (WB), found {}",
                     static_cast<unsigned>(basic.memory_type()));
        if (basic.has(x86::VmxBasic::kAddresses32))
            complain("IA32_VMX_BASIC: bit 48 must be 0 on a 64-bit processor");
        if (profile_.claimed.misc.cr3_targets() > 256)
            complain("IA32_VMX_MISC: at most 256 CR3-target values, found {}",
                     profile_.claimed.misc.cr3_targets());
    }

    template <class C>
    void check_word(const char* name, x86::ControlCapability<C> word) {
        if (const uint32_t bad = word.allowed0() & ~word.allowed1(); bad != 0)
            complain("{}: bits {:#x} must be 1 (low half) and must be 0 (high half)", name, bad);
    }
    void check_words() {
        const VmxCapabilities& c = profile_.claimed;
        using S = x86::SecondaryControls;
        check_word("pin-based controls", c.pin);
        check_word("primary processor-based controls", c.primary);
        check_word("secondary processor-based controls", c.secondary);
        check_word("VM-exit controls", c.exit);
        check_word("VM-entry controls", c.entry);
        const bool secondary = c.primary.supports(x86::PrimaryControls::ACTIVATE_SECONDARY_CONTROLS);
        if (secondary != has("IA32_VMX_PROCBASED_CTLS2"))
            complain("IA32_VMX_PROCBASED_CTLS2 must be there exactly with \"activate secondary controls\"");
        const bool translates = (c.secondary.allowed1() & (S::ENABLE_EPT | S::ENABLE_VPID)) != 0;
        if (translates != has("IA32_VMX_EPT_VPID_CAP"))
            complain("IA32_VMX_EPT_VPID_CAP must be there exactly with \"enable EPT\" or \"enable VPID\"");
        if (c.secondary.supports(S::ENABLE_VM_FUNCTIONS) != has("IA32_VMX_VMFUNC"))
            complain("IA32_VMX_VMFUNC must be there exactly with \"enable VM functions\"");
        if (c.secondary.supports(S::UNRESTRICTED_GUEST) &&
            (!c.secondary.supports(S::ENABLE_EPT) || !c.misc.has(x86::VmxMisc::kStoresLmaToEntryControls)))
            complain("\"unrestricted guest\" needs \"enable EPT\" and IA32_VMX_MISC bit 5");
        if (const uint64_t bad = c.cr0_fixed0 & ~c.cr0_fixed1; bad != 0)
            complain("CR0: bits {:#x} must be 1 (IA32_VMX_CR0_FIXED0) and 0 (IA32_VMX_CR0_FIXED1)", bad);
        if (const uint64_t bad = c.cr4_fixed0 & ~c.cr4_fixed1; bad != 0)
            complain("CR4: bits {:#x} must be 1 (IA32_VMX_CR4_FIXED0) and 0 (IA32_VMX_CR4_FIXED1)", bad);
    }

    // A bit of CR4 may be 1 exactly if CPUID has its feature. SDM Vol. 3D A.8.
    void check_cr4() {
        namespace cr4 = x86::cr4;
        using namespace x86::cpuid;
        const CpuidFeatures& cpu = profile_.claimed.cpuid;
        const struct {
            uint64_t bit;
            bool feature;
            const char* name;
        } rules[] = {
            {cr4::UMIP, (cpu.leaf7_ecx & leaf7_ecx::UMIP) != 0, "UMIP"},
            {cr4::LA57, (cpu.leaf7_ecx & leaf7_ecx::LA57) != 0, "LA57"},
            {cr4::VMXE, (cpu.leaf1_ecx & leaf1_ecx::VMX) != 0, "VMXE"},
            {cr4::SMXE, (cpu.leaf1_ecx & leaf1_ecx::SMX) != 0, "SMXE"},
            {cr4::FSGSBASE, (cpu.leaf7_ebx & leaf7_ebx::FSGSBASE) != 0, "FSGSBASE"},
            {cr4::PCIDE, (cpu.leaf1_ecx & leaf1_ecx::PCID) != 0, "PCIDE"},
            {cr4::OSXSAVE, cpu.xsave(), "OSXSAVE"},
            {cr4::SMEP, (cpu.leaf7_ebx & leaf7_ebx::SMEP) != 0, "SMEP"},
            {cr4::SMAP, (cpu.leaf7_ebx & leaf7_ebx::SMAP) != 0, "SMAP"},
            {cr4::PKE, (cpu.leaf7_ecx & leaf7_ecx::PKU) != 0, "PKE"},
        };
        for (const auto& [bit, feature, name] : rules) {
            const bool allowed = (profile_.claimed.cr4_fixed1 & bit) != 0;
            if (allowed != feature)
                complain("IA32_VMX_CR4_FIXED1 {} CR4.{}, and CPUID {} its feature",
                         allowed ? "allows" : "forbids", name, feature ? "has" : "does not have");
        }
    }

    void check_widths() {
        const VmxCapabilities& c = profile_.claimed;
        if (c.physical_bits < 36 || c.physical_bits > 52)
            complain("CPUID leaf 80000008: physical addresses of 36 to 52 bits, found {}", c.physical_bits);
        if (c.linear_bits != 48 && c.linear_bits != 57)
            complain("CPUID leaf 80000008: linear addresses of 48 or 57 bits, found {}", c.linear_bits);
        if ((c.cpuid.extended_edx & x86::cpuid::extended_edx::LM) == 0)
            complain("CPUID leaf 80000001: a 64-bit processor is needed (EDX bit 29)");
    }

    const Json& json_;
    const std::string& origin_;
    const Json* msrs_ = nullptr;
    const Json* cpuid_ = nullptr;
    CpuProfile profile_;
    std::string error_;
};

}  // namespace

Result<CpuProfile> parse_cpu_profile(std::string_view text, const std::string& origin) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail("{}: not JSON", origin);
    return Reader(json, origin).read();
}

}  // namespace vtless::vmm
