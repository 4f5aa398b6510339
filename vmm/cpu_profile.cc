// SPDX-License-Identifier: MIT
#include "vmm/cpu_profile.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "vmm/embedded_profiles.h"

namespace vtless::vmm {

namespace {

constexpr const char* kDefault = "default";
constexpr size_t kMaxFile = 64 << 10;

CpuProfile default_profile() {
    return {kDefault,
            "Everything that the engine can do",
            {"sim/vmx/capability.h"},
            sim::kEngineCapabilities,
            sim::kEngineCapabilities};
}

Result<std::string> read_text(const std::string& path) {
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
    if (!file) return fail("{}: {}", path, std::strerror(errno));
    std::string text(kMaxFile + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) return fail("{}: cannot be read", path);
    if (text.size() > kMaxFile) return fail("{}: longer than {} bytes", path, kMaxFile);
    return text;
}

}  // namespace

std::vector<std::string> cpu_profile_names() {
    std::vector<std::string> names{kDefault};
    for (const EmbeddedProfile& each : embedded_profiles()) names.emplace_back(each.name);
    return names;
}

Result<CpuProfile> load_cpu_profile(const std::string& name) {
    if (name == kDefault) return default_profile();
    for (const EmbeddedProfile& each : embedded_profiles()) {
        if (name == each.name) return parse_cpu_profile(each.text, name);
    }
    if (name.find('/') == std::string::npos && !name.ends_with(".json")) {
        return fail("no processor \"{}\"; there are {}, and files: a path with a '/' or the ending .json",
                    name, fmt::join(cpu_profile_names(), ", "));
    }
    const auto text = read_text(name);
    if (!text) return Unexpected(text.error());
    return parse_cpu_profile(*text, name);
}

}  // namespace vtless::vmm
