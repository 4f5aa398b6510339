// SPDX-License-Identifier: MIT
#include "tests/probe/comparison.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "isa/bits.h"

namespace vtless::probe {

namespace {

std::vector<std::string> words_of(const std::string& key) {
    std::istringstream stream(key);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

// The allowed 1-settings of a control field, by the TRUE capability MSR where there is one.
uint64_t allowed1(const Rows& rows, const std::string& field) {
    static const std::map<std::string, std::string> kMsrs = {
        {"4000", "48d"}, {"4002", "48e"}, {"401e", "48b"}, {"400c", "48f"}, {"4012", "490"}};
    const auto msr = kMsrs.find(field);
    const std::string* value = msr == kMsrs.end() ? nullptr : rows.find("msr 0 " + msr->second);
    return value == nullptr || value->front() == 'E' ? 0 : std::stoull(*value, nullptr, 16) >> 32;
}

class Comparer {
  public:
    Comparer(const Rows& ours, const Rows& bochs, std::vector<Disagreement>& known)
        : ours_(ours), bochs_(bochs), known_(known) {}

    Comparison run() {
        std::set<std::string> keys(ours_.keys.begin(), ours_.keys.end());
        keys.insert(bochs_.keys.begin(), bochs_.keys.end());
        for (const std::string& key : keys) compare_row(key);
        return std::move(result_);
    }

  private:
    void compare_row(const std::string& key) {
        ++result_.rows;
        const std::string* ours = ours_.find(key);
        const std::string* bochs = bochs_.find(key);
        if (ours != nullptr && bochs != nullptr && *ours == *bochs) {
            ++result_.same;
        } else if (differs_by_capability(key)) {
            ++result_.capability;
        } else if (ours == nullptr || bochs == nullptr) {
            result_.unexplained.push_back(
                key + (ours == nullptr ? "  ours has no such row" : "  Bochs has no such row"));
        } else {
            settle(key, parse_outcome(*ours), parse_outcome(*bochs));
        }
    }

    // Only one has the field, or allows the control.
    bool differs_by_capability(const std::string& key) const {
        const std::vector<std::string> words = words_of(key);
        const std::string& group = words[0];
        if (group == "msr" || group == "cpuid") return true;  // for the record
        const auto has = [](const Rows& rows, const std::string& field) {
            return rows.find("read 0 " + field) != nullptr;
        };
        if (group == "read" || group == "write" || group == "baseline")
            return has(ours_, words[2]) != has(bochs_, words[2]);
        if (group != "bit" && group != "edge" && group != "if") return false;
        if (has(ours_, words[1]) != has(bochs_, words[1])) return true;
        if (group != "bit") return false;
        const uint64_t differing = allowed1(ours_, words[1]) ^ allowed1(bochs_, words[1]);
        const unsigned long number = std::stoul(words[2], nullptr, 16);
        return number < 64 && (differing >> number & 1) != 0;
    }

    void settle(const std::string& key, Outcome ours, Outcome bochs) {
        std::vector<Disagreement*> used;
        for (Disagreement& entry : known_) {
            const std::string a = ours.text();
            const std::string b = bochs.text();
            if (a == b) break;
            if (!std::regex_match(key, entry.rows) || !std::regex_match(a, entry.ours) ||
                !std::regex_match(b, entry.bochs))
                continue;
            bool applies = entry.values.empty();
            for (const auto& [name, mask] : entry.values) {
                applies = applies || ((ours.get(name) ^ bochs.get(name)) & mask) != 0;
                ours.clear(name, mask);
                bochs.clear(name, mask);
            }
            if (!applies) continue;
            used.push_back(&entry);
            if (entry.values.empty()) bochs = ours;
        }
        if (ours.text() != bochs.text()) {
            result_.unexplained.push_back(
                fmt::format("{}\n   ours  {}\n   Bochs {}", key, ours.text(), bochs.text()));
            return;
        }
        if (used.empty()) ++result_.same;  // but for what is undefined
        for (Disagreement* entry : used) {
            ++entry->used;
            ++result_.settled[entry->name];
        }
    }

    const Rows& ours_;
    const Rows& bochs_;
    std::vector<Disagreement>& known_;
    Comparison result_;
};

}  // namespace

std::vector<Disagreement> read_disagreements(const std::string& json) {
    std::vector<Disagreement> entries;
    for (const auto& item : nlohmann::json::parse(json)) {
        const auto pattern = [&](const char* name) {
            return std::regex(item.value(name, std::string(".*")), std::regex::optimize);
        };
        Disagreement entry{
            item.at("name"), item.at("right"), pattern("rows"), pattern("ours"), pattern("bochs"), {}, 0};
        if (item.at("why").get<std::string>().empty()) throw std::runtime_error(entry.name + ": no reason");
        static const std::set<std::string> kVerdicts = {"ours", "bochs", "both", "capability"};
        if (kVerdicts.count(entry.verdict) == 0) throw std::runtime_error(entry.name + ": no such verdict");
        const nlohmann::json values = item.value("values", nlohmann::json::object());
        for (const auto& [name, mask] : values.items())
            entry.values[name] = std::stoull(mask.get<std::string>(), nullptr, 16);
        entries.push_back(std::move(entry));
    }
    return entries;
}

Comparison compare(const Rows& ours, const Rows& bochs, std::vector<Disagreement>& known) {
    return Comparer(ours, bochs, known).run();
}

std::string report(const Comparison& comparison, const std::vector<Disagreement>& known) {
    std::string text =
        fmt::format("{} rows: {} agree, {} about what only one of the two has, {} unexplained\n",
                    comparison.rows, comparison.same, comparison.capability, comparison.unexplained.size());
    for (const Disagreement& entry : known)
        text += fmt::format("{:6}  {:<10}  {}\n", entry.used, entry.verdict, entry.name);
    return text;
}

}  // namespace vtless::probe
