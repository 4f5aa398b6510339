// SPDX-License-Identifier: MIT
#include "vmm/loaders/image_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

namespace vtless::vmm {

namespace {

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// The number at the start of text, which is cut off; false if there is none or it does not fit.
bool take_number(std::string_view& text, uint64_t& value) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    const std::string_view digits = hex ? text.substr(2) : text;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
    if (error != std::errc{}) return false;
    text = digits.substr(static_cast<size_t>(end - digits.data()));
    return true;
}

// Bits to shift by for a unit; -1 if it is none.
int unit_shift(std::string_view unit) {
    constexpr std::string_view kUnits = "KMG";
    if (unit.empty() || unit == "B") return 0;
    const char letter = static_cast<char>(unit.front() & ~0x20);
    const size_t place = kUnits.find(letter);
    const std::string_view rest = unit.substr(1);
    if (place == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB")) return -1;
    return static_cast<int>(10 * (place + 1));
}

}  // namespace

Result<Image> read_image(const std::string& what, const std::string& path, uint64_t limit) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return fail("{} {}: {}", what, path, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return fail("{} {}: not a regular file", what, path);
    const auto size = static_cast<uint64_t>(status.st_size);
    if (size == 0) return fail("{} {}: the file is empty", what, path);
    if (size > limit) return fail("{} {}: {} bytes, expected at most {}", what, path, size, limit);

    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
    if (!file) return fail("{} {}: {}", what, path, std::strerror(errno));
    Image image{path, std::vector<uint8_t>(size)};
    const size_t got = std::fread(image.bytes.data(), 1, size, file.get());
    if (got != size) return fail("{} {}: read {} bytes of {}", what, path, got, size);
    return image;
}

Result<uint64_t> parse_number(const std::string& text) {
    std::string_view rest = text;
    uint64_t value = 0;
    if (!take_number(rest, value) || !rest.empty()) {
        return fail("\"{}\" is not a number: expected decimal or 0x digits, below 2^64", text);
    }
    return value;
}

Result<uint64_t> parse_size(const std::string& text) {
    std::string_view rest = text;
    uint64_t value = 0;
    const bool number = take_number(rest, value);
    const int shift = number ? unit_shift(rest) : -1;
    if (shift < 0) return fail("\"{}\" is not a size: expected a number and K, M or G, like 512M", text);
    if (shift > 0 && value >> (64 - shift) != 0) return fail("\"{}\" is more than 2^64 bytes", text);
    return value << shift;
}

}  // namespace vtless::vmm
