// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "explain/dump.h"

namespace vtless::explain {
namespace {

using nlohmann::json;
using x86::VmcsField;

constexpr const char* kFormat = "vtless-vmcs";
constexpr int kVersion = 1;

template <class... Args>
Unexpected<Error> fail(fmt::format_string<Args...> text, Args&&... args) {
    return Unexpected(fmt::format(text, std::forward<Args>(args)...));
}

std::optional<VmcsField> field_named(std::string_view name) {
    for (const VmcsField field : x86::all_vmcs_fields()) {
        if (!x86::access_high(field) && name == x86::name(field)) return field;
    }
    return std::nullopt;
}

// A number, or a string of one: "0x1f" or "31".
std::optional<uint64_t> number(const json& value) {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) return std::nullopt;
    const bool hex = text->size() > 2 && text->compare(0, 2, "0x") == 0;
    const char* end = text->data() + text->size();
    uint64_t result = 0;
    const auto [stop, error] = std::from_chars(text->data() + (hex ? 2 : 0), end, result, hex ? 16 : 10);
    return error == std::errc() && stop == end ? std::optional(result) : std::nullopt;
}

Expected<void, Error> read_field(const std::string& name, const json& value, Dump& dump) {
    const auto field = field_named(name);
    if (!field) return fail("\"{}\" is no VMCS field", name);
    const auto bits = number(value);
    if (!bits) return fail("{}: {} is not a number", name, value.dump());
    if ((*bits & ~x86::access_mask(*field)) != 0)
        return fail("{}: {:#x} has more than the field's {} bits", name, *bits, x86::access_bits(*field));
    dump.fields[*field] = *bits;
    return {};
}

Expected<void, Error> read_msr(const json& entry, Dump& dump) {
    const bool complete = entry.is_object() && entry.contains("index") && entry.contains("value");
    const auto index = complete ? number(entry["index"]) : std::nullopt;
    const auto value = complete ? number(entry["value"]) : std::nullopt;
    if (!index || !value) return fail("entry_msrs: {} is no index and value", entry.dump());
    dump.entry_msrs.push_back({static_cast<uint32_t>(*index), static_cast<uint32_t>(*index >> 32), *value});
    return {};
}

}  // namespace

Expected<Dump, Error> read_json(std::string_view text) {
    const json root = json::parse(text, nullptr, false);
    if (root.is_discarded()) return fail("not JSON: it is cut short or garbled");
    if (!root.is_object() || root.value("format", json()) != kFormat)
        return fail("JSON, but not a VMCS dump: \"format\" is not \"{}\"", kFormat);
    if (root.value("version", json()) != kVersion)
        return fail("version {} of the format: expected {}", root.value("version", json()).dump(), kVersion);
    const json fields = root.value("fields", json());
    if (!fields.is_object()) return fail("\"fields\" is missing");
    Dump dump;
    for (const auto& [name, value] : fields.items()) {
        if (auto done = read_field(name, value, dump); !done) return Unexpected(done.error());
    }
    for (const auto& [name, value] : root.items()) {
        if (name == "ia32e_host" && value.is_boolean()) {
            dump.ia32e_host = value.get<bool>();
        } else if (name == "entry_msrs" && value.is_array()) {
            for (const json& entry : value) {
                if (auto done = read_msr(entry, dump); !done) return Unexpected(done.error());
            }
        } else if (name != "format" && name != "version" && name != "fields") {
            return fail("\"{}\" is not known here, or has another type", name);
        }
    }
    return dump;
}

std::string write_json(const Dump& dump) {
    nlohmann::ordered_json fields = nlohmann::ordered_json::object();
    for (const auto& [field, value] : dump.fields) fields[x86::name(field)] = fmt::format("{:#x}", value);
    nlohmann::ordered_json root = {{"format", kFormat}, {"version", kVersion}};
    if (dump.ia32e_host) root["ia32e_host"] = *dump.ia32e_host;
    root["fields"] = std::move(fields);
    for (const sim::MsrEntry& entry : dump.entry_msrs) {
        const uint64_t index = entry.index | uint64_t{entry.reserved} << 32;
        root["entry_msrs"].push_back(
            {{"index", fmt::format("{:#x}", index)}, {"value", fmt::format("{:#x}", entry.value)}});
    }
    return root.dump(2) + "\n";
}

Dump dump_of(const sim::Vmcs& vmcs, bool ia32e_host) {
    Dump dump;
    dump.ia32e_host = ia32e_host;
    for (unsigned i = 0; i < sim::kSupportedFieldCount; ++i) {
        dump.fields[sim::kSupportedFields[i]] = vmcs.get(sim::kSupportedFields[i]);
    }
    return dump;
}

}  // namespace vtless::explain
