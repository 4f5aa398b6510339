// SPDX-License-Identifier: MIT
#include "traces/trace_file.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "traces/diff.h"
#include "traces/exit_text.h"

namespace vtless::traces {
namespace {

constexpr Capabilities can_say_everything() {
    Capabilities can;
    can.backend = "vmx";
    can.vmcs = can.mmio_register = can.cycles = true;
    return can;
}

constexpr Capabilities like_kvm() {
    Capabilities can;
    can.backend = "kvm";
    return can;
}

class TraceFile : public ::testing::Test {
  protected:
    TraceFile()
        : path(::testing::TempDir() + "vtless-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name()) {}
    ~TraceFile() override { std::remove(path.c_str()); }

    // n exits; the one numbered `odd` has another RAX, and the one numbered `noted` a note.
    void write(unsigned n, unsigned odd = ~0u, unsigned noted = ~0u) {
        auto writer = TraceWriter::create(path, can_say_everything());
        ASSERT_TRUE(writer);
        for (unsigned i = 0; i < n; ++i) {
            Observation seen;
            seen.cycles = uint64_t{100} * i;
            seen.rip = 0xfff0 + i;
            seen.gprs[0] = i == odd ? 0xdead : 0;
            if (i == noted) writer->note("remarkable");
            writer->write(VmExit::IoWrite{0x402, AccessWidth::Byte, i}, seen);
        }
        EXPECT_TRUE(writer->close());
    }
    std::string content() {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }
    void replace(const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }
    void expect_refused(const std::string& why) {
        const auto lines = read_trace(path);
        ASSERT_FALSE(lines) << why;
        EXPECT_NE(lines.error().find(why), std::string::npos) << lines.error();
        EXPECT_NE(lines.error().find(path), std::string::npos);
    }
    std::string path;
};

TEST_F(TraceFile, IsReadBackLineByLine) {
    write(3);
    const auto trace = read_trace(path);
    ASSERT_TRUE(trace) << trace.error();
    const auto& lines = trace->exits;
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_TRUE(lines[1].starts_with("1 cycles=100 exit=IoWrite,port=0x402,width=0x1,data=0x1 raw=0x0"))
        << lines[1];
    EXPECT_NE(lines[1].find(" rip=0xfff1 "), std::string::npos);
    EXPECT_TRUE(trace->notes.empty());
    EXPECT_TRUE(content().starts_with("vtless-trace 3\nbackend=vmx\n0 "));
    EXPECT_TRUE(content().ends_with("\nend 3\n"));
}

TEST_F(TraceFile, NotesBelongToTheExitThatFollows) {
    write(3, ~0u, 2);
    const auto trace = read_trace(path);
    ASSERT_TRUE(trace) << trace.error();
    EXPECT_EQ(trace->exits.size(), 3u);
    ASSERT_EQ(trace->notes.size(), 1u);
    EXPECT_EQ(trace->notes[0].exit, 2u);
    EXPECT_EQ(trace->notes[0].text, "remarkable");
    EXPECT_NE(content().find("\n# remarkable\n2 cycles=200"), std::string::npos) << content();
}

TEST_F(TraceFile, EmptyTraceIsATrace) {
    write(0);
    ASSERT_TRUE(read_trace(path));
}

TEST_F(TraceFile, OfTheVersionsBeforeAreRead) {
    write(3);
    const std::string now = content();
    const std::string before = now.substr(now.find("backend=vmx\n") + 12);
    for (const char* version : {"1", "2"}) {
        replace(std::string("vtless-trace ") + version + "\n" + before);
        const auto trace = read_trace(path);
        ASSERT_TRUE(trace) << trace.error();
        EXPECT_EQ(trace->exits.size(), 3u);
        EXPECT_EQ(trace->backend, "vmx");
    }
}

TEST_F(TraceFile, WhatABackendLacksIsAbsentByName) {
    auto writer = TraceWriter::create(path, like_kvm());
    ASSERT_TRUE(writer);
    Observation seen;
    seen.cycles = seen.raw_reason = 7;
    seen.before = true;
    writer->write(VmExit::MmioRead{Gpa(0xb8000), AccessWidth::Word}, seen);
    seen.before = false;
    seen.unread = true;
    writer->write(VmExit::Unhandled{2, 0}, seen);
    ASSERT_TRUE(writer->close());
    const auto trace = read_trace(path);
    ASSERT_TRUE(trace) << trace.error();
    EXPECT_EQ(trace->backend, "kvm");
    EXPECT_EQ(trace->absent,
              (std::vector<std::string>{"cycles", "raw", "qualification", "reg", "reg_width", "signed"}));
    EXPECT_EQ(trace->exits[0].find("0 exit=MmioRead,addr=0xb8000,width=0x2 registers=before rip=0x0 rflags"),
              0u)
        << trace->exits[0];
    EXPECT_EQ(trace->exits[1], "1 exit=Unhandled,raw=0x2");
}

TEST_F(TraceFile, RefusesABadLineForTheBackend) {
    for (const char* line : {"", "backend=", "backend=a b", "backend=kvm absent=", "backend=kvm absent=a,,b",
                             "backend=kvm absent=a=b", "0 exit=Halt"}) {
        replace(std::string("vtless-trace 3\n") + line + "\nend 0\n");
        expect_refused("the second line is \"" + std::string(line) + "\", expected \"backend=NAME\"");
    }
}

TEST_F(TraceFile, RefusesWhatIsNoTrace) {
    expect_refused("No such file");
    replace("");
    expect_refused("the file is empty");
    replace("GIF89a\n");
    expect_refused("not a trace: the first line is \"GIF89a\", expected \"vtless-trace 3\"");
    replace("vtless-trace\n");
    expect_refused("not a trace");
    for (const char* version : {"4", "0"}) {
        replace(std::string("vtless-trace ") + version + "\nend 0\n");
        expect_refused(std::string("version ") + version + ", this program reads versions 1 to 3");
    }
}

TEST_F(TraceFile, RefusesTruncatedTraces) {
    write(3);
    const std::string whole = content();
    for (size_t cut : {size_t{1}, size_t{5}, size_t{8}, whole.size() / 2}) {
        replace(whole.substr(0, whole.size() - cut));
        expect_refused("truncated: no end line");
    }
}

TEST_F(TraceFile, RefusesDamagedTraces) {
    write(3);
    const std::string whole = content();
    replace(whole + "more\n");
    expect_refused("goes on after its end line");
    std::string renumbered = whole;
    renumbered.replace(renumbered.find("\n1 "), 3, "\n7 ");
    replace(renumbered);
    expect_refused("is not exit 1");
    std::string miscounted = whole;
    miscounted.replace(miscounted.find("end 3"), 5, "end 4");
    replace(miscounted);
    expect_refused("ends with \"end 4\" after 3 exits");
}

TEST_F(TraceFile, SaysWhyItCannotBeWritten) {
    const auto writer = TraceWriter::create("/nonexistent/trace", like_kvm());
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error(), "cannot write trace /nonexistent/trace: No such file or directory");
    auto full = TraceWriter::create("/dev/full", like_kvm());
    ASSERT_TRUE(full);
    EXPECT_FALSE(full->close());
}

TEST_F(TraceFile, FirstDifferenceIsShownWithItsFields) {
    write(10);
    const auto a = *read_trace(path);
    write(10, 6);
    const auto b = *read_trace(path);
    EXPECT_FALSE(first_difference(a, a));
    const auto difference = first_difference(a, b);
    ASSERT_TRUE(difference);
    EXPECT_NE(difference->find("the same for 6 exits"), std::string::npos);
    EXPECT_NE(difference->find("    5 cycles=500"), std::string::npos);
    EXPECT_EQ(difference->find("    2 cycles=200"), std::string::npos) << "three exits of context";
    EXPECT_NE(difference->find("    RAX=0x0   |   RAX=0xdead\n"), std::string::npos) << *difference;
}

TEST_F(TraceFile, NotesAreShownAndNotCompared) {
    write(10);
    const auto plain = *read_trace(path);
    write(10, ~0u, 5);
    const auto noted = *read_trace(path);
    EXPECT_FALSE(first_difference(plain, noted));
    write(10, 6, 6);
    const auto odd = *read_trace(path);
    const auto difference = first_difference(noted, odd);
    ASSERT_TRUE(difference);
    EXPECT_NE(difference->find("A: # remarkable\n    5 cycles=500"), std::string::npos) << *difference;
    EXPECT_NE(difference->find("B: # remarkable\nB:  6 cycles=600"), std::string::npos) << *difference;
}

TEST_F(TraceFile, ShorterTraceDiffersWhereItEnds) {
    write(10);
    const auto a = *read_trace(path);
    write(4);
    const auto b = *read_trace(path);
    const auto difference = first_difference(a, b);
    ASSERT_TRUE(difference);
    EXPECT_NE(difference->find("B ends here, after 4 exits"), std::string::npos);
    EXPECT_NE(difference->find("A:  4 cycles=400"), std::string::npos);
}

TEST(ExitText, NamesEveryField) {
    EXPECT_EQ(exit_text(VmExit::Halt{}), "Halt");
    EXPECT_EQ(exit_text(VmExit::NestedPageFault{Gpa(0x1000), {false, true, false}}),
              "NestedPageFault,addr=0x1000,read=0x0,write=0x1,execute=0x0");
    EXPECT_EQ(exit_text(VmExit::MmioRead{Gpa(0xb8000), AccessWidth::Word, AccessWidth::Dword, true, 3}),
              "MmioRead,addr=0xb8000,width=0x2,reg=0x3,reg_width=0x4,signed=0x1");
    EXPECT_EQ(exit_text(VmExit::Unhandled{2, 5}), "Unhandled,raw=0x2,qualification=0x5");
}

}  // namespace
}  // namespace vtless::traces
