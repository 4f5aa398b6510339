// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "explain/dump.h"

namespace vtless::explain {

Expected<Dump, Error> read_dump(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return Unexpected(Error("the file is empty"));
    return text[first] == '{' ? read_json(text) : read_kvm_log(text);
}

Expected<Dump, Error> read_dump_file(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();  // of an empty file that fails, without an error
    if (!file || (!text && errno != 0))
        return Unexpected(fmt::format("{}: {}", path, errno != 0 ? std::strerror(errno) : "cannot be read"));
    auto dump = read_dump(text.str());
    if (!dump) return Unexpected(fmt::format("{}: {}", path, dump.error()));
    return dump;
}

}  // namespace vtless::explain
