// SPDX-License-Identifier: MIT
// Where characters go that a guest prints, and the text that ends a run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "vmm/error.h"

namespace vtless::vmm {

// A sink that a guest may flood: it holds no more than a line's worth.
class CharacterOutput {
  public:
    CharacterOutput() = default;  // discards
    // "-" is standard output, "" discards. Fails with the reason if the file cannot be opened.
    static Result<CharacterOutput> open(const std::string& path);

    // Everything printed from now on is searched for text, which is not empty.
    void watch_for(std::string text) { wanted_ = std::move(text); }
    bool seen() const { return seen_; }

    void put(uint8_t character);
    void flush();
    // Flushes; fails if not everything that was put arrived.
    Result<void> finish();
    uint64_t characters() const { return characters_; }

  private:
    struct Close {
        void operator()(std::FILE* file) const {
            if (file != stdout) std::fclose(file);
        }
    };
    std::unique_ptr<std::FILE, Close> file_;
    std::string path_;
    std::string wanted_;
    std::string tail_;  // the last characters, as many as wanted_ has
    uint64_t characters_ = 0;
    bool seen_ = false;
};

}  // namespace vtless::vmm
