// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

constexpr const char* kBuiltWithout = "built without <linux/kvm.h>";

// Whether the kernel lists VMX or SVM among the processor's features.
bool processor_virtualizes() {
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
        if (!line.starts_with("flags")) continue;
        return contains(line + " ", " vmx ") || contains(line + " ", " svm ");
    }
    return false;
}

CommandResult run_on_kvm(const std::string& guest, std::vector<std::string> more = {}) {
    const TemporaryFile image(guest);
    std::vector<std::string> arguments = {"run",    "--backend", "kvm",    "--flat",   image.path(), "--load",
                                          "0x8000", "--entry",   "0x8000", "--memory", "2M"};
    // Some guests never end where KVM emulates.
    if (std::find(more.begin(), more.end(), "--max-exits") == more.end())
        arguments.insert(arguments.end(), {"--max-exits", "1000"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
}

class Kvm : public ::testing::Test {
  protected:
    void SetUp() override {
        if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/kvm cannot be opened here";
        const auto halt = run_on_kvm(guests::kHalt);
        if (contains(halt.err, kBuiltWithout)) GTEST_SKIP() << halt.err;
    }
};

TEST_F(Kvm, RunsWhatTheSimulatorRuns) {
    const auto printed = run_on_kvm(guests::kPrint);
    EXPECT_EQ(printed.status, 0) << printed.err;
    EXPECT_EQ(printed.out, "hiS");
    EXPECT_EQ(run_on_kvm(guests::kDebugExit).status, 0x2a << 1 | 1);
    EXPECT_EQ(run_on_kvm(guests::kTimer).status, 7 << 1 | 1);
    const auto video = run_on_kvm(guests::kVideoMemory, {"--stats", "json"});
    const auto json = nlohmann::json::parse(video.out, nullptr, false);
    EXPECT_EQ(json["exits"]["MmioRead"]["count"], 1) << video.out << video.err;
    EXPECT_EQ(json["exits"]["MmioWrite"]["count"], 1);
}

TEST_F(Kvm, ReportsHaveNothingSimulated) {
    const auto text = run_on_kvm(guests::kHalt, {"--stats", "text"});
    EXPECT_EQ(text.status, 0) << text.err;
    for (const char* part : {"digest", "instructions", "MHz"}) EXPECT_FALSE(contains(text.out, part)) << part;
    const auto json =
        nlohmann::json::parse(run_on_kvm(guests::kHalt, {"--stats", "json"}).out, nullptr, false);
    ASSERT_TRUE(json.is_object());
    for (const char* key : {"digest", "time_digest", "instructions", "cycles"})
        EXPECT_FALSE(json.contains(key)) << key;
    EXPECT_EQ(json["total_exits"], 1);
    const auto plain = run_on_kvm(guests::kHalt);
    EXPECT_TRUE(contains(plain.err, "halted with interrupts off; 1 exits\n")) << plain.err;
}

TEST_F(Kvm, FailureShowsTheState) {
    const auto result = run_on_kvm(guests::kJumpNowhere);
    EXPECT_EQ(result.status, 3);
    for (const char* part : {"kvm.internal_error.emulation: KVM has to execute the instruction itself",
                             "CS   a000 base 00000000000a0000", "code at CS:RIP cannot be fetched"})
        EXPECT_TRUE(contains(result.err, part)) << part << "\n" << result.err;
}

TEST_F(Kvm, TripleFaultShowsTheState) {
    if (!processor_virtualizes())
        GTEST_SKIP() << "a KVM that emulates instructions does not look at the limit of the IDT in real mode";
    const auto result = run_on_kvm(guests::kTripleFault);
    EXPECT_EQ(result.status, 3);
    for (const char* part :
         {"the guest triple-faulted", "IDTR base 0000000000000000 limit 0000", "code at CS:RIP cc"})
        EXPECT_TRUE(contains(result.err, part)) << part << "\n" << result.err;
}

TEST_F(Kvm, EndlessGuestIsEndedByTheLimit) {
    const auto result = run_on_kvm(guests::kSpin, {"--max-exits", "5"});
    EXPECT_EQ(result.status, 0);
    EXPECT_TRUE(contains(result.err, "the limit of exits is reached")) << result.err;
}

TEST(KvmBackend, NamesWhatItCannotDo) {
    const std::pair<std::vector<std::string>, const char*> cases[] = {
        {{"--max-cycles", "5"}, "not on --backend kvm: --max-cycles"},
        {{"--dump-vmcs", "/dev/null"}, "not on --backend kvm: --dump-vmcs"},
        {{"--flush-seed", "5"}, "not on --backend kvm: --flush-seed"},
        {{"--sanitize"}, "not on --backend kvm: --sanitize"},
        {{"--cpu", "haswell"}, "not on --backend kvm: --cpu"},
    };
    for (const auto& [option, message] : cases) {
        const auto result = run_on_kvm(guests::kHalt, option);
        EXPECT_EQ(result.status, 2) << message;
        EXPECT_TRUE(contains(result.err, message) || contains(result.err, kBuiltWithout)) << result.err;
    }
    const auto unknown = run_on_kvm(guests::kHalt, {"--backend", "svm"});
    EXPECT_EQ(unknown.status, 2);
}

TEST(Doctor, RunsGuestsOnKvm) {
    const auto doctor = run_command({"doctor"});
    EXPECT_EQ(doctor.status, 0);
    const std::string kvm = doctor.out.substr(doctor.out.find("Linux KVM (kvm)\n"));
    EXPECT_TRUE(contains(kvm, "backends that work here: sim")) << kvm;
    if (contains(kvm, "usable                        no: ")) {
        EXPECT_TRUE(access("/dev/kvm", R_OK | W_OK) != 0 || contains(kvm, kBuiltWithout)) << kvm;
        GTEST_SKIP() << "no KVM here: " << kvm;
    }
    for (const char* guest :
         {"real mode", "protected mode", "32-bit paging", "PAE paging", "compatibility mode", "64-bit mode",
          "device memory", "interrupts", "exits of MSR accesses", "local APIC in the kernel"})
        EXPECT_TRUE(contains(kvm, std::string("  ") + guest + " ")) << guest << "\n" << kvm;
    EXPECT_EQ(contains(kvm, "FAILS: "), !contains(kvm, "backends that work here: sim, kvm\n")) << kvm;
    EXPECT_EQ(contains(kvm, "emulates instructions in the kernel"), !processor_virtualizes()) << kvm;
    if (!processor_virtualizes()) {
        EXPECT_FALSE(contains(kvm, " us\n")) << "an emulator's times\n" << kvm;
        EXPECT_TRUE(contains(kvm, "an emulator's: nothing timed on it")) << kvm;
    }
}

TEST(Doctor, SaysWhyKvmCannotBeUsed) {
    const auto doctor = run_command({"doctor", "--kvm-device", "/nonexistent/kvm"});
    EXPECT_EQ(doctor.status, 0);
    EXPECT_TRUE(contains(doctor.out, "usable                        no: ")) << doctor.out;
    if (contains(doctor.out, kBuiltWithout)) GTEST_SKIP() << doctor.out;
    EXPECT_TRUE(contains(doctor.out, "No such file or directory")) << doctor.out;
    EXPECT_TRUE(contains(doctor.out, "backends that work here: sim\n")) << doctor.out;
    // Not a KVM: the first request fails.
    EXPECT_TRUE(contains(run_command({"doctor", "--kvm-device", "/dev/null"}).out,
                         "KVM_GET_API_VERSION: Inappropriate ioctl for device (errno 25)"));
}

}  // namespace
}  // namespace vtless::cli
