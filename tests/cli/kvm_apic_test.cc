// SPDX-License-Identifier: MIT
// `--apic kernel`: the reference VMM with KVM's local APIC.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using vmm::TemporaryFile;

class KvmWithApic : public ::testing::Test {
  protected:
    void SetUp() override {
        if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/kvm cannot be opened here";
        const auto halt = run(guests::kHalt);
        if (contains(halt.err, "built without <linux/kvm.h>") || contains(halt.err, "lacks KVM_CAP"))
            GTEST_SKIP() << halt.err;
    }
    // None of these needs more than some hundred exits.
    static CommandResult run(const std::string& guest, std::vector<std::string> more = {}) {
        const TemporaryFile image(guest);
        std::vector<std::string> arguments = {"run",    "--backend",  "kvm",    "--apic",      "kernel",
                                              "--flat", image.path(), "--load", "0x8000",      "--entry",
                                              "0x8000", "--memory",   "2M",     "--max-exits", "1000"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_command(arguments);
    }
};

// No HLT exits with the kernel's local APIC, and still each run ends by itself.
TEST_F(KvmWithApic, RunsWhatRunsWithout) {
    const auto halt = run(guests::kHalt);
    EXPECT_EQ(halt.status, 0) << halt.err;
    EXPECT_TRUE(contains(halt.err, "halted with interrupts off")) << halt.err;
    EXPECT_EQ(run(guests::kPrint).out, "hiS");
    EXPECT_EQ(run(guests::kTimer).status, 7 << 1 | 1) << "the PIC's interrupt goes through LVT0";
}

TEST_F(KvmWithApic, HaltThatNobodyEndsIsTold) {
    for (const std::string& guest : {guests::kWaitForever, guests::kMaskedTimer, guests::kTimerBehindLvt0}) {
        const auto result = run(guest);
        EXPECT_EQ(result.status, 3) << result.err;
        EXPECT_TRUE(contains(result.err, "nothing will ever interrupt it")) << result.err;
    }
}

TEST_F(KvmWithApic, ItsTimerInterruptsTheGuest) {
    const auto result = run(guests::kApicTimer);
    EXPECT_EQ(result.status, 9 << 1 | 1) << result.err;
}

// A halt is no exit: the time slice is, in which the guest stood halted.
TEST_F(KvmWithApic, TraceHasNoHalt) {
    const TemporaryFile trace("");
    EXPECT_EQ(run(guests::kTimer, {"--trace", trace.path()}).status, 7 << 1 | 1);
    std::ifstream file(trace.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_TRUE(contains(text, "exit=PreemptionTimer")) << text;
    EXPECT_FALSE(contains(text, "exit=Halt")) << text;
    EXPECT_TRUE(contains(text, "\nend ")) << text;
}

// But for the line in which it says whether it found an APIC, as on the simulated processor without one.
TEST_F(KvmWithApic, FirmwarePrintsTheSame) {
    constexpr const char* kFirmware = "/usr/share/seabios/bios.bin";
    if (access(kFirmware, R_OK) != 0) GTEST_SKIP() << kFirmware << " is not installed";
    const std::vector<std::string> firmware = {"run", "--bios", kFirmware, "--memory", "16M"};
    std::vector<std::string> on_kvm = firmware;
    on_kvm.insert(on_kvm.end(), {"--backend", "kvm", "--apic", "kernel", "--max-exits", "20000"});
    const auto with = run_command(on_kvm);
    EXPECT_EQ(with.status, 0) << with.err;
    std::string wanted = run_command(firmware).out;
    const std::string without_apic = "No apic - only the main cpu is present.\n";
    const size_t line = wanted.find(without_apic);
    ASSERT_NE(line, std::string::npos) << wanted;
    wanted.replace(line, without_apic.size(), "Found 1 cpu(s) max supported 1 cpu(s)\n");
    EXPECT_TRUE(contains(wanted, "No bootable device.")) << wanted;
    EXPECT_EQ(with.out, wanted);
}

TEST(KernelApic, IsKvmsAlone) {
    const TemporaryFile image(guests::kHalt);
    const auto result = run_command({"run", "--flat", image.path(), "--load", "0x8000", "--entry", "0x8000",
                                     "--memory", "2M", "--apic", "kernel"});
    EXPECT_EQ(result.status, 2);
    EXPECT_TRUE(contains(result.err, "not on --backend sim: --apic kernel")) << result.err;
    EXPECT_EQ(run_command({"run", "--backend", "kvm", "--apic", "user"}).status, 2);
}

}  // namespace
}  // namespace vtless::cli
