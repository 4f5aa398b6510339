// SPDX-License-Identifier: MIT
// Where the text of a profile is: built in, or a file of the user's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vmm/embedded_profiles.h"
#include "vmm/error.h"

namespace vtless::vmm {

// What is asked for by name. `kind` is what errors call it; `names` are those that there are.
struct ProfileChoice {
    const char* kind;
    std::span<const EmbeddedProfile> built_in;
    std::vector<std::string> names;
};

// The text of a built-in profile by its name, or of a file: a name with a '/' or the ending ".json" is a
// path.
Result<std::string> profile_text(const std::string& name, const ProfileChoice& choice);

}  // namespace vtless::vmm
