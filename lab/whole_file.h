// SPDX-License-Identifier: MIT
// Files that are there whole or not at all.
#pragma once

#include <optional>
#include <string>

#include "vmm/error.h"

namespace vtless::lab {

// Nothing if there is no such file.
vmm::Result<std::optional<std::string>> read_whole(const std::string& path);

enum class IfThere : uint8_t {
    Replace,
    Keep,  // what is there stays, and that is no error
};
// Under another name first, then in one step under its own. On an error nothing is left behind.
vmm::Result<void> write_whole(const std::string& path, const std::string& text, IfThere what);

}  // namespace vtless::lab
