// SPDX-License-Identifier: MIT
// TOML tables read strictly: the first thing that is wrong is kept with its place, and what follows it goes
// unheard, so that callers need not look after each value. For one source file: toml++ is all header.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtless::lab {

class TomlReader {
  public:
    explicit TomlReader(std::string path) : path_(std::move(path)) {}

    const std::string& error() const { return error_; }  // empty: nothing was wrong
    bool ok() const { return error_.empty(); }

    template <class... Args>
    void refuse(const toml::source_region& at, fmt::format_string<Args...> format, Args&&... args) {
        if (!ok()) return;
        const toml::source_position from = at.begin ? at.begin : toml::source_position{1, 1};
        error_ = fmt::format("{}:{}:{}: {}", path_, from.line, from.column,
                             fmt::format(format, std::forward<Args>(args)...));
    }

    // Refuses keys that are not among those known.
    void allow(const toml::table& table, const std::vector<std::string_view>& known) {
        for (const auto& [key, value] : table)
            if (std::ranges::find(known, key.str()) == known.end())
                refuse(key.source(), "unknown key \"{}\"; expected {}", key.str(), fmt::join(known, ", "));
    }

    // A string that an argument can hold: not empty, without NUL.
    std::string text(const toml::node& node, std::string_view key) {
        const auto value = node.value_exact<std::string>();
        if (!value || value->empty()) {
            refuse(node.source(), "{}: expected a string that is not empty", key);
            return "";
        }
        if (value->find('\0') != std::string::npos) refuse(node.source(), "{}: it has a NUL character", key);
        return *value;
    }
    // A string for names of files and columns.
    std::string word(const toml::node& node, std::string_view key) {
        constexpr std::string_view kLetters =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
        std::string value = text(node, key);
        if (value.find_first_not_of(kLetters) != std::string::npos || value.starts_with('.') ||
            value.starts_with('-') || value.size() > 100)
            refuse(node.source(), "{}: \"{}\" is no name: expected letters, digits, '.', '_' and '-'", key,
                   value);
        return value;
    }
    uint64_t number(const toml::node& node, std::string_view key) {
        const auto value = node.value_exact<int64_t>();
        if (!value || *value < 0) {
            refuse(node.source(), "{}: expected a whole number, not negative", key);
            return 0;
        }
        return static_cast<uint64_t>(*value);
    }

    const toml::node& required(const toml::table& table, std::string_view key, std::string_view expected) {
        const toml::node* node = table.get(key);
        if (node == nullptr) refuse(table.source(), "no {}: expected {}", key, expected);
        return node == nullptr ? table : *node;
    }
    // The elements of an array that has some.
    std::vector<const toml::node*> elements(const toml::node& node, std::string_view key) {
        const toml::array* array = node.as_array();
        if (array == nullptr || array->empty()) {
            refuse(node.source(), "{}: expected an array that is not empty", key);
            return {};
        }
        std::vector<const toml::node*> all;
        for (const toml::node& each : *array) all.push_back(&each);
        return all;
    }

  private:
    std::string path_;
    std::string error_;
};

}  // namespace vtless::lab
