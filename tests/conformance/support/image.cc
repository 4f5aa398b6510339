// SPDX-License-Identifier: MIT
#include "tests/conformance/support/image.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace vtless::conformance {
namespace {

std::ifstream open(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open " + path);
    return file;
}

}  // namespace

Image::Image(const std::string& name) {
    const std::string path = std::string(VTLESS_CONFORMANCE_GUESTS) + "/" + name;
    std::ifstream binary = open(path + ".bin");
    bytes_.assign(std::istreambuf_iterator<char>(binary), {});
    std::ifstream list = open(path + ".sym");
    for (std::string line; std::getline(list, line);) {
        std::istringstream words(line);
        uint64_t address = 0;
        std::string type;
        std::string label;
        if (words >> std::hex >> address >> type >> label) symbols_[label] = address;
    }
}

uint64_t Image::symbol(const std::string& label) const {
    const auto found = symbols_.find(label);
    if (found == symbols_.end()) throw std::runtime_error("the guest has no label " + label);
    return found->second;
}

}  // namespace vtless::conformance
