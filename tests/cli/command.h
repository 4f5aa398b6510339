// SPDX-License-Identifier: MIT
// Runs the `vtless` command as a user would.
#pragma once

#include <string>
#include <vector>

namespace vtless::cli {

struct CommandResult {
    int status = -1;  // exit status; 128 + n after signal n
    std::string out;
    std::string err;
};

// Waits for its end. The arguments come after the command's name.
CommandResult run_command(const std::vector<std::string>& arguments);

bool contains(const std::string& text, const std::string& part);
// A command line that is refused with status 2 and a message that holds `message`.
void expect_refused(const std::vector<std::string>& arguments, const std::string& message);

}  // namespace vtless::cli
