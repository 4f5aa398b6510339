// SPDX-License-Identifier: MIT
// vtless vmcs explain, checks and diff, as users call them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/cli/command.h"
#include "tests/cli/guests.h"
#include "tests/explain/kvm_logs.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::cli {
namespace {

using nlohmann::json;
using vmm::TemporaryFile;

json dump_of_a_run() {
    const TemporaryFile image(guests::kHalt), dump;
    const auto run = run_command({"run", "--flat", image.path(), "--load", "0x8000", "--entry", "0x8000",
                                  "--memory", "2M", "--dump-vmcs", dump.path()});
    EXPECT_EQ(run.status, 0) << run.err;
    std::ifstream file(dump.path());
    return json::parse(file, nullptr, false);
}

// The VMCS of a guest that has ended well, as `vtless run` dumps it.
json good_dump() {
    static const json dump = dump_of_a_run();
    return dump;
}

struct DumpFile : TemporaryFile {
    explicit DumpFile(const json& dump) : TemporaryFile(dump.dump()) {}
};

CommandResult explain(const std::string& path, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"vmcs", "explain", path});
    return run_command(more);
}

TEST(VmcsExplain, FindsNothingInTheVmcsOfAGuestThatRan) {
    const DumpFile file(good_dump());
    const auto result = explain(file.path());
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(contains(result.out, "0 of ")) << result.out;
    EXPECT_TRUE(contains(result.out, "checks violated, 0 not decidable")) << result.out;
    EXPECT_EQ(result.err, "");
}

TEST(VmcsExplain, NamesEachViolatedCheck) {
    json dump = good_dump();
    dump["fields"]["GUEST_RFLAGS"] = "0x0";
    dump["fields"]["HOST_TR_SELECTOR"] = "0x0";
    const DumpFile file(dump);
    const auto result = explain(file.path());
    EXPECT_EQ(result.status, 1);
    EXPECT_TRUE(contains(result.out, "2 of ")) << result.out;
    EXPECT_TRUE(contains(result.out, "host.tr.null  SDM Vol. 3C")) << result.out;
    EXPECT_TRUE(contains(result.out, "HOST_TR_SELECTOR is 0x0; allowed: ")) << result.out;
    EXPECT_TRUE(contains(result.out, "guest.rflags.reserved")) << result.out;
    EXPECT_TRUE(
        contains(result.out, "The processor reports the first, host.tr.null, by VMfailValid with error 8"))
        << result.out;
}

TEST(VmcsExplain, JsonHasTheSame) {
    json dump = good_dump();
    dump["fields"]["HOST_TR_SELECTOR"] = "0x0";
    const DumpFile file(dump);
    const auto result = explain(file.path(), {"--json"});
    EXPECT_EQ(result.status, 1);
    const json report = json::parse(result.out, nullptr, false);
    ASSERT_EQ(report["violations"].size(), 1u) << result.out;
    EXPECT_EQ(report["violations"][0]["id"], "host.tr.null");
    EXPECT_EQ(report["violations"][0]["field"], "HOST_TR_SELECTOR");
    EXPECT_EQ(report["violations"][0]["value"], "0x0");
    EXPECT_EQ(report["first_is_certain"], true);
}

TEST(VmcsExplain, SaysWhatIsNotKnown) {
    json dump = good_dump();
    dump["fields"].erase("VMCS_LINK_POINTER");
    const DumpFile file(dump);
    const auto result = explain(file.path());
    EXPECT_EQ(result.status, 0) << "nothing is violated for certain";
    EXPECT_TRUE(contains(result.out, "Not decidable, for want of")) << result.out;
    EXPECT_TRUE(contains(result.out, "VMCS_LINK_POINTER")) << result.out;
}

TEST(VmcsExplain, ReadsKernelLogs) {
    const TemporaryFile log(explain::kvm_log_4_19());
    const auto result = explain(log.path());
    EXPECT_EQ(result.status, 1);
    EXPECT_TRUE(contains(result.out, "guest.")) << result.out;
}

// Real mode, EPT accessed and dirty flags, an XSAVE host: what the minimal processor does not have.
TEST(VmcsExplain, ChecksAgainstTheProcessorAskedFor) {
    const DumpFile file(good_dump());
    for (const char* name : {"default", "haswell", "skylake-sp", "sapphire-rapids"})
        EXPECT_EQ(explain(file.path(), {"--cpu", name}).status, 0) << name;
    const auto minimal = explain(file.path(), {"--cpu", "minimal"});
    EXPECT_EQ(minimal.status, 1);
    for (const char* part : {"controls.secondary.reserved", "UNRESTRICTED_GUEST (bit 7) must be 0",
                             "controls.eptp.accessed_dirty", "OSXSAVE (bit 18) must be 0"})
        EXPECT_TRUE(contains(minimal.out, part)) << part << "\n" << minimal.out;
}

TEST(VmcsExplain, RefusesUnknownProcessors) {
    const DumpFile file(good_dump());
    expect_refused({"vmcs", "explain", file.path(), "--cpu", "z80"},
                   "--cpu: no processor \"z80\"; there are default, haswell");
    expect_refused({"vmcs", "explain", file.path(), "--cpu", "/nonexistent/cpu.json"}, "No such file");
    expect_refused({"vmcs", "explain", file.path(), "--cpu"}, "--cpu");
}

// Every way in which a file is no dump; for diff, as either of the two.
void expect_no_dump(const std::string& path, const std::string& message) {
    const DumpFile good(good_dump());
    const std::string whole = path + ": " + message;
    expect_refused({"vmcs", "explain", path}, whole);
    expect_refused({"vmcs", "diff", path, good.path()}, whole);
    expect_refused({"vmcs", "diff", good.path(), path}, whole);
}

TEST(VmcsFiles, ThatAreNoDumpsAreRefused) {
    expect_no_dump("/nonexistent/dump", "No such file or directory");
    expect_no_dump("/", "Is a directory");
    const TemporaryFile empty, blank("\n \n"), text("hello\n");
    expect_no_dump(empty.path(), "the file is empty");
    expect_no_dump(blank.path(), "the file is empty");
    expect_no_dump(text.path(), "neither JSON nor a kernel log with \"*** Guest State ***\" in it");
    const std::string whole = good_dump().dump();
    for (const size_t length : {size_t{1}, whole.size() / 2, whole.size() - 1}) {
        const TemporaryFile cut(whole.substr(0, length));
        expect_no_dump(cut.path(), "not JSON: it is cut short or garbled");
    }
}

TEST(VmcsFiles, WithWrongContentsAreRefusedByName) {
    struct Row {
        const char* at;
        json value;
        const char* message;
    };
    const Row rows[] = {
        {"/fields/GUEST_RPI", "0x1", "\"GUEST_RPI\" is no VMCS field"},
        {"/fields/GUEST_RIP", "high", "GUEST_RIP: \"high\" is not a number"},
        {"/fields/GUEST_RIP", -1, "GUEST_RIP: -1 is not a number"},
        {"/fields/VPID", "0x10000", "VPID: 0x10000 has more than the field's 16 bits"},
        {"/format", "qemu", "\"format\" is not \"vtless-vmcs\""},
        {"/version", 9, "version 9 of the format: expected 1"},
        {"/fields", json::array(), "\"fields\" is missing"},
        {"/ia32e_host", "yes", "\"ia32e_host\" is not known here, or has another type"},
        {"/flavour", 1, "\"flavour\" is not known here, or has another type"},
        {"/entry_msrs", json::array({1}), "entry_msrs: 1 is no index and value"},
    };
    for (const Row& row : rows) {
        json dump = good_dump();
        dump[json::json_pointer(row.at)] = row.value;
        const DumpFile file(dump);
        expect_refused({"vmcs", "explain", file.path()}, row.message);
    }
}

TEST(VmcsDiff, NamesWhatHasChanged) {
    json dump = good_dump();
    const DumpFile before(dump);
    const auto same = run_command({"vmcs", "diff", before.path(), before.path()});
    EXPECT_EQ(same.status, 0);
    EXPECT_EQ(same.out, "");
    EXPECT_EQ(run_command({"vmcs", "diff", before.path(), before.path(), "--json"}).out, "[]\n");
    const std::string rip = dump["fields"]["GUEST_RIP"];
    dump["fields"]["GUEST_RIP"] = "0x1234";
    dump["fields"].erase("VPID");
    const DumpFile after(dump);
    const auto text = run_command({"vmcs", "diff", before.path(), after.path()});
    EXPECT_EQ(text.status, 1);
    EXPECT_EQ(text.out, "VPID 0x1 -> unknown\nGUEST_RIP " + rip + " -> 0x1234\n");
    const auto result = run_command({"vmcs", "diff", "--json", before.path(), after.path()});
    EXPECT_EQ(result.status, 1);
    const json list = json::parse(result.out, nullptr, false);
    ASSERT_EQ(list.size(), 2u) << result.out;
    EXPECT_EQ(list[0], json::parse(R"({"field": "VPID", "before": "0x1", "after": null, "changes": []})"));
    EXPECT_EQ(list[1]["after"], "0x1234");
}

TEST(VmcsChecks, AreListedInBothForms) {
    const auto text = run_command({"vmcs", "checks"});
    EXPECT_EQ(text.status, 0);
    EXPECT_TRUE(contains(text.out, "host.tr.null ")) << text.out;
    const auto lines = static_cast<size_t>(std::count(text.out.begin(), text.out.end(), '\n'));
    const json list = json::parse(run_command({"vmcs", "checks", "--json"}).out, nullptr, false);
    EXPECT_EQ(list.size(), lines);
    for (const json& check : list)
        for (const char* part : {"id", "section", "title", "sentence"})
            EXPECT_FALSE(check[part].get<std::string>().empty()) << check;
}

TEST(VmcsUsage, IsExplained) {
    expect_refused({"vmcs"}, "Subcommands of vmcs: explain, checks, diff\n");
    expect_refused({"vmcs", "explian"}, "vmcs: \"explian\" is neither a subcommand nor an option\n");
    expect_refused({"vmcs", "explain"}, "FILE is required");
    expect_refused({"vmcs", "diff", "a"}, "B is required");
    expect_refused({"vmcs", "checks", "extra"}, "extra");
    EXPECT_TRUE(contains(run_command({"vmcs", "explain", "--help"}).out, "--cpu"));
}

}  // namespace
}  // namespace vtless::cli
