// SPDX-License-Identifier: MIT
// A folder with a campaign in it, and a program that stands for vtless: quick, and misbehaving to order.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "lab/campaign_file.h"
#include "lab/campaign_plan.h"

namespace vtless::lab {

class CampaignFolder : public ::testing::Test {
  protected:
    CampaignFolder() {
        std::string name = ::testing::TempDir() + "vtless-campaign-XXXXXX";
        folder_ = mkdtemp(name.data());
        write("guest.bin", "guest");
    }
    ~CampaignFolder() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::string path(const std::string& name) const { return folder_ + '/' + name; }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    vmm::Result<Campaign> read(const std::string& toml) const {
        return read_campaign(write("campaign.toml", toml));
    }
    // Of a file that must be good.
    CampaignPlan plan(const std::string& toml, const std::string& build = "test build") const {
        const auto campaign = read(toml);
        EXPECT_TRUE(campaign) << campaign.error().message;
        auto plan = make_plan(*campaign, build);
        EXPECT_TRUE(plan) << plan.error().message;
        return std::move(*plan);
    }

    // Its kernel's command line says what it does; it logs each call.
    std::string program() const {
        std::string script = write("program", R"(#!/bin/sh
folder=$(dirname "$0")
for word; do
  case $word in
    --flush-seed=*) seed=${word#*=} ;;
    --append=*) what=${word#*=} ;;
  esac
done
echo "$what $seed" >>"$folder/log"
digest=d
case $what in
  die) kill -9 $$ ;;
  once) [ -e "$folder/died" ] || { touch "$folder/died"; kill -9 $$; } ;;
  sleep) exec sleep 100 ;;
  pause) sleep 0.3 ;;
  refuse) echo "vtless: no such thing" >&2; exit 2 ;;
  silent) echo "half a repo"; exit 0 ;;
  seeded) digest=$seed ;;
  change) echo more >>"$folder/guest.bin" ;;
esac
echo '{"end":"over","status":0,"digest":"'$digest'","time_digest":"t","instructions":1,"cycles":2,"idle_cycles":0,' \
  '"interrupts":0,"host_ns":'$$',"total_exits":3}'
)");
        std::filesystem::permissions(script, std::filesystem::perms::owner_all);
        return script;
    }
    size_t calls() const {
        std::ifstream log(path("log"));
        std::string line;
        size_t lines = 0;
        while (std::getline(log, line)) ++lines;
        return lines;
    }
    // An image whose runs do that.
    static std::string image(const std::string& what) {
        return "[[image]]\nname = \"" + what + "\"\nkernel = \"guest.bin\"\nappend = \"" + what + "\"\n";
    }

    std::string folder_;
};

}  // namespace vtless::lab
