// SPDX-License-Identifier: MIT
#include "vmm/profile_file.h"

#include <fmt/ranges.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace vtless::vmm {

namespace {

constexpr size_t kMaxFile = 64 << 10;

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

Result<std::string> profile_text(const std::string& name, const ProfileChoice& choice) {
    for (const EmbeddedProfile& each : choice.built_in)
        if (name == each.name) return std::string(each.text);
    if (name.find('/') == std::string::npos && !name.ends_with(".json")) {
        return fail("no {} \"{}\"; there are {}, and files: a path with a '/' or the ending .json",
                    choice.kind, name, fmt::join(choice.names, ", "));
    }
    return read_text(name);
}

}  // namespace vtless::vmm
