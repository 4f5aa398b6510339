// SPDX-License-Identifier: MIT
#include "vmm/memory/touched_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace vtless::vmm {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kChunk = 8192;  // pages asked for at a time

// Linux' word for each page of a process: Documentation/admin-guide/mm/pagemap.rst.
class PageMap {
  public:
    PageMap() : file_(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)), words_(kChunk, kPresent) {
        // What it says of memory that is there: a sandbox may hide it.
        const auto here = reinterpret_cast<uintptr_t>(words_.data()) / kPage * kPage;
        load(reinterpret_cast<const uint8_t*>(here), 1);
        if (touched(0)) return;
        close(file_);
        file_ = -1;
    }
    PageMap(const PageMap&) = delete;
    PageMap& operator=(const PageMap&) = delete;
    ~PageMap() {
        if (file_ >= 0) close(file_);
    }

    // Of the next pages from this one, as many as were asked for. Where the kernel does not say, all.
    void load(const uint8_t* first, size_t pages) {
        const size_t bytes = pages * sizeof(uint64_t);
        const auto offset = reinterpret_cast<uintptr_t>(first) / kPage * sizeof(uint64_t);
        const bool aligned = reinterpret_cast<uintptr_t>(first) % kPage == 0;
        if (!aligned || file_ < 0 ||
            pread(file_, words_.data(), bytes, static_cast<off_t>(offset)) != static_cast<ssize_t>(bytes))
            std::ranges::fill(words_, kPresent);
    }
    bool touched(size_t page) const { return (words_[page] & (kPresent | kSwapped)) != 0; }

  private:
    static constexpr uint64_t kSwapped = uint64_t{1} << 62;
    static constexpr uint64_t kPresent = uint64_t{1} << 63;

    int file_;
    std::vector<uint64_t> words_;
};

}  // namespace

void for_each_touched_page(std::span<const uint8_t> memory,
                           const std::function<void(std::span<const uint8_t>)>& visit) {
    PageMap map;
    while (!memory.empty()) {
        const size_t pages = std::min((memory.size() + kPage - 1) / kPage, kChunk);
        map.load(memory.data(), pages);
        for (size_t page = 0; page < pages; ++page)
            if (map.touched(page))
                visit(memory.subspan(page * kPage, std::min(kPage, memory.size() - page * kPage)));
        memory = memory.subspan(std::min(pages * kPage, memory.size()));
    }
}

}  // namespace vtless::vmm
