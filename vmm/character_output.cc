// SPDX-License-Identifier: MIT
#include "vmm/character_output.h"

#include <cerrno>
#include <cstring>

namespace vtless::vmm {

Result<CharacterOutput> CharacterOutput::open(const std::string& path) {
    CharacterOutput output;
    output.path_ = path;
    if (path == "-") {
        output.file_.reset(stdout);
    } else if (!path.empty()) {
        output.file_.reset(std::fopen(path.c_str(), "wb"));
        if (!output.file_) return fail("cannot write {}: {}", path, std::strerror(errno));
    }
    return output;
}

void CharacterOutput::put(uint8_t character) {
    ++characters_;
    if (file_) {
        std::fputc(character, file_.get());
        if (character == '\n') flush();
    }
    if (wanted_.empty() || seen_) return;
    if (tail_.size() == wanted_.size()) tail_.erase(0, 1);
    tail_.push_back(static_cast<char>(character));
    seen_ = tail_ == wanted_;
}

void CharacterOutput::flush() {
    if (file_) std::fflush(file_.get());
}

Result<void> CharacterOutput::finish() {
    flush();
    if (!file_ || std::ferror(file_.get()) == 0) return {};
    return fail("{}: could not be written completely", path_ == "-" ? "standard output" : path_);
}

}  // namespace vtless::vmm
