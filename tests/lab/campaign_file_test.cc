// SPDX-License-Identifier: MIT
#include "lab/campaign_file.h"

#include <gmock/gmock.h>

#include "tests/lab/campaign_folder.h"

namespace vtless::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CampaignFile : public CampaignFolder {
  protected:
    static constexpr const char* kImage = "[[image]]\nname = \"a\"\nbios = \"guest.bin\"\n";

    // Refused at that place, with those words.
    void expect_refused(const std::string& toml, const std::string& place, const std::string& words) const {
        const auto campaign = read(toml);
        ASSERT_FALSE(campaign) << toml;
        EXPECT_THAT(campaign.error().message, StartsWith(path("campaign.toml") + ":" + place + ": "));
        EXPECT_THAT(campaign.error().message, HasSubstr(words)) << toml;
    }
};

TEST_F(CampaignFile, OneImageIsEnoughAndTheRestHasDefaults) {
    const auto campaign = read(std::string("name = \"n\"\n") + kImage);
    ASSERT_TRUE(campaign) << campaign.error().message;
    EXPECT_EQ(campaign->name, "n");
    ASSERT_EQ(campaign->images.size(), 1u);
    EXPECT_EQ(campaign->images[0].files[0].option, "--bios");
    EXPECT_EQ(campaign->images[0].files[0].path, path("guest.bin")) << "relative to the campaign's file";
    EXPECT_EQ(campaign->images[0].status, 0u);
    EXPECT_EQ(campaign->cpus[0].name, "default");
    EXPECT_EQ(campaign->profiles[0].name, "haswell");
    EXPECT_THAT(campaign->fidelities, ElementsAre("approx"));
    EXPECT_THAT(campaign->seeds, ElementsAre(0u));
    EXPECT_THAT(campaign->limits, IsEmpty());
    EXPECT_FALSE(campaign->host_seconds);
}

TEST_F(CampaignFile, EverythingBecomesWhatRunTakes) {
    const auto campaign = read(R"(
name = "n"
cpus = ["default", "skylake-sp"]
profiles = ["haswell", "skylake"]
fidelities = ["count", "approx"]
seeds = [3, 1]
limits = { memory = "64M", max_cycles = 1_000, max_exits = 5, host_seconds = 7 }
[[image]]
name = "flat"
flat = "guest.bin"
load = 0x8000
entry = 0x8010
memory = "2M"
status = 85
[[image]]
name = "linux"
kernel = "guest.bin"
initrd = "guest.bin"
append = "-x console=ttyS0"
until = "login:"
)");
    ASSERT_TRUE(campaign) << campaign.error().message;
    EXPECT_THAT(campaign->images[0].arguments, ElementsAre("--load=0x8000", "--entry=0x8010"));
    EXPECT_EQ(campaign->images[0].memory, "2M");
    EXPECT_EQ(campaign->images[0].status, 85u);
    EXPECT_THAT(campaign->images[1].arguments, ElementsAre("--append=-x console=ttyS0", "--until=login:"));
    EXPECT_EQ(campaign->images[1].files[1].option, "--initrd");
    EXPECT_EQ(campaign->memory, "64M");
    EXPECT_THAT(campaign->limits, ElementsAre("--max-cycles=1000", "--max-exits=5"));
    EXPECT_EQ(campaign->host_seconds, 7u);
    EXPECT_EQ(campaign->cpus[1].name, "skylake-sp");
    EXPECT_THAT(campaign->fidelities, ElementsAre("count", "approx"));
    EXPECT_THAT(campaign->seeds, ElementsAre(3u, 1u));
}

TEST_F(CampaignFile, ProfilesMayBeFiles) {
    write("cpu.json", "{}");
    expect_refused(std::string("name = \"n\"\ncpus = [\"cpu.json\"]\n") + kImage, "2:9", path("cpu.json"));
    expect_refused(std::string("name = \"n\"\nprofiles = [\"./none.json\"]\n") + kImage, "2:13",
                   path("none.json"));
}

TEST_F(CampaignFile, WhatIsNotThereIsRefused) {
    const auto missing = read_campaign(path("none.toml"));
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("none.toml: No such file"));
    EXPECT_THAT(read_campaign(folder_).error().message, HasSubstr("not a regular file"));
}

TEST_F(CampaignFile, NoTomlIsRefusedWithItsPlace) {
    expect_refused("name = \"n\"\ncpus = [\n", "2:10", "end-of-file");
    expect_refused("name = \"n\"\nname = \"m\"\n", "2:8", "cannot redefine");
}

struct Refusal {
    const char* toml;  // before an image
    const char* place;
    const char* words;
};

TEST_F(CampaignFile, EachMistakeIsRefusedByItsPlace) {
    const std::vector<Refusal> refusals = {
        {"cpus = [\"default\"]", "1:1", "no name: expected the campaign's name"},
        {"name = 5", "1:8", "name: expected a string"},
        {"name = \"\"", "1:8", "name: expected a string that is not empty"},
        {"name = \"a/b\"", "1:8", "\"a/b\" is no name"},
        {"name = \".a\"", "1:8", "\".a\" is no name"},
        {"name = \"n\"\ncpu = [\"default\"]", "2:1", "unknown key \"cpu\"; expected name, cpus"},
        {"name = \"n\"\ncpus = \"default\"", "2:8", "cpus: expected an array that is not empty"},
        {"name = \"n\"\ncpus = []", "2:8", "cpus: expected an array that is not empty"},
        {"name = \"n\"\ncpus = [1]", "2:9", "cpus: expected a string"},
        {"name = \"n\"\ncpus = [\"default\",\n\"pentium\"]", "3:1", "no processor \"pentium\"; there are"},
        {"name = \"n\"\ncpus = [\"default\", \"default\"]", "2:20", "default is there twice"},
        {"name = \"n\"\nprofiles = []", "2:12", "profiles: expected an array"},
        {"name = \"n\"\nprofiles = [\"none\"]", "2:13", "no timing profile \"none\"; there are"},
        {"name = \"n\"\nprofiles = [\"sapphire-rapids\"]", "2:13", "unknown"},
        {"name = \"n\"\nprofiles = [\"haswell\", \"haswell\"]", "2:24", "haswell is there twice"},
        {"name = \"n\"\nfidelities = []", "2:14", "fidelities: expected an array"},
        {"name = \"n\"\nfidelities = [5]", "2:15", "fidelities: expected a string"},
        {"name = \"n\"\nfidelities = [\"exact\"]", "2:15", "no fidelity \"exact\"; there are approx, count"},
        {"name = \"n\"\nfidelities = [\"count\", \"count\"]", "2:24", "count is there twice"},
        {"name = \"n\"\nseeds = []", "2:9", "seeds: expected an array"},
        {"name = \"n\"\nseeds = [1.5]", "2:10", "seeds: expected a whole number"},
        {"name = \"n\"\nseeds = [-1]", "2:10", "not negative"},
        {"name = \"n\"\nseeds = [1, 2, 1]", "2:16", "1 is there twice"},
        {"name = \"n\"\nlimits = 5", "2:10", "limits: expected a table"},
        {"name = \"n\"\n[limits]\ncycles = 5", "3:1", "unknown key \"cycles\"; expected memory, max_cycles"},
        {"name = \"n\"\n[limits]\nmax_cycles = \"5\"", "3:14", "max_cycles: expected a whole number"},
        {"name = \"n\"\n[limits]\nmax_exits = -5", "3:13", "max_exits: expected a whole number"},
        {"name = \"n\"\n[limits]\nmemory = \"5X\"", "3:10", "not a size"},
        {"name = \"n\"\n[limits]\nmemory = \"4097K\"", "3:10", "multiple of 4K between 1M and 16G"},
        {"name = \"n\"\n[limits]\nmemory = \"17G\"", "3:10", "between 1M and 16G"},
        {"name = \"n\"\n[limits]\nhost_seconds = 0", "3:16", "host_seconds: expected 1 to"},
    };
    for (const Refusal& refusal : refusals)
        expect_refused(std::string(refusal.toml) + '\n' + kImage, refusal.place, refusal.words);
}

TEST_F(CampaignFile, EachMistakeInAnImageIsRefusedByItsPlace) {
    write("empty.bin", "");
    const std::vector<Refusal> refusals = {
        {"", "1:1", "no image: expected at least one [[image]]"},
        {"image = []", "2:9", "image: expected an array that is not empty"},
        {"image = [1]", "2:10", "image: expected tables"},
        {"[[image]]\nbios = \"guest.bin\"", "2:1", "no name: expected a name for the image"},
        {"[[image]]\nname = \"a\"", "2:1", "expected one of bios, flat and kernel (0 given)"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nkernel = \"guest.bin\"", "2:1", "(2 given)"},
        {"[[image]]\nname = \"a\"\nbios = \"none.bin\"", "4:8", "none.bin: No such file"},
        {"[[image]]\nname = \"a\"\nbios = \"empty.bin\"", "4:8", "empty.bin: the file is empty"},
        {"[[image]]\nname = \"a\"\nbios = \".\"", "4:8", "not a regular file"},
        {"[[image]]\nname = \"a\"\nbios = 1", "4:8", "bios: expected a string"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nbois = 1", "5:1", "unknown key \"bois\""},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nappend = \"x\"", "5:10", "append belongs to kernel"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nload = 5", "5:8", "load belongs to flat"},
        {"[[image]]\nname = \"a\"\nflat = \"guest.bin\"\nload = 5", "2:1", "flat needs entry"},
        {"[[image]]\nname = \"a\"\nflat = \"guest.bin\"\nload = 5\nentry = \"6\"", "6:9",
         "entry: expected a whole"},
        {"[[image]]\nname = \"a\"\nkernel = \"guest.bin\"\nappend = \"a\\u0000b\"", "5:10", "NUL"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nmemory = \"1K\"", "5:10", "between 1M and 16G"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\nstatus = 256", "5:10", "status: expected 0 to 255"},
        {"[[image]]\nname = \"a\"\nbios = \"guest.bin\"\n[[image]]\nname = \"a\"\nbios = \"guest.bin\"",
         "6:8", "a is there twice"},
    };
    for (const Refusal& refusal : refusals)
        expect_refused(std::string("name = \"n\"\n") + refusal.toml + '\n', refusal.place, refusal.words);
}

}  // namespace
}  // namespace vtless::lab
