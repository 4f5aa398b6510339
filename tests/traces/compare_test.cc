// SPDX-License-Identifier: MIT
#include "traces/compare.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "traces/exit_line.h"

namespace vtless::traces {
namespace {

// The body of a line: "IoWrite,port=0x1,..." and whatever else the line has. RIP is 0x100 unless it says so.
Trace trace_of(const char* backend, std::vector<std::string> absent, const std::vector<std::string>& exits) {
    Trace trace;
    trace.backend = backend;
    trace.absent = std::move(absent);
    for (const std::string& exit : exits) {
        std::string line = std::to_string(trace.exits.size()) + " exit=" + exit;
        if (line.find(" rip=") == std::string::npos) line += " rip=0x100";
        if (line.find(" rflags=") == std::string::npos) line += " rflags=0x2";
        trace.exits.push_back(line + " RAX=0x0");
    }
    return trace;
}
Trace vmx(const std::vector<std::string>& exits) { return trace_of("vmx", {}, exits); }
Trace kvm(const std::vector<std::string>& exits) {
    return trace_of("kvm", {"cycles", "raw", "qualification", "reg", "reg_width", "signed"}, exits);
}

const std::string kOut = "IoWrite,port=0x402,width=0x1,data=0x41";
const std::string kIn = "IoRead,port=0x64,width=0x1";
const std::string kHalt = "Halt";

using Exits = std::vector<std::string>;

// Both ways round: what is tolerated does not depend on which trace is named first.
void expect_tolerated(const Trace& a, const Trace& b, const std::string& rule,
                      std::pair<uint64_t, uint64_t> counts, uint64_t same) {
    for (const bool swapped : {false, true}) {
        const Comparison result = swapped ? compare_backends(b, a) : compare_backends(a, b);
        EXPECT_FALSE(result.difference) << *result.difference;
        EXPECT_EQ(result.same, same);
        ASSERT_EQ(result.tolerated.size(), 1u) << describe_tolerated(result);
        EXPECT_EQ(result.tolerated.begin()->first, rule);
        const Comparison::Count count = result.tolerated.begin()->second;
        EXPECT_EQ(swapped ? count.b : count.a, counts.first);
        EXPECT_EQ(swapped ? count.a : count.b, counts.second);
    }
}

void expect_difference(const Trace& a, const Trace& b, uint64_t same) {
    for (const bool swapped : {false, true}) {
        const Comparison result = swapped ? compare_backends(b, a) : compare_backends(a, b);
        ASSERT_TRUE(result.difference) << describe_tolerated(result);
        EXPECT_EQ(result.same, same) << *result.difference;
    }
}

TEST(CompareBackends, SameExitsAreTheSame) {
    const Comparison result = compare_backends(vmx({kOut, kIn, kHalt}), kvm({kOut, kIn, kHalt}));
    EXPECT_FALSE(result.difference);
    EXPECT_EQ(result.same, 3u);
    EXPECT_TRUE(result.tolerated.empty());
}

TEST(CompareBackends, EachFieldThatBothHaveCounts) {
    for (const char* other :
         {"IoWrite,port=0x403,width=0x1,data=0x41", "IoWrite,port=0x402,width=0x2,data=0x41",
          "IoWrite,port=0x402,width=0x1,data=0x42", "IoRead,port=0x402,width=0x1",
          "MmioWrite,addr=0x402,width=0x1,data=0x41"})
        expect_difference(vmx({kIn, kOut}), kvm({kIn, other}), 1);
    expect_difference(vmx({"SysRegWrite,addr=0x10,value=0x1"}), kvm({"SysRegWrite,addr=0x10,value=0x2"}), 0);
    expect_difference(vmx({"SysRegRead,addr=0x1b"}), kvm({"SysRegRead,addr=0x1c"}), 0);
}

TEST(CompareBackends, FieldsThatKvmLacksDoNotCount) {
    const Trace read = vmx({"MmioRead,addr=0xb8000,width=0x2,reg=0x3,reg_width=0x4,signed=0x1"});
    EXPECT_FALSE(compare_backends(read, kvm({"MmioRead,addr=0xb8000,width=0x2"})).difference);
    expect_difference(read, kvm({"MmioRead,addr=0xb8004,width=0x2"}), 0);
    // A field that is missing without a word is a difference.
    expect_difference(read, trace_of("kvm", {}, {"MmioRead,addr=0xb8000,width=0x2"}), 0);
    EXPECT_FALSE(compare_backends(vmx({"Unhandled,raw=0x2,qualification=0x0 raw=0x2"}),
                                  trace_of("kvm", {"qualification"}, {"Unhandled,raw=0x2"}))
                     .difference);
}

TEST(CompareBackends, SlicesAndTimersAreNotCompared) {
    const Exits plain = {kOut, kIn};
    const Exits cut = {"ExternalInterrupt,vector=0xff", kOut, "PreemptionTimer", "PreemptionTimer", kIn,
                       "ExternalInterrupt,vector=0x20"};
    expect_tolerated(vmx(plain), kvm(cut), "timing.slice", {0, 4}, 2);
    expect_tolerated(vmx(cut), kvm(plain), "timing.slice", {4, 0}, 2);
    expect_tolerated(vmx({kOut, "Nothing raw=0x34", kIn}), kvm(plain), "timing.slice", {1, 0}, 2);
}

TEST(CompareBackends, WindowsAreNotCompared) {
    expect_tolerated(vmx({kOut, "Nothing raw=0x7", kIn, "Nothing raw=0x8"}), kvm({kOut, "Nothing", kIn}),
                     "timing.window", {2, 1}, 2);
}

TEST(CompareBackends, WhatKvmCarriesOutIsNotCompared) {
    expect_tolerated(vmx({"Nothing raw=0xa", kOut, "Nothing raw=0xa"}), kvm({kOut}), "kept.CPUID", {2, 0}, 1);
    expect_tolerated(vmx({"Nothing raw=0x1c", kOut}), kvm({kOut}), "kept.CONTROL_REGISTER_ACCESS", {1, 0}, 1);
    expect_tolerated(vmx({"Nothing raw=0x37", kOut}), kvm({kOut}), "kept.XSETBV", {1, 0}, 1);
    expect_tolerated(vmx({"Hypercall,nr=0x1,arg=0x0 raw=0x12", kOut}), kvm({kOut}), "kept.VMCALL", {1, 0}, 1);
    expect_tolerated(vmx({"SysRegRead,addr=0x802", kOut}), kvm({kOut}), "kept.x2apic", {1, 0}, 1);
}

// A processor that keeps CPUID to itself is KVM's alone.
TEST(CompareBackends, NothingIsKeptFromAnotherTraceOfKvm) {
    expect_difference(kvm({"Hypercall,nr=0x1,arg=0x0", kOut}), kvm({kOut}), 0);
    expect_difference(kvm({"SysRegRead,addr=0x802", kOut}), kvm({kOut}), 0);
    expect_difference(vmx({kOut}), kvm({"Hypercall,nr=0x1,arg=0x0", kOut}), 0);
    expect_difference(vmx({kOut}), kvm({"SysRegRead,addr=0x802", kOut}), 0);
    expect_difference(vmx({"SysRegRead,addr=0x900", kOut}), kvm({kOut}), 0);
}

TEST(CompareBackends, HaltsWithInterruptsOnMayBeMoreOrFewer) {
    const std::string idle = "Halt rflags=0x202";
    expect_tolerated(vmx({kOut, idle, idle, kIn}), kvm({kOut, idle, kIn}), "timing.halt", {1, 0}, 3);
    expect_tolerated(vmx({kOut, kIn}), kvm({kOut, idle, kIn, idle}), "timing.halt", {0, 2}, 2);
    expect_difference(vmx({kOut, kHalt, kIn}), kvm({kOut, kIn}), 1);
    expect_difference(vmx({kOut}), kvm({kOut, kHalt}), 1);
}

TEST(CompareBackends, TimersAndClocksMayBeAskedMoreOftenOrLess) {
    const std::string eoi = "IoWrite,port=0x20,width=0x1,data=0x20", count = "IoRead,port=0x40,width=0x1",
                      latch = "IoWrite,port=0x43,width=0x1,data=0x0", date = "IoRead,port=0x71,width=0x1",
                      pm_timer = "IoRead,port=0x608,width=0x4";
    for (const std::string& access : {eoi, count, latch, date, pm_timer})
        expect_tolerated(vmx({kOut, access, access, kIn}), kvm({kOut, access, kIn}), "timing.clock", {1, 0},
                         3);
    for (const auto& polls : {Exits{latch, count, kIn}, Exits{count, count, latch, count, kIn}, Exits{kIn}})
        EXPECT_FALSE(compare_backends(vmx(polls), kvm({count, latch, count, latch, kIn})).difference);
    // What begins a controller's initialisation is no matter of time.
    expect_difference(vmx({kOut, "IoWrite,port=0x20,width=0x1,data=0x11"}), kvm({kOut}), 1);
    // Nor is another device.
    expect_difference(vmx({kOut, "IoRead,port=0x3fd,width=0x1"}), kvm({kOut}), 1);
}

TEST(CompareBackends, AccessInPartsIsTheSameAccess) {
    const std::string wide = "MmioWrite,addr=0xb8000,width=0x8,data=0x1122334455667788";
    const Exits parts = {"MmioWrite,addr=0xb8000,width=0x4,data=0x55667788",
                         "MmioWrite,addr=0xb8004,width=0x4,data=0x11223344"};
    expect_tolerated(vmx({wide, kOut}), kvm({parts[0], parts[1], kOut}), "split", {1, 2}, 2);
    expect_tolerated(vmx({parts[0], parts[1], kOut}), kvm({wide, kOut}), "split", {2, 1}, 2);
    expect_tolerated(vmx({"MmioRead,addr=0xb8000,width=0x2,reg=0x0,reg_width=0x2,signed=0x0"}),
                     kvm({"MmioRead,addr=0xb8000,width=0x1", "MmioRead,addr=0xb8001,width=0x1"}), "split",
                     {1, 2}, 1);
    expect_difference(vmx({wide}), kvm({parts[0]}), 0);
    expect_difference(vmx({wide}), kvm({parts[1], parts[0]}), 0);
    expect_difference(vmx({wide}), kvm({parts[0], kOut, parts[1]}), 0);
    expect_difference(vmx({wide}), kvm({parts[0], "MmioWrite,addr=0xb8004,width=0x4,data=0x11223345"}), 0);
    expect_difference(vmx({wide}), kvm({parts[0], "MmioWrite,addr=0xb8008,width=0x4,data=0x11223344"}), 0);
}

TEST(CompareBackends, UnfinishedInstructionMayBeUpToFifteenBytesBefore) {
    const Trace after = vmx({kIn + " rip=0x100f"});
    expect_tolerated(after, kvm({kIn + " registers=before rip=0x1000"}), "registers.before", {0, 1}, 1);
    expect_difference(after, kvm({kIn + " registers=before rip=0xfff"}), 0);
    expect_difference(after, kvm({kIn + " registers=before rip=0x1010"}), 0);
    expect_difference(after, kvm({kIn + " rip=0x1000"}), 0);
}

TEST(CompareBackends, ShowsOneExitWithItsContext) {
    Trace a = vmx({kIn, kIn, kIn, kIn, kOut});
    a.notes.push_back({4, "remarkable"});
    const Trace b = kvm({kIn, "PreemptionTimer", kIn, kIn, kIn, "IoWrite,port=0x402,width=0x1,data=0x42"});
    const Comparison result = compare_backends(a, b);
    ASSERT_TRUE(result.difference);
    const std::string& text = *result.difference;
    EXPECT_EQ(text.find("4 exits are the same, then the traces differ:\n"), 0u) << text;
    EXPECT_NE(text.find("\nA: # remarkable\nA:  4 exit=IoWrite,port=0x402,width=0x1,data=0x41"),
              std::string::npos);
    EXPECT_NE(text.find("\nB:  5 exit=IoWrite,port=0x402,width=0x1,data=0x42"), std::string::npos) << text;
    EXPECT_EQ(text.find("    0 exit"), std::string::npos) << "three exits of context\n" << text;
    EXPECT_NE(text.find("    1 exit"), std::string::npos) << text;
    EXPECT_EQ(describe_tolerated(result).find("  timing.slice "), 0u) << describe_tolerated(result);
}

TEST(CompareBackends, TraceThatEndsEarlierDiffers) {
    expect_difference(vmx({kIn, kOut}), kvm({kIn}), 1);
    const auto result = compare_backends(vmx({kIn, kOut}), kvm({kIn}));
    EXPECT_NE(result.difference->find("B:  ends here, after 1 exits"), std::string::npos)
        << *result.difference;
    EXPECT_FALSE(compare_backends(vmx({}), kvm({})).difference);
}

TEST(CompareBackends, LineWithoutAnExitIsNeverTheSame) {
    Trace a = vmx({kIn});
    a.exits[0] = "0 rip=0x0";
    expect_difference(a, a, 0);
}

TEST(ExitLine, TakesALineApart) {
    const ExitLine line(
        "7 cycles=12 exit=IoWrite,port=0x402,width=0x1,data=0x41 raw=0x1e rip=0xfff0 RAX=0x9");
    EXPECT_EQ(line.kind, "IoWrite");
    EXPECT_EQ(line.payload("port"), 0x402u);
    EXPECT_EQ(line.payload("data"), 0x41u);
    EXPECT_EQ(line.seen("cycles"), 12u);
    EXPECT_EQ(line.seen("rip"), 0xfff0u);
    EXPECT_EQ(line.payload("rip"), std::nullopt);
    EXPECT_EQ(line.seen("RBX"), std::nullopt);
    EXPECT_EQ(ExitLine("0 exit=Halt rip=0xzz").seen("rip"), std::nullopt);
    EXPECT_FALSE(line.before());
    EXPECT_TRUE(ExitLine("0 exit=Halt registers=before rip=0x0").before());
}

}  // namespace
}  // namespace vtless::traces
