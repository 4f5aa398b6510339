// SPDX-License-Identifier: MIT
#include "lab/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace vtless::lab {

namespace {

// Also to the disk: a name must not outlive its contents.
bool fill(int file, const std::string& text) {
    for (size_t done = 0; done < text.size();) {
        const ssize_t wrote = ::write(file, text.data() + done, text.size() - done);
        if (wrote < 0 && errno != EINTR) return false;
        if (wrote > 0) done += static_cast<size_t>(wrote);
    }
    // mkostemp makes it its owner's alone, but results are for everybody whom the directory is for.
    return fchmod(file, 0644) == 0 && fsync(file) == 0;
}

bool give_name(const std::string& from, const std::string& to, IfThere what) {
    if (what == IfThere::Replace) return std::rename(from.c_str(), to.c_str()) == 0;
    const bool linked = link(from.c_str(), to.c_str()) == 0 || errno == EEXIST;
    const int error = errno;
    unlink(from.c_str());
    errno = error;
    return linked;
}

}  // namespace

vmm::Result<std::optional<std::string>> read_whole(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file && errno == ENOENT) return std::optional<std::string>();
    if (!file) return vmm::fail("{}: {}", path, std::strerror(errno));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad()) return vmm::fail("{}: cannot be read", path);
    return std::optional(std::move(text));
}

vmm::Result<void> write_whole(const std::string& path, const std::string& text, IfThere what) {
    const std::filesystem::path target(path);
    std::string name = (target.parent_path() / ("." + target.filename().string() + ".XXXXXX")).string();
    const int file = mkostemp(name.data(), O_CLOEXEC);
    if (file < 0) return vmm::fail("{}: cannot be written: {}", path, std::strerror(errno));
    bool done = fill(file, text);
    int error = errno;
    if (close(file) != 0 && done) {
        done = false;
        error = errno;
    }
    if (done && !give_name(name, path, what)) {
        done = false;
        error = errno;
    }
    if (done) return {};
    unlink(name.c_str());
    return vmm::fail("{}: cannot be written: {}", path, std::strerror(error));
}

}  // namespace vtless::lab
