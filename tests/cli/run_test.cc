// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

// Runs a flat guest at 0x8000 with little memory, so that its final hash is quick.
CommandResult run_flat(const std::string& guest, std::vector<std::string> more = {}) {
    const TemporaryFile image(guest);
    std::vector<std::string> arguments = {"run",    "--flat",  image.path(), "--load",
                                          "0x8000", "--entry", "0x8000"};
    arguments.insert(arguments.end(), {"--memory", "2M"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
}

nlohmann::json statistics(const std::string& guest, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--stats", "json", "--debugcon", "", "--serial", ""});
    return nlohmann::json::parse(run_flat(guest, more).out, nullptr, false);
}

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST(Run, DebugExitGivesTheStatus) { EXPECT_EQ(run_flat(guests::kDebugExit).status, 0x2a << 1 | 1); }

TEST(Run, HaltWithInterruptsOffEndsWell) {
    const auto result = run_flat(guests::kHalt);
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(contains(result.err, "the guest halted with interrupts off")) << result.err;
}

TEST(Run, ConsolesGoWhereTheyAreSent) {
    const TemporaryFile debug_console;
    const TemporaryFile serial;
    const auto result =
        run_flat(guests::kPrint, {"--debugcon", debug_console.path(), "--serial", serial.path()});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(read_file(debug_console.path()), "hi");
    EXPECT_EQ(read_file(serial.path()), "S");
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(run_flat(guests::kPrint).out, "hiS");
}

TEST(Run, UntilEndsAtTheText) {
    const auto seen = run_flat(guests::kPrint, {"--until", "hi"});
    EXPECT_EQ(seen.status, 0);
    EXPECT_EQ(seen.out, "hi");
    const auto missing = run_flat(guests::kPrint, {"--until", "ho"});
    EXPECT_EQ(missing.status, 3);
    EXPECT_TRUE(contains(missing.err, "never printed \"ho\"")) << missing.err;
}

TEST(Run, TimerWakesAHaltedGuest) {
    EXPECT_EQ(run_flat(guests::kTimer).status, 7 << 1 | 1);
    const auto json = statistics(guests::kTimer);
    EXPECT_EQ(json["interrupts"], 1);
    EXPECT_GT(json["idle_cycles"], 3'000'000) << "0x1000 ticks of 838 ns";
    EXPECT_LT(json["cycles"], 3'600'000);
}

TEST(Run, TheTimeStampCounterHasTheRateThatIsAskedFor) {
    const auto hundreds_of_megahertz = [](const char* khz) {
        return run_flat(guests::kCyclesInAMillisecond, {"--tsc-khz", khz}).status >> 1;
    };
    EXPECT_EQ(run_flat(guests::kCyclesInAMillisecond).status >> 1, 10);
    EXPECT_EQ(hundreds_of_megahertz("2950000"), 29);
    EXPECT_EQ(hundreds_of_megahertz("450000"), 4);
    EXPECT_EQ(statistics(guests::kHalt, {"--tsc-khz", "2950000"})["cycles_per_second"], 2'950'000'000);
}

TEST(Run, RatesThatCannotBeAreRefused) {
    const auto refused = [](const char* khz, const std::string& why) {
        const auto result = run_flat(guests::kHalt, {"--tsc-khz", khz});
        EXPECT_EQ(result.status, 2);
        EXPECT_TRUE(contains(result.err, why)) << result.err;
    };
    refused("0", "--tsc-khz: 0 is not between 1000 and 100000000");
    refused("999", "--tsc-khz: 999 is not between");
    refused("100000001", "is not between");
    refused("3GHz", "--tsc-khz");
    const auto on_kvm = run_flat(guests::kHalt, {"--backend", "kvm", "--tsc-khz", "1000000"});
    EXPECT_TRUE(contains(on_kvm.err, "not on --backend kvm: --tsc-khz")) << on_kvm.err;
}

TEST(Run, DeviceMemoryIsAnExit) {
    const auto json = statistics(guests::kVideoMemory);
    EXPECT_EQ(json["exits"]["MmioRead"]["count"], 1) << json;
    EXPECT_EQ(json["exits"]["MmioWrite"]["count"], 1);
}

TEST(Run, UnknownMsrIsCounted) {
    const auto json = statistics(guests::kUnknownMsr, {"--max-cycles", "20000"});
    EXPECT_GE(json["refused_msrs"]["0x12345678"], 1) << json;
}

TEST(RunFailure, TripleFaultShowsTheState) {
    const auto result = run_flat(guests::kTripleFault);
    EXPECT_EQ(result.status, 3);
    for (const char* part :
         {"the guest triple-faulted", "RIP 0000000000008005", "real mode",
          "IDTR base 0000000000000000 limit 0000", "EXIT_REASON (TRIPLE_FAULT) 0x2", "code at CS:RIP cc"}) {
        EXPECT_TRUE(contains(result.err, part)) << part << "\n" << result.err;
    }
}

TEST(RunFailure, JumpIntoNowhereShowsTheState) {
    const auto result = run_flat(guests::kJumpNowhere);
    EXPECT_EQ(result.status, 3);
    EXPECT_TRUE(contains(result.err, "nothing here answers: EPT_VIOLATION (")) << result.err;
    EXPECT_TRUE(contains(result.err, "GUEST_PHYSICAL_ADDRESS 0xa0000\n")) << result.err;
    EXPECT_TRUE(contains(result.err, "CS   a000 base 00000000000a0000")) << result.err;
    EXPECT_TRUE(contains(result.err, "code at CS:RIP cannot be fetched")) << result.err;
}

TEST(RunFailure, WaitingForNothingIsADeadlock) {
    const auto result = run_flat(guests::kWaitForever);
    EXPECT_EQ(result.status, 3);
    EXPECT_TRUE(contains(result.err, "nothing will ever interrupt it")) << result.err;
}

TEST(RunFailure, WaitingForAMaskedTimerIsADeadlock) {
    const auto result = run_flat(guests::kMaskedTimer);
    EXPECT_EQ(result.status, 3);
    EXPECT_TRUE(contains(result.err, "nothing will ever interrupt it")) << result.err;
    EXPECT_EQ(run_flat(guests::kMaskedTimer, {"--max-cycles", "1000000000"}).status, 0);
}

TEST(RunLimits, ExitsEndAFlood) {
    const auto result = run_flat(guests::kFloodSerial, {"--max-exits", "5000"});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.out.size(), 5000u);
    EXPECT_TRUE(contains(result.err, "the limit of exits is reached; 5000 exits")) << result.err;
}

TEST(RunLimits, CyclesEndALoopWithoutExits) {
    const auto json = statistics(guests::kSpin, {"--max-cycles", "1000000"});
    EXPECT_EQ(json["end"], "the limit of cycles is reached");
    EXPECT_EQ(json["status"], 0);
    EXPECT_GE(json["cycles"], 1'000'000);
    EXPECT_LT(json["cycles"], 1'010'000);
}

TEST(RunDigests, AreTheSameAgainAndWithATrace) {
    const TemporaryFile trace;
    const auto first = statistics(guests::kTimer);
    const auto again = statistics(guests::kTimer);
    const auto traced = statistics(guests::kTimer, {"--trace", trace.path()});
    for (const char* digest : {"digest", "time_digest"}) {
        EXPECT_EQ(first[digest], again[digest]);
        EXPECT_EQ(first[digest], traced[digest]);
    }
}

TEST(RunDigests, ChangeWithTheGuest) {
    std::string other = guests::kTimer;
    other.replace(other.find("\x31\xc0"), 2, "\x29\xc0");  // sub ax, ax: the same but for the code's bytes
    const auto first = statistics(guests::kTimer);
    const auto changed = statistics(other);
    EXPECT_EQ(first["instructions"], changed["instructions"]);
    EXPECT_NE(first["digest"], changed["digest"]);
    EXPECT_NE(first["time_digest"], changed["time_digest"]);
}

TEST(RunReport, TextEndsWithTheDigests) {
    const auto result = run_flat(guests::kPrint, {"--stats", "text"});
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(contains(result.out, "IoWrite                       3")) << result.out;
    EXPECT_TRUE(contains(result.out, "\ndigest        "));
    EXPECT_TRUE(contains(result.out, "\ntime_digest   "));
    EXPECT_EQ(result.err, "");
}

TEST(RunReport, JsonIsTheLastLineWhateverTheGuestPrints) {
    const auto result = run_flat(guests::kPrint, {"--stats", "json"});
    const size_t line = result.out.rfind('\n', result.out.size() - 2);
    ASSERT_NE(line, std::string::npos) << result.out;
    EXPECT_EQ(result.out.substr(0, line), "hiS");
    EXPECT_EQ(nlohmann::json::parse(result.out.substr(line), nullptr, false)["total_exits"], 4);
}

TEST(BadInput, CommandLine) {
    expect_refused({}, "A subcommand is required");
    expect_refused({},
                   "Subcommands of vtless: run, machine, trace, bench, campaign, vmcs, sanitize, doctor, "
                   "cpus, profiles\n");
    expect_refused({"runn"}, "vtless: \"runn\" is neither a subcommand nor an option\n");
    expect_refused({"runn"},
                   "Subcommands of vtless: run, machine, trace, bench, campaign, vmcs, sanitize, doctor, "
                   "cpus, profiles\n");
    expect_refused({"--runn"}, "vtless: \"--runn\" is neither a subcommand nor an option\n");
    expect_refused({"trace", "dif"}, "trace: \"dif\" is neither a subcommand nor an option\n");
    expect_refused({"trace"}, "Subcommands of trace: diff\n");
    expect_refused({"run", "--nonsense"}, "--nonsense");
    expect_refused({"run"}, "name one guest: --bios FILE, --flat FILE or --kernel FILE (0 given)");
    expect_refused({"run", "--bios", "a", "--kernel", "b"}, "(2 given)");
    expect_refused({"run", "--bios", "a", "--append", "b"}, "--initrd and --append belong to --kernel");
    expect_refused({"run", "--bios", "a", "--load", "1"}, "--load and --entry belong to --flat");
    expect_refused({"run", "--flat", "a", "--load", "1"}, "--flat needs --load GPA and --entry GPA");
    expect_refused({"run", "--flat", "a", "--load", "x", "--entry", "1"}, "--load: \"x\" is not a number");
    expect_refused({"run", "--bios", "a", "--stats", "xml"}, "--stats");
}

TEST(BadInput, Numbers) {
    expect_refused({"run", "--bios", "a", "--memory", "lots"}, "--memory: \"lots\" is not a size");
    expect_refused({"run", "--bios", "a", "--memory", "-1"}, "--memory: \"-1\" is not a size");
    expect_refused({"run", "--bios", "a", "--memory", "512K"}, "memory of 524288 bytes: expected");
    expect_refused({"run", "--bios", "a", "--memory", "17G"},
                   "expected a multiple of 4 KiB from 1 MiB to 16 GiB");
    expect_refused({"run", "--bios", "a", "--memory", "2000001"}, "expected a multiple of 4 KiB");
    expect_refused({"run", "--bios", "a", "--max-exits", "many"}, "--max-exits: \"many\" is not a number");
    expect_refused({"run", "--bios", "a", "--max-cycles", "1e9"}, "--max-cycles: \"1e9\" is not a number");
}

TEST(BadInput, Images) {
    expect_refused({"run", "--bios", "/nonexistent/bios"}, "firmware image /nonexistent/bios: No such file");
    expect_refused({"run", "--bios", "/"}, "not a regular file");
    const TemporaryFile empty;
    expect_refused({"run", "--bios", empty.path()}, "the file is empty");
    expect_refused({"run", "--kernel", empty.path()}, "the file is empty");
    const TemporaryFile odd(std::string(100'000, 'x'));
    expect_refused({"run", "--bios", odd.path()}, "100000 bytes, expected a multiple of 4 KiB");
    expect_refused({"run", "--kernel", odd.path()},
                   "not a bzImage: boot flag 0x7878 at 0x1fe, expected 0xaa55");
    const TemporaryFile large(std::string((16 << 20) + 4096, 'x'));
    expect_refused({"run", "--bios", large.path()}, "expected at most 16777216");
    const TemporaryFile blank(std::string(65536, '\xff'));
    expect_refused({"run", "--bios", blank.path()}, "nothing at the reset vector");
    expect_refused({"run", "--flat", odd.path(), "--load", "0xfffff", "--entry", "0x8000", "--memory", "1M"},
                   "do not fit into memory at 0xfffff; 1 bytes are memory there");
}

TEST(BadInput, Outputs) {
    const TemporaryFile guest(guests::kHalt);
    const std::vector<std::string> run = {"run", "--flat", guest.path(), "--load", "0", "--entry", "0"};
    for (const char* option : {"--debugcon", "--serial", "--trace"}) {
        auto arguments = run;
        arguments.insert(arguments.end(), {option, "/nonexistent/file"});
        expect_refused(arguments, "/nonexistent/file: No such file or directory");
    }
}

TEST(BadInput, FullOutputs) {
    const TemporaryFile guest(guests::kPrint);
    for (const char* option : {"--debugcon", "--serial", "--trace"}) {
        expect_refused(
            {"run", "--flat", guest.path(), "--load", "0x8000", "--entry", "0x8000", option, "/dev/full"},
            "/dev/full: could not be written completely");
    }
}

// Each shim makes the library differ in one way from the one that the engine knows.
TEST(BadInput, UnusableUnicorn) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer's runtime must be the first library that is loaded";
#endif
    const TemporaryFile guest(guests::kHalt);
    const struct {
        const char* lie;
        const char* message;
    } cases[] = {{"open", "uc_open(x86)"},
                 {"size", "its state image has"},
                 {"layout", "keeps its state elsewhere than the supported 2.1 does"}};
    for (const auto& [lie, message] : cases) {
        setenv("LD_PRELOAD", VTLESS_UNICORN_SHIM, 1);
        setenv("VTLESS_UNICORN_LIE", lie, 1);
        expect_refused({"run", "--flat", guest.path(), "--load", "0x8000", "--entry", "0x8000"}, message);
        const auto doctor = run_command({"doctor"});
        EXPECT_EQ(doctor.status, 3) << lie;
        EXPECT_TRUE(contains(doctor.out, message)) << lie << "\n" << doctor.out;
        unsetenv("LD_PRELOAD");
        unsetenv("VTLESS_UNICORN_LIE");
    }
}

TEST(Help, TeachesWithExamples) {
    const auto help = run_command({"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_TRUE(contains(help.out, "vtless run --bios"));
    EXPECT_TRUE(contains(help.out, "Exit status:"));
    const auto run = run_command({"run", "--help"});
    EXPECT_EQ(run.status, 0);
    EXPECT_TRUE(contains(run.out, "--max-cycles"));
    const auto version = run_command({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_TRUE(version.out.starts_with("vtless ")) << version.out;
}

TEST(Doctor, ReportsEngineAndKvm) {
    const auto doctor = run_command({"doctor"});
    EXPECT_EQ(doctor.status, 0);
    EXPECT_TRUE(contains(doctor.out, "Unicorn  "));
    EXPECT_TRUE(contains(doctor.out, "self-probe"));
    EXPECT_TRUE(contains(doctor.out, "Linux KVM (kvm)"));
    EXPECT_TRUE(contains(doctor.out, "unrestricted guest            yes"));
}

TEST(Cpus, AreListedWithTheirSources) {
    const auto cpus = run_command({"cpus"});
    EXPECT_EQ(cpus.status, 0);
    for (const char* name : {"default ", "haswell ", "minimal ", "sapphire-rapids ", "skylake-sp "})
        EXPECT_TRUE(contains(cpus.out, name)) << name;
    EXPECT_TRUE(contains(cpus.out, "InstLatx64"));
}

TEST(Cpus, DoctorNamesWhatTheEngineRemoves) {
    const auto doctor = run_command({"doctor", "--cpu", "skylake-sp"});
    EXPECT_EQ(doctor.status, 0) << doctor.err;
    EXPECT_TRUE(contains(doctor.out, "removed from skylake-sp"));
    EXPECT_TRUE(contains(doctor.out, "enable XSAVES/XRSTORS"));
    EXPECT_TRUE(contains(doctor.out, "the engine has no such instructions"));
    EXPECT_TRUE(contains(run_command({"doctor"}).out,
                         "removed from default, because the engine does not have it: nothing"));
    const auto unknown = run_command({"doctor", "--cpu", "z80"});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_TRUE(contains(unknown.err, "there are default, haswell")) << unknown.err;
}

TEST(Cpus, RealModeNeedsUnrestrictedGuest) {
    for (const char* name : {"haswell", "skylake-sp", "sapphire-rapids"})
        EXPECT_EQ(run_flat(guests::kDebugExit, {"--cpu", name}).status, 0x2a << 1 | 1) << name;
    const auto minimal = run_flat(guests::kDebugExit, {"--cpu", "minimal"});
    EXPECT_NE(minimal.status, 0x2a << 1 | 1);
    EXPECT_TRUE(contains(minimal.err, "\"unrestricted guest\"")) << minimal.err;
}

class TraceDiff : public ::testing::Test {
  protected:
    static void record(const std::string& guest, const TemporaryFile& trace) {
        ASSERT_EQ(run_flat(guest, {"--trace", trace.path()}).status, 0);
    }
    TemporaryFile a;
    TemporaryFile b;
};

TEST_F(TraceDiff, SameRunsAreTheSame) {
    record(guests::kPrint, a);
    record(guests::kPrint, b);
    const auto same = run_command({"trace", "diff", a.path(), b.path()});
    EXPECT_EQ(same.status, 0) << same.out;
    EXPECT_EQ(same.out, "the traces are the same: 4 exits\n");
    EXPECT_TRUE(contains(read_file(a.path()), "exit=IoWrite,port=0x402,width=0x1,data=0x68 raw=0x1e "))
        << read_file(a.path());
}

TEST_F(TraceDiff, ShowsTheFirstDifference) {
    record(guests::kPrint, a);
    std::string other = guests::kPrint;
    other.replace(other.find('i'), 1, "j");
    record(other, b);
    const auto different = run_command({"trace", "diff", a.path(), b.path()});
    EXPECT_EQ(different.status, 1);
    EXPECT_TRUE(contains(different.out, "the same for 1 exits, then differ")) << different.out;
    EXPECT_TRUE(contains(different.out, "RAX=0x69   |   RAX=0x6a")) << different.out;
}

TEST_F(TraceDiff, RefusesBadTraces) {
    record(guests::kPrint, a);
    const std::string whole = read_file(a.path());
    const TemporaryFile cut(whole.substr(0, whole.size() / 2));
    expect_refused({"trace", "diff", a.path(), cut.path()}, "truncated");
    expect_refused({"trace", "diff", a.path(), "/nonexistent/trace"}, "No such file");
    const TemporaryFile other("hello\n");
    expect_refused({"trace", "diff", other.path(), a.path()}, "not a trace");
    expect_refused({"trace", "diff", a.path()}, "required");
    expect_refused({"trace"}, "A subcommand is required");
}

}  // namespace
}  // namespace vtless::cli
