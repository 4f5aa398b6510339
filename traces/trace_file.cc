// SPDX-License-Identifier: MIT
#include "traces/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>

#include "traces/exit_text.h"

namespace vtless::traces {

namespace {

constexpr std::string_view kMagic = "vtless-trace ";
constexpr std::string_view kEnd = "end ";
constexpr std::string_view kNote = "# ";
constexpr std::string_view kBackend = "backend=";
constexpr std::string_view kAbsent = " absent=";

// The number after `prefix`, if the line is just that.
bool number_after(std::string_view line, std::string_view prefix, uint64_t& value) {
    if (!line.starts_with(prefix)) return false;
    const char* end = line.data() + line.size();
    const auto [stop, error] = std::from_chars(line.data() + prefix.size(), end, value);
    return error == std::errc{} && stop == end;
}

void write_registers(std::string& line, const Observation& seen) {
    auto out = std::back_inserter(line);
    fmt::format_to(out, " rip={:#x} rflags={:#x} cr0={:#x} cr3={:#x} cr4={:#x}", seen.rip, seen.rflags,
                   seen.cr0, seen.cr3, seen.cr4);
    for (unsigned i = 0; i < x86::kGprCount; ++i)
        fmt::format_to(out, " {}={:#x}", x86::name(static_cast<x86::Gpr>(i)), seen.gprs[i]);
}

bool is_name(std::string_view text) {
    return !text.empty() && text.find_first_of(" ,=") == std::string_view::npos;
}

// "backend=NAME" or "backend=NAME absent=FIELD,FIELD...".
bool parse_backend(std::string_view line, Trace& trace) {
    if (!line.starts_with(kBackend)) return false;
    line.remove_prefix(kBackend.size());
    const size_t name_end = std::min(line.find(kAbsent), line.size());
    trace.backend = line.substr(0, name_end);
    if (!is_name(trace.backend)) return false;
    line.remove_prefix(name_end);
    if (line.empty()) return true;
    line.remove_prefix(kAbsent.size());
    for (;;) {
        const size_t end = std::min(line.find(','), line.size());
        if (!is_name(line.substr(0, end))) return false;
        trace.absent.emplace_back(line.substr(0, end));
        if (end == line.size()) return true;
        line.remove_prefix(end + 1);
    }
}

}  // namespace

std::vector<std::string> absent_fields(const Capabilities& can) {
    std::vector<std::string> names;
    if (!can.cycles) names.push_back("cycles");
    if (!can.vmcs) names.insert(names.end(), {"raw", "qualification"});
    if (!can.mmio_register) names.insert(names.end(), {"reg", "reg_width", "signed"});
    return names;
}

Expected<TraceWriter, std::string> TraceWriter::create(const std::string& path, const Capabilities& can) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr)
        return Unexpected(fmt::format("cannot write trace {}: {}", path, std::strerror(errno)));
    fmt::print(file, "{}{}\n{}{}", kMagic, kVersion, kBackend, can.backend);
    const auto absent = absent_fields(can);
    if (!absent.empty()) fmt::print(file, "{}{}", kAbsent, fmt::join(absent, ","));
    fmt::print(file, "\n");
    return TraceWriter(file, can);
}

TraceWriter::~TraceWriter() { close(); }

void TraceWriter::write(const VmExit& exit, const Observation& seen) {
    std::string line = std::to_string(count_++);
    auto out = std::back_inserter(line);
    if (can_.cycles) fmt::format_to(out, " cycles={}", seen.cycles);
    fmt::format_to(out, " exit={}", exit_text(exit, can_));
    if (can_.vmcs) fmt::format_to(out, " raw={:#x} qualification={:#x}", seen.raw_reason, seen.qualification);
    if (seen.before) fmt::format_to(out, " registers=before");
    if (!seen.unread) write_registers(line, seen);
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), file_.get());
}

void TraceWriter::note(std::string_view text) { fmt::print(file_.get(), "{}{}\n", kNote, text); }

bool TraceWriter::close() {
    if (!file_) return true;
    fmt::print(file_.get(), "{}{}\n", kEnd, count_);
    const bool written = std::ferror(file_.get()) == 0;
    return std::fclose(file_.release()) == 0 && written;
}

Expected<Trace, std::string> read_trace(const std::string& path) {
    auto refuse = [&path](const std::string& why) {
        return Unexpected(fmt::format("trace {}: {}", path, why));
    };
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return refuse(std::strerror(errno));
    std::string line;
    if (!std::getline(file, line)) return refuse("the file is empty");
    uint64_t version = 0;
    if (!number_after(line, kMagic, version)) {
        return refuse(fmt::format("not a trace: the first line is \"{:.40}\", expected \"{}{}\"", line,
                                  kMagic, kVersion));
    }
    if (version == 0 || version > kVersion) {
        return refuse(fmt::format("version {}, this program reads versions 1 to {}", version, kVersion));
    }
    Trace trace;
    trace.backend = "vmx";
    constexpr uint64_t kFirstWithBackend = 3;
    const bool named = version >= kFirstWithBackend;
    if (named && (!std::getline(file, line) || !parse_backend(line, trace)))
        return refuse(fmt::format("the second line is \"{:.60}\", expected \"{}NAME\"", line, kBackend));
    std::vector<std::string>& lines = trace.exits;
    while (std::getline(file, line) && !file.eof()) {
        uint64_t count = 0;
        if (line.starts_with(kNote)) {
            trace.notes.push_back({lines.size(), line.substr(kNote.size())});
        } else if (!line.starts_with(kEnd)) {
            if (!line.starts_with(fmt::format("{} ", lines.size()))) {
                return refuse(fmt::format("line {}: \"{:.40}\" is not exit {}",
                                          lines.size() + trace.notes.size() + (named ? 3 : 2), line,
                                          lines.size()));
            }
            lines.push_back(line);
        } else if (!number_after(line, kEnd, count) || count != lines.size()) {
            return refuse(fmt::format("ends with \"{:.40}\" after {} exits", line, lines.size()));
        } else if (file.peek() != std::ifstream::traits_type::eof()) {
            return refuse(fmt::format("goes on after its end line \"{}\"", line));
        } else {
            return trace;
        }
    }
    return refuse(fmt::format("truncated: no end line after {} exits", lines.size()));
}

}  // namespace vtless::traces
