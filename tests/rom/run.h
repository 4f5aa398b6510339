// SPDX-License-Identifier: MIT
// Runs a ROM image, in Bochs and here.
#pragma once

#include <string>

namespace vtless::rom {

// Why Bochs cannot be asked on this machine; empty if it can.
std::string why_no_bochs();

// A folder for the files of one run, made.
std::string scratch(const std::string& name);

// What each printed. Files of their own are kept in the folder `scratch`.
std::string run_in_bochs(const std::string& rom, const std::string& scratch);
// profile: as `vtless machine --cpu` takes it, or empty.
// Its standard error is scratch's ours.err.
std::string run_here(const std::string& rom, const std::string& profile, const std::string& scratch,
                     const std::string& options = "");

}  // namespace vtless::rom
