// SPDX-License-Identifier: MIT
// A trace as plain text, one line for each exit, so that people and the usual tools can read it:
//
//   vtless-trace 3
//   backend=vmx
//   0 cycles=1234 exit=IoWrite,port=0x402,width=1,data=0x41 raw=0x1e qualification=0x... rip=... rax=...
//   # sanitizer: event.overwritten: ...
//   ...
//   end 1
//
// The last line counts the exits; a trace without it is incomplete. A line that begins with # is a note on
// the exit that follows. The second line names the backend, and what it cannot say, which its exits then do
// not have: "backend=kvm absent=cycles,raw,qualification,reg,reg_width,signed". registers=before says that
// the exit's instruction is not finished, as far as RIP and other registers go.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "isa/expected.h"
#include "isa/x86/registers.h"
#include "vcpu/capabilities.h"
#include "vcpu/exit.h"

namespace vtless::traces {

inline constexpr unsigned kVersion = 3;  // 1 had no notes, 2 no line for the backend, which was vmx

// What a line says besides the exit. What the backend lacks is not written.
struct Observation {
    uint64_t cycles = 0;
    uint64_t raw_reason = 0;  // the hardware's exit reason field
    uint64_t qualification = 0;
    uint64_t rip = 0;
    uint64_t rflags = 0;
    uint64_t cr0 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    std::array<uint64_t, x86::kGprCount> gprs{};
    bool before = false;  // the registers are those before the instruction is finished
    bool unread = false;  // the registers could not be read: none is written
};

// Names of fields that a backend's traces do not have.
std::vector<std::string> absent_fields(const Capabilities& can);

// Writes a trace; the end line is written when it is closed or destroyed.
class TraceWriter {
  public:
    // can: the recorded backend's. The error says what could not be done.
    static Expected<TraceWriter, std::string> create(const std::string& path, const Capabilities& can);
    TraceWriter(TraceWriter&&) = default;
    TraceWriter& operator=(TraceWriter&&) = delete;
    ~TraceWriter();

    void write(const VmExit& exit, const Observation& observation);
    // One line, without its end.
    void note(std::string_view text);
    // False if anything could not be written, the disk being full, say.
    bool close();

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    TraceWriter(std::FILE* file, const Capabilities& can) : file_(file), can_(can) {}

    std::unique_ptr<std::FILE, Close> file_;
    Capabilities can_;
    uint64_t count_ = 0;
};

struct Trace {
    struct Note {
        size_t exit = 0;  // the one that follows; their number, at the end
        std::string text;
    };

    std::string backend;
    std::vector<std::string> absent;  // fields that the backend cannot say
    std::vector<std::string> exits;   // a line each
    std::vector<Note> notes;
};

// Reads a whole trace. Refuses what is not a trace, a later version, a trace without
// its end line or with a wrong count; the error says what was found.
Expected<Trace, std::string> read_trace(const std::string& path);

}  // namespace vtless::traces
