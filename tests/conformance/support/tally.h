// SPDX-License-Identifier: MIT
// What became of the cases, by backend: printed at the end of the program.
#pragma once

#include <map>
#include <string>

namespace vtless::conformance {

class Tally {
  public:
    static Tally& of(const std::string& backend);

    void passed(bool details_unchecked);
    void failed() { ++failed_; }
    void deviated() { ++deviated_; }
    void skipped(const std::string& why) { ++skipped_[why]; }

    std::string text() const;

  private:
    unsigned passed_ = 0;
    unsigned details_unchecked_ = 0;
    unsigned failed_ = 0;
    unsigned deviated_ = 0;
    std::map<std::string, unsigned> skipped_;
};

}  // namespace vtless::conformance
