// SPDX-License-Identifier: MIT
// A campaign as its TOML file says it. docs/campaign.md has the format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/error.h"

namespace vtless::lab {

// A file that a run reads: an option of `vtless run` and the path as this process can open it.
struct GuestFile {
    std::string option;
    std::string path;
};

struct CampaignImage {
    std::string name;
    std::vector<GuestFile> files;
    std::vector<std::string> arguments;  // what `vtless run` takes besides
    std::string memory;                  // --memory; empty: the campaign's
    uint64_t status = 0;                 // which its runs are to end with
};

// A processor or a timing profile: built in, or a file.
struct CampaignProfile {
    std::string name;  // as written
    std::string path;  // empty: built in
};

struct Campaign {
    std::string name;
    std::vector<CampaignImage> images;
    std::vector<CampaignProfile> cpus;
    std::vector<CampaignProfile> profiles;
    std::vector<std::string> fidelities;
    std::vector<uint64_t> seeds;
    std::string memory;                    // of images that say nothing; empty: what `vtless run` has
    std::vector<std::string> limits;       // arguments of each run
    std::optional<uint64_t> host_seconds;  // a run that takes longer is ended
};

// Everything that can be known before a run is checked here. Paths are relative to the file's folder. The
// error says "FILE:LINE:COLUMN: what is wrong".
vmm::Result<Campaign> read_campaign(const std::string& path);

}  // namespace vtless::lab
