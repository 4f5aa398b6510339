// SPDX-License-Identifier: MIT
// A file read whole, and the sizes that people write.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vmm/error.h"

namespace vtless::vmm {

struct Image {
    std::string path;  // for messages
    std::vector<uint8_t> bytes;
};

// `what` names the file's role in messages: "firmware image". Fails if it is missing, not a regular file,
// empty or larger than limit bytes.
Result<Image> read_image(const std::string& what, const std::string& path, uint64_t limit);

// Bytes: a decimal or 0x number and optionally K, M or G (powers of 1024; KiB and KB are the same).
Result<uint64_t> parse_size(const std::string& text);
// A decimal or 0x number.
Result<uint64_t> parse_number(const std::string& text);

}  // namespace vtless::vmm
