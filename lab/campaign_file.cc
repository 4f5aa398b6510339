// SPDX-License-Identifier: MIT
#include "lab/campaign_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "lab/toml_reader.h"
#include "vmm/cpu_profile.h"
#include "vmm/guest_run.h"
#include "vmm/loaders/image_file.h"
#include "vmm/timing_profile.h"

namespace vtless::lab {

namespace {

constexpr uint64_t kMaxFile = 1 << 20;

// Why the file cannot be a guest's; empty if it can.
std::string wrong_with(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return std::strerror(errno);
    if (!S_ISREG(status.st_mode)) return "not a regular file";
    if (status.st_size == 0) return "the file is empty";
    return access(path.c_str(), R_OK) == 0 ? "" : std::strerror(errno);
}

class CampaignReader {
  public:
    explicit CampaignReader(const std::string& path)
        : toml_(path), folder_(std::filesystem::path(path).parent_path()) {}

    const std::string& error() const { return toml_.error(); }
    Campaign read(const toml::table& root);
    void refuse(const toml::parse_error& error) { toml_.refuse(error.source(), "{}", error.description()); }

  private:
    using Check = vmm::Result<void> (*)(const std::string& name);

    std::string resolve(const std::string& path) const { return (folder_ / path).lexically_normal(); }
    // Each of an array's values once.
    template <class T>
    void refuse_double(std::set<T>& before, const T& value, const toml::node& node, const char* key) {
        if (!before.insert(value).second) toml_.refuse(node.source(), "{}: {} is there twice", key, value);
    }
    std::string memory(const toml::node& node);
    void read_limits(const toml::node& node, Campaign& campaign);
    std::vector<CampaignProfile> read_profiles(const toml::node* node, const char* key, Check check);
    std::vector<std::string> read_fidelities(const toml::node* node);
    std::vector<uint64_t> read_seeds(const toml::node* node);
    CampaignImage read_image(const toml::table& table);
    void read_guest(const toml::table& table, CampaignImage& image);

    TomlReader toml_;
    std::filesystem::path folder_;
};

vmm::Result<void> check_cpu(const std::string& name) {
    const auto profile = vmm::load_cpu_profile(name);
    return profile ? vmm::Result<void>() : Unexpected(profile.error());
}

vmm::Result<void> check_timing(const std::string& name) {
    const auto profile = vmm::load_timing_profile(name);
    if (!profile) return Unexpected(profile.error());
    sim::EngineConfig config;
    return vmm::apply(*profile, config);
}

std::string CampaignReader::memory(const toml::node& node) {
    using Config = vmm::GuestRunConfig;
    std::string text = toml_.text(node, "memory");
    const auto bytes = vmm::parse_size(text);
    if (!bytes) {
        toml_.refuse(node.source(), "memory: {}", bytes.error().message);
    } else if (*bytes < Config::kMinimumMemory || *bytes > Config::kMaximumMemory || *bytes % 4096 != 0) {
        toml_.refuse(node.source(), "memory: {} is not a multiple of 4K between 1M and 16G", text);
    }
    return text;
}

void CampaignReader::read_limits(const toml::node& node, Campaign& campaign) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return toml_.refuse(node.source(), "limits: expected a table");
    toml_.allow(*table, {"memory", "max_cycles", "max_exits", "host_seconds"});
    if (const toml::node* size = table->get("memory")) campaign.memory = memory(*size);
    if (const toml::node* cycles = table->get("max_cycles"))
        campaign.limits.push_back(fmt::format("--max-cycles={}", toml_.number(*cycles, "max_cycles")));
    if (const toml::node* exits = table->get("max_exits"))
        campaign.limits.push_back(fmt::format("--max-exits={}", toml_.number(*exits, "max_exits")));
    if (const toml::node* seconds = table->get("host_seconds")) {
        campaign.host_seconds = toml_.number(*seconds, "host_seconds");
        constexpr uint64_t kYear = 31'622'400;
        if (*campaign.host_seconds == 0 || *campaign.host_seconds > kYear)
            toml_.refuse(seconds->source(), "host_seconds: expected 1 to {}", kYear);
    }
}

// Named as for --cpu and --profile: with a '/' or the ending .json it is a path.
std::vector<CampaignProfile> CampaignReader::read_profiles(const toml::node* node, const char* key,
                                                           Check check) {
    std::vector<CampaignProfile> profiles;
    std::set<std::string> names;
    for (const toml::node* each : toml_.elements(*node, key)) {
        const std::string name = toml_.text(*each, key);
        refuse_double(names, name, *each, key);
        const bool file = name.find('/') != std::string::npos || name.ends_with(".json");
        const std::string path = file ? resolve(name) : "";
        if (const auto checked = check(file ? path : name); !checked)
            toml_.refuse(each->source(), "{}: {}", key, checked.error().message);
        profiles.push_back({name, path});
    }
    return profiles;
}

std::vector<std::string> CampaignReader::read_fidelities(const toml::node* node) {
    std::vector<std::string> known;
    known.reserve(vmm::kFidelities.size());
    for (const auto& [name, fidelity] : vmm::kFidelities) known.emplace_back(name);
    std::vector<std::string> fidelities;
    std::set<std::string> before;
    for (const toml::node* each : toml_.elements(*node, "fidelities")) {
        const std::string name = toml_.text(*each, "fidelities");
        refuse_double(before, name, *each, "fidelities");
        if (std::ranges::find(known, name) == known.end())
            toml_.refuse(each->source(), "fidelities: no fidelity \"{}\"; there are {}", name,
                         fmt::join(known, ", "));
        fidelities.push_back(name);
    }
    return fidelities;
}

std::vector<uint64_t> CampaignReader::read_seeds(const toml::node* node) {
    std::vector<uint64_t> seeds;
    std::set<uint64_t> before;
    for (const toml::node* each : toml_.elements(*node, "seeds")) {
        const uint64_t seed = toml_.number(*each, "seeds");
        refuse_double(before, seed, *each, "seeds");
        seeds.push_back(seed);
    }
    return seeds;
}

// A kind of guest: its key, the keys that may come with it, and whether all of those must.
struct GuestKind {
    std::string_view key;
    std::array<std::string_view, 2> more;
    bool required;
};
constexpr std::array<GuestKind, 3> kGuests = {
    {{"bios", {}, false}, {"flat", {"load", "entry"}, true}, {"kernel", {"initrd", "append"}, false}}};

void CampaignReader::read_guest(const toml::table& table, CampaignImage& image) {
    const auto given =
        std::ranges::count_if(kGuests, [&](const GuestKind& kind) { return table.contains(kind.key); });
    if (given != 1)
        return toml_.refuse(table.source(), "expected one of bios, flat and kernel ({} given)", given);
    for (const GuestKind& kind : kGuests) {
        const bool chosen = table.contains(kind.key);
        for (const std::string_view key : kind.more) {
            const toml::node* node = key.empty() ? nullptr : table.get(key);
            if (node != nullptr && !chosen) toml_.refuse(node->source(), "{} belongs to {}", key, kind.key);
            if (node == nullptr && chosen && kind.required)
                toml_.refuse(table.source(), "{} needs {}", kind.key, key);
        }
    }
    for (const char* key : {"bios", "flat", "kernel", "initrd"}) {
        const toml::node* node = table.get(key);
        if (node == nullptr) continue;
        const std::string path = resolve(toml_.text(*node, key));
        if (const std::string wrong = wrong_with(path); !wrong.empty())
            toml_.refuse(node->source(), "{}: {}: {}", key, path, wrong);
        image.files.push_back({fmt::format("--{}", key), path});
    }
    for (const char* key : {"load", "entry"})
        if (const toml::node* node = table.get(key))
            image.arguments.push_back(fmt::format("--{}={:#x}", key, toml_.number(*node, key)));
    if (const toml::node* node = table.get("append"))
        image.arguments.push_back("--append=" + toml_.text(*node, "append"));
}

CampaignImage CampaignReader::read_image(const toml::table& table) {
    toml_.allow(table, {"name", "bios", "flat", "load", "entry", "kernel", "initrd", "append", "memory",
                        "until", "status"});
    CampaignImage image;
    image.name = toml_.word(toml_.required(table, "name", "a name for the image"), "name");
    read_guest(table, image);
    if (const toml::node* node = table.get("memory")) image.memory = memory(*node);
    if (const toml::node* node = table.get("until"))
        image.arguments.push_back("--until=" + toml_.text(*node, "until"));
    if (const toml::node* node = table.get("status")) {
        image.status = toml_.number(*node, "status");
        if (image.status > 255) toml_.refuse(node->source(), "status: expected 0 to 255");
    }
    return image;
}

Campaign CampaignReader::read(const toml::table& root) {
    toml_.allow(root, {"name", "cpus", "profiles", "fidelities", "seeds", "limits", "image"});
    Campaign campaign;
    campaign.name = toml_.word(toml_.required(root, "name", "the campaign's name"), "name");
    const toml::array default_cpus{"default"};
    const toml::array default_profiles{vmm::kDefaultTiming};
    const toml::array default_fidelities{vmm::kFidelities.front().first};
    const toml::array default_seeds{0};
    const auto or_default = [&](const char* key, const toml::array& value) -> const toml::node* {
        return root.contains(key) ? root.get(key) : &value;
    };
    campaign.cpus = read_profiles(or_default("cpus", default_cpus), "cpus", check_cpu);
    campaign.profiles = read_profiles(or_default("profiles", default_profiles), "profiles", check_timing);
    campaign.fidelities = read_fidelities(or_default("fidelities", default_fidelities));
    campaign.seeds = read_seeds(or_default("seeds", default_seeds));
    if (const toml::node* limits = root.get("limits")) read_limits(*limits, campaign);
    std::set<std::string> names;
    for (const toml::node* each :
         toml_.elements(toml_.required(root, "image", "at least one [[image]]"), "image")) {
        const toml::table* table = each->as_table();
        if (table == nullptr) {
            toml_.refuse(each->source(), "image: expected tables: [[image]]");
            continue;
        }
        const CampaignImage image = read_image(*table);
        if (const toml::node* name = table->get("name")) refuse_double(names, image.name, *name, "name");
        campaign.images.push_back(image);
    }
    return campaign;
}

}  // namespace

vmm::Result<Campaign> read_campaign(const std::string& path) {
    const auto file = vmm::read_image("campaign", path, kMaxFile);
    if (!file) return Unexpected(file.error());
    const std::string text(file->bytes.begin(), file->bytes.end());
    CampaignReader reader(path);
    const toml::parse_result parsed = toml::parse(text, path);
    if (!parsed) reader.refuse(parsed.error());
    Campaign campaign = parsed ? reader.read(parsed.table()) : Campaign{};
    if (!reader.error().empty()) return Unexpected(vmm::Error{reader.error()});
    return campaign;
}

}  // namespace vtless::lab
