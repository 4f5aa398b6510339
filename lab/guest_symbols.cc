// SPDX-License-Identifier: MIT
#include "lab/guest_symbols.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <tuple>
#include <utility>

#include "vmm/loaders/image_file.h"

namespace vtless::lab {

namespace {

constexpr uint64_t kLargestFile = uint64_t{4} << 30;

std::string_view next_line(std::string_view& rest) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
}

struct Line {
    uint64_t address = 0;
    char type = 0;
    std::string_view name;
};

// "ffffffff81000000 T _stext"
bool parse(std::string_view text, Line& line) {
    const char* end = text.data() + text.size();
    const auto [behind, error] = std::from_chars(text.data(), end, line.address, 16);
    if (error != std::errc() || end - behind < 4 || behind[0] != ' ' || behind[2] != ' ') return false;
    line.type = behind[1];
    line.name = std::string_view(behind + 3, end);
    return true;
}

bool is_code(char type) {
    const int lower = std::tolower(static_cast<unsigned char>(type));
    return lower == 't' || lower == 'w';
}

}  // namespace

vmm::Result<std::vector<GuestSymbol>> read_symbol_list(std::string_view file) {
    std::vector<Line> lines;
    for (size_t number = 1; !file.empty(); ++number) {
        Line line;
        if (!parse(next_line(file), line))
            return vmm::fail(
                "line {} is not an address, a type and a name: neither ELF nor a list of symbols", number);
        lines.push_back(line);
    }
    std::ranges::stable_sort(lines, {}, &Line::address);
    std::vector<GuestSymbol> symbols;
    for (auto line = lines.begin(); line != lines.end(); ++line) {
        const auto next = std::ranges::upper_bound(line, lines.end(), line->address, {}, &Line::address);
        if (is_code(line->type) && next != lines.end())
            symbols.push_back({line->address, next->address, std::string(line->name)});
    }
    if (symbols.empty()) return vmm::fail("it names no code");
    return symbols;
}

vmm::Result<void> GuestSymbols::add_file(const std::string& path, uint64_t base) {
    const auto image = vmm::read_image("symbols", path, kLargestFile);
    if (!image) return Unexpected(image.error());
    const std::string_view bytes(reinterpret_cast<const char*>(image->bytes.data()), image->bytes.size());
    auto symbols = bytes.starts_with(
                       "\x7f"
                       "ELF")
                       ? read_elf_symbols(bytes)
                       : read_symbol_list(bytes);
    if (!symbols) return vmm::fail("symbols {}: {}", path, symbols.error().message);
    for (GuestSymbol& symbol : *symbols) {
        symbol.first += base;
        symbol.end += base;
    }
    add(std::move(*symbols));
    return {};
}

void GuestSymbols::add(std::vector<GuestSymbol> symbols) {
    std::ranges::move(symbols, std::back_inserter(symbols_));
    std::erase_if(symbols_, [](const GuestSymbol& symbol) { return symbol.end <= symbol.first; });
    arrange();
}

// Of two that begin at one place the shorter one is the inner one; of two that are equal the first name.
void GuestSymbols::arrange() {
    std::ranges::sort(symbols_, {}, [](const GuestSymbol& symbol) {
        return std::tuple(symbol.first, ~symbol.end, std::string_view(symbol.name));
    });
    ranges_.clear();
    std::vector<size_t> open;  // around `at`, the innermost last
    uint64_t at = 0;
    const auto go_to = [&](uint64_t limit) {
        while (!open.empty() && at < limit) {
            const uint64_t end = std::min(symbols_[open.back()].end, limit);
            if (end > at) ranges_.push_back({at, end, open.back()});
            at = std::max(at, end);
            if (symbols_[open.back()].end > limit) break;
            open.pop_back();
        }
        at = limit;
    };
    for (size_t i = 0; i < symbols_.size(); ++i) {
        go_to(symbols_[i].first);
        const bool again =
            i != 0 && symbols_[i].first == symbols_[i - 1].first && symbols_[i].end == symbols_[i - 1].end;
        if (!again) open.push_back(i);
    }
    go_to(~uint64_t{0});
}

const std::string* GuestSymbols::find(uint64_t linear) const {
    const auto behind = std::ranges::upper_bound(ranges_, linear, {}, &Range::first);
    if (behind == ranges_.begin()) return nullptr;
    const Range& range = *std::prev(behind);
    return linear < range.end ? &symbols_[range.symbol].name : nullptr;
}

}  // namespace vtless::lab
