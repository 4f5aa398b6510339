// SPDX-License-Identifier: MIT
// A guest as the build leaves it: a flat binary, and the addresses of its labels.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vtless::conformance {

class Image {
  public:
    // By the name of its source in guests/, without ".S". Throws if there is none.
    explicit Image(const std::string& name);

    const std::vector<uint8_t>& bytes() const { return bytes_; }
    const std::map<std::string, uint64_t>& symbols() const { return symbols_; }
    // Throws if there is no such label.
    uint64_t symbol(const std::string& label) const;

  private:
    std::vector<uint8_t> bytes_;
    std::map<std::string, uint64_t> symbols_;
};

}  // namespace vtless::conformance
